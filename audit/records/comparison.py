"""What changed between models on the same images: the facts that `comparison.json` carries and that its page draws.

What could not be estimated is None, and its verdict says so. "Before" is always the first model that was named, "after" another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from audit.records.base import FindingVerdict, Timing, Verdict, record
from audit.records.file import File
from audit.records.finding import Rate
from audit.records.gates import GateResult
from audit.records.inputs import ProbeRecord
from audit.types import Better, Group, ModelRecord, Note, Settings

SCHEMA_VERSION = "2"

Direction = Literal["grew", "shrank", "reversed"]
"""What became of a gap, where the verdict on its change is a disparity."""


@record
class RateChange:
    """One group before and after, on the same images."""

    before: Rate
    after: Rate
    gained: int
    """Images that are an event only after."""
    lost: int
    """Images that are an event only before."""
    difference: float | None
    """(gained - lost) / n: after minus before. Like the intervals None where no image counts."""
    low: float | None
    high: float | None
    """Agresti-Min interval at level 1 - alpha, for this group alone."""
    low_adjusted: float | None
    high_adjusted: float | None
    """Simultaneous over the compared groups (Bonferroni); for a group outside the comparison and for all images as `low` and `high`."""
    p: float
    """McNemar, exact; 1 where no answer changed sides. Where images come in clusters: all images of a cluster change sign together."""
    p_adjusted: float
    """Holm over the compared groups."""


@record
class GapEnds:
    """A gap of one model."""

    highest: Group
    lowest: Group
    value: float
    low: float
    high: float
    """Newcombe interval of highest minus lowest, at 1 - alpha / m for the m pairs it was picked from."""


@record
class GapChange:
    """The gap after minus the gap before."""

    before: GapEnds
    after: GapEnds
    difference: float
    low: float
    high: float
    """At level 1 - alpha: the joint counts of (before, after) resampled within each group; percentile interval and its mirror image."""
    p: float
    """The smallest alpha at which that interval leaves out 0."""
    p_adjusted: float
    """Holm over the primary changes of the whole comparison; equal to `p` for other claims."""
    minimum_detectable: float
    """Smallest change of the difference between any two groups that these images would find with power 0.8."""


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
    """At level 1 - alpha / m, m pairs."""
    reversed: bool
    """Whether the sign of the difference turned: simultaneous Newcombe intervals on opposite sides of 0."""


@record
class ComparedClaim:
    """What is compared."""

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
    """Of the two audits themselves."""
    overall: RateChange
    by_group: tuple[RateChange, ...]
    gap: GapChange | None
    """None where fewer than two groups can be estimated."""
    pairs: tuple[PairChange, ...]
    """The pairs whose difference changed most, and those of the two gaps."""
    verdict: Verdict
    """On the change: a disparity is a gap that changed, equivalence a change within the tolerance of every pair."""
    direction: Direction | None
    """None unless the verdict is a disparity."""
    beyond_tolerance: bool
    """Whether the interval of the change lies wholly beyond the tolerance."""
    levelled_down: bool
    """Whether the gap shrank because the best group got worse, without a gain for the worst."""


@record
class Side:
    """A model with its finished audit."""

    name: str
    """Unique in the comparison."""
    model: ModelRecord
    directory: str
    """Where its audit stands, without the machine's folders."""
    sha256: str
    """Of its results.json."""
    created: str
    verdicts: Mapping[str, Verdict]
    """probe -> verdict of its own audit."""


@record
class Comparison:
    """Two models, one probe, the same images."""

    probe: str
    before: str
    after: str
    """Names of sides."""
    images: int
    only_before: int
    only_after: int
    """Images that only one of the two audits has; they take no part."""
    missing_in_others: int
    """Images that both have and a third model of the comparison lacks; they take no part either."""
    cluster: str | None
    """The column that says which images belong together ; None: images are independent."""
    limited: bool
    changes: tuple[Change, ...]
    not_compared: tuple[Note, ...]
    """Claims that cannot be paired, and why: each names its `finding`."""
    verdict: Verdict
    """The worst over the primary changes."""
    direction: Direction | Literal["mixed"] | None
    """`reversed` where any gap is, `mixed` where some gaps grew and others shrank; None unless the verdict is a disparity."""
    excluded: int = 0
    """Most images that one of the two audits itself left out."""
    same_model: bool = False
    """Whether both sides are the same weights, read the same way, with the same answers."""
    by_place: bool = False
    """Whether images were paired by their place in the file, since it gives no identifiers."""


@record
class PairedModels:
    """The models of one run of the audit, in their planned questions: each against the first, on the same images."""

    family: int
    """Planned changes over which p was adjusted."""
    comparisons: tuple[Comparison, ...]
    notes: tuple[Note, ...]
    """What differs between the audits other than the models, and why models could not be compared."""


@record
class Point:
    """One checkpoint of a series."""

    side: str
    step: int
    rates: tuple[Rate, ...]
    overall: Rate
    gap: GapEnds | None
    """Its interval is simultaneous over pairs and primary claims."""
    p: float | None
    """Permutation test of the gap, as in an audit; times the number of primary claims for one of them."""


@record
class Trajectory(ComparedClaim):
    """One claim over the checkpoints of a run."""

    points: tuple[Point, ...]
    appears: int | None
    """First step from which on the simultaneous lower bound of the gap stays above the tolerance; None where it never does.

    Found from the last checkpoint backwards, up to the first at which it does not hold: a fixed sequence of tests, which needs no
    correction for the number of checkpoints.
    """
    detectable: int | None
    """First step from which on p stays at or below alpha; found in the same way."""


@record
class Series:
    """The checkpoints of one run under one probe, by step."""

    probe: str
    run: str | None
    """Of the model records, where all agree."""
    images: int
    limited: bool
    claims: int
    """Primary claims over which bands and p are corrected."""
    trajectories: tuple[Trajectory, ...]


@record
class Comparisons:
    """The file: everything that one run of the command compared."""

    schema_version: str
    status: Literal["complete"]
    tool: str
    command: tuple[str, ...]
    """Arguments as typed; of an absolute path only the last part."""
    settings: Settings
    family: int
    """Primary changes over which p was adjusted."""
    sides: tuple[Side, ...]
    probes: tuple[ProbeRecord, ...]
    comparisons: tuple[Comparison, ...]
    series: tuple[Series, ...]
    notes: tuple[Note, ...]
    """What differs between the audits other than the models."""
    environment: Mapping[str, str]
    timing: Timing
    gates: tuple[GateResult, ...] = ()


_FILE = File(Comparisons, "comparison.json", SCHEMA_VERSION, "compare again")
to_json, from_json, json_schema = _FILE.to_json, _FILE.from_json, _FILE.json_schema
"""Equal comparisons give equal bytes, time stamps apart."""
