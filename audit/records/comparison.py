"""What changed between models on the same images: the facts that `comparison.json` carries and that its page draws.

Frozen pydantic dataclasses, as in `audit.records.results`: a wrong type, an unknown field or a NaN is refused when the value is made.
What could
not be estimated is None, and its verdict says so. "Before" is always the first model that was named, "after" another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from audit.errors import DataError
from audit.records.results import ProbeRecord, Rate, Timing, Verdict
from audit.types import Better, Group, ModelRecord, Settings

SCHEMA_VERSION = "1"
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

ChangeVerdict = Literal["gap grew", "gap shrank", "gap reversed", "no change that matters", "cannot tell", "not estimable"]
Overall = Literal["gap grew", "gap shrank", "gap reversed", "mixed", "no change that matters", "cannot tell", "not estimable"]
"""`mixed`: some gaps grew and others shrank."""


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
class GapEnds:
    """A gap of one model."""

    highest: Group
    lowest: Group
    value: float
    low: float
    high: float
    """Newcombe interval of highest minus lowest, at 1 - alpha / m for the m pairs it was picked from."""


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
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
    """Whether the sign of the difference is shown to have turned: simultaneous Newcombe intervals on opposite sides of 0."""


@dataclass(frozen=True, config=_STRICT)
class Change:
    """One claim, compared."""

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
    verdict_before: Verdict
    verdict_after: Verdict
    """Of the two audits themselves."""
    overall: RateChange
    by_group: tuple[RateChange, ...]
    gap: GapChange | None
    """None where fewer than two groups can be estimated."""
    pairs: tuple[PairChange, ...]
    """The pairs whose difference changed most, and those of the two gaps."""
    verdict: ChangeVerdict
    beyond_tolerance: bool
    """Whether the interval of the change lies wholly beyond the tolerance."""
    levelled_down: bool
    """Whether the gap shrank because the best group got worse, without a gain for the worst."""
    reason: str


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
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
    elsewhere_missing: int
    """Images that both have and a third model of the comparison has not; they take no part either."""
    cluster: str | None
    """The column that says which images belong together and count as one case; None: every image is a case of its own."""
    limited: bool
    changes: tuple[Change, ...]
    not_compared: tuple[str, ...]
    """Claims that cannot be paired, with the reason, a sentence each."""
    verdict: Overall
    verdict_reason: str
    by_place: bool = False
    """Whether images were paired by their place in the file, since it gives no identifiers."""


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
class Trajectory:
    """One claim over the checkpoints of a run."""

    id: str
    measurement: str
    truth: str | None
    metric: str
    outcome: str | None
    attributes: tuple[str, ...]
    better: Better
    primary: bool
    tolerance: float
    points: tuple[Point, ...]
    appears: int | None
    """First step from which on the simultaneous lower bound of the gap stays above the tolerance; None where it never does.

    Found from the last checkpoint backwards, up to the first at which it does not hold: a fixed sequence of tests, which needs no
    correction for the number of checkpoints.
    """
    detectable: int | None
    """First step from which on p stays at or below alpha; found in the same way."""
    reason: str


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
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
    notes: tuple[str, ...]
    """What differs between the audits beside the models, a sentence each."""
    environment: Mapping[str, str]
    timing: Timing


@cache
def _adapter() -> TypeAdapter[Comparisons]:
    return TypeAdapter(Comparisons)


def to_json(comparisons: Comparisons) -> str:
    """Return strict JSON with sorted keys; equal comparisons give equal bytes, time stamps apart."""
    plain = _adapter().dump_python(comparisons, mode="json")
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Comparisons:
    """Return the comparisons of a `comparison.json`.

    Raises
    ------
    DataError
        If the text is not JSON, has another schema version, or does not follow the schema.
    """
    again = "compare again"
    try:
        plain: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError("comparison.json is not JSON", why=str(error), fix=again) from error
    version = plain.get("schema_version") if isinstance(plain, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(f"comparison.json has schema version {version!r}; this program reads {SCHEMA_VERSION!r}", fix=again)
    try:
        return _adapter().validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"comparison.json does not follow its schema at {place}", why=first["msg"], fix=again) from error


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `comparison.json`."""
    return _adapter().json_schema()
