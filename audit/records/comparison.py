"""What changed between models on the same images: the facts in `comparison.json`, which its page shows.

Values that cannot be estimated are None, and the verdict says so. "Before" is always the first model on the command line, "after" another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from audit.records.base import FindingVerdict, Timing, Verdict, record
from audit.records.file import File
from audit.records.finding import Rate, Uncovered
from audit.records.gates import GateResult
from audit.records.inputs import ProbeRecord
from audit.types import Better, Group, ModelRecord, Note, Settings

SCHEMA_VERSION = "2"

Direction = Literal["grew", "shrank", "reversed"]
"""How a gap changed, if the verdict on its change is a disparity."""


@record
class RateChange:
    """One group before and after, on the same images."""

    before: Rate
    after: Rate
    gained: int
    """Images that count as an event only after."""
    lost: int
    """Images that count as an event only before."""
    difference: float | None
    """(gained - lost) / n: after minus before. None, as are the intervals, if there are no images."""
    low: float | None
    high: float | None
    """Agresti-Min interval at level 1 - alpha, for this group alone."""
    low_adjusted: float | None
    high_adjusted: float | None
    """Simultaneous over the compared groups (Bonferroni); equal to `low` and `high` for a group that is not compared and for all images."""
    p: float
    """Exact McNemar test; 1 if no answer changed. If images come in clusters, all images of a cluster change sign together."""
    p_adjusted: float
    """Holm over the compared groups; of all images, over the rates of the file that are findings of their own (`of_whole`)."""


@record
class GapEnds:
    """The best and the worst group of one model."""

    highest: Group
    lowest: Group
    value: float
    low: float
    high: float
    """Newcombe interval of highest minus lowest, at 1 - alpha / m for the m pairs from which it was chosen."""


@record
class GapChange:
    """The gap after minus the gap before."""

    before: GapEnds
    after: GapEnds
    difference: float
    low: float
    high: float
    """At level 1 - alpha, by resampling joint counts of (before, after) within groups: percentile interval united with its mirror image."""
    p: float
    """The smallest alpha at which that interval excludes 0."""
    p_adjusted: float
    """Holm over the primary changes of the whole comparison; equal to `p` for other claims."""
    minimum_detectable: float
    """Smallest change of the difference between any two groups that would be detected on these images with power 0.8."""


@record
class PairChange:
    """Two groups: their difference before and after."""

    first: Group
    second: Group
    before: float
    """First minus second."""
    after: float
    difference: float
    """After minus before."""
    low: float
    high: float
    """At level 1 - alpha, for this pair alone: built from the Agresti-Min intervals of the two groups as Newcombe's is from Wilson's."""
    low_adjusted: float
    high_adjusted: float
    """At level 1 - alpha / m for m pairs."""
    reversed: bool
    """Whether the difference changed sign: simultaneous Newcombe intervals on opposite sides of 0."""


@record
class ComparedClaim:
    """The claim that is compared."""

    id: str
    """As in `results.json`: ``measurement/metric[outcome]/attribute x attribute``."""
    measurement: str
    truth: str | None
    metric: str
    outcome: str | None
    attributes: tuple[str, ...]
    better: Better
    primary: bool
    tolerance: float


@record
class Change(ComparedClaim):
    """One claim before and after."""

    verdict_before: FindingVerdict
    verdict_after: FindingVerdict
    """Verdicts of the two audits."""
    overall: RateChange
    by_group: tuple[RateChange, ...]
    gap: GapChange | None
    """None if fewer than two groups can be estimated."""
    pairs: tuple[PairChange, ...]
    """The pairs whose difference changed most, and those of the two gaps."""
    verdict: Verdict
    """On the change: disparity if the gap changed, equivalent if every pair changed within the tolerance."""
    direction: Direction | None
    """None unless the verdict is a disparity."""
    beyond_tolerance: bool
    """Whether the interval of the change lies entirely beyond the tolerance."""
    levelled_down: bool
    """Whether the gap shrank because the best group got worse without improvement for the worst."""
    confused: tuple[str, str] | None = None
    """The true answer and the answer it is taken for, if the rate is about errors and neither model gave a third answer; None as well in
    files of earlier versions."""
    missing_truth: Uncovered | None = None
    """Set if true answers are missing depending on the answers, with what the missing ones may change: `filled` is the change of the gap in
    its direction; of a reversal the smaller of the differences before and after."""
    withheld: Verdict | None = None
    """The verdict that the change would have otherwise."""


@record
class Side:
    """A model with its finished audit."""

    name: str
    """Unique in the comparison."""
    model: ModelRecord
    directory: str
    """Folder of its audit, without the folders above it."""
    sha256: str
    """sha256 of its results.json."""
    created: str
    verdicts: Mapping[str, Verdict]
    """probe -> verdict of its own audit."""
    position: float | None = None
    """Its value on `Series.axis`; None without such an axis."""


@record
class Comparison:
    """Two models, one probe, the same images."""

    probe: str
    before: str
    after: str
    """Names of the two sides."""
    images: int
    only_before: int
    only_after: int
    """Images that only one of the two audits has; they are ignored."""
    missing_in_others: int
    """Images that both have but a third model of the comparison lacks; they are ignored, too."""
    cluster: str | None
    """The column that says which images belong together; None: images are independent."""
    limited: bool
    changes: tuple[Change, ...]
    not_compared: tuple[Note, ...]
    """Claims that cannot be paired, and why: each names its `finding`."""
    verdict: Verdict
    """The worst over the primary changes."""
    direction: Direction | Literal["mixed"] | None
    """`reversed` if any gap is, `mixed` if some gaps grew and others shrank; None unless the verdict is a disparity."""
    excluded: int = 0
    """Images that one of the two audits itself left out: the larger of the two numbers."""
    same_model: bool = False
    """Whether both sides are the same weights, read the same way, with the same answers."""
    by_place: bool = False
    """Whether images were paired by their position in the file, since it has no identifiers."""


@record
class PairedModels:
    """The models of one run of the audit, for their planned questions: each compared with the first, on the same images."""

    family: int
    """Number of planned changes over which p was adjusted."""
    comparisons: tuple[Comparison, ...]
    notes: tuple[Note, ...]
    """Differences between the audits other than the models, and why models could not be compared."""


@record
class SeriesAxis:
    """Numbers by which models are ordered, instead of their training steps."""

    name: str
    values: tuple[float, ...]
    """One per model, in the order of the sides; several models may have the same."""


@record
class Point:
    """One checkpoint of a series, or one model of a series along an axis of the user's."""

    side: str
    step: int | float
    """The training step, or the value on `Series.axis`."""
    rates: tuple[Rate, ...]
    overall: Rate
    gap: GapEnds | None
    """Its interval is simultaneous over pairs and primary claims."""
    p: float | None
    """Permutation test of the gap, as in an audit; for a primary claim, times the number of primary claims."""


@record
class Trajectory(ComparedClaim):
    """One claim over the checkpoints of a run."""

    points: tuple[Point, ...]
    appears: int | float | None
    """First step (or value on the axis) from which on the simultaneous lower bound of the gap stays above the tolerance; None if it never
    does.

    Determined from the last checkpoint backwards, until it first fails: a fixed sequence of tests, which needs no correction for the number
    of checkpoints.
    """
    detectable: int | float | None
    """First step from which on p stays at or below alpha; determined in the same way."""
    confused: tuple[str, str] | None = None
    """As in `Change`."""


@record
class Series:
    """The checkpoints of one run under one probe, by step; or models along an axis."""

    probe: str
    run: str | None
    """From the model records, if all agree."""
    images: int
    limited: bool
    claims: int
    """Number of primary claims for which intervals and p are corrected."""
    trajectories: tuple[Trajectory, ...]
    axis: str | None = None
    """Name of the numbers by which the models are ordered, such as ``dose``; None: training steps."""


@record
class Comparisons:
    """The file: all comparisons of one run of the command."""

    schema_version: str
    status: Literal["complete"]
    tool: str
    command: tuple[str, ...]
    """Arguments as typed; for an absolute path only the last part."""
    settings: Settings
    family: int
    """Number of primary changes over which p was adjusted."""
    sides: tuple[Side, ...]
    probes: tuple[ProbeRecord, ...]
    comparisons: tuple[Comparison, ...]
    series: tuple[Series, ...]
    notes: tuple[Note, ...]
    """Differences between the audits other than the models."""
    environment: Mapping[str, str]
    timing: Timing
    gates: tuple[GateResult, ...] = ()


_FILE = File(Comparisons, "comparison.json", SCHEMA_VERSION, "compare again")
to_json, from_json, json_schema = _FILE.to_json, _FILE.from_json, _FILE.json_schema
"""Equal comparisons give equal bytes, except for time stamps."""
