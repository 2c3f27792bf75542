"""What an audit found: the facts that `results.json` carries and that the report draws.

Frozen pydantic dataclasses: a wrong type, an unknown field or a NaN is refused when the value is made. Nothing here knows of HTML.
What could not be estimated is None, and its status says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from audit.errors import DataError
from audit.records.consistency import inconsistency
from audit.records.evidence import (
    Adjusted,
    AdjustedGap,
    Calibration,
    CountRecord,
    EffectSize,
    FourFifths,
    Listed,
    NoisePoint,
    Odds,
    ScoreSpread,
    Shrinkage,
    ThresholdCurve,
    TippingPoint,
    VarianceShares,
)
from audit.records.gates import GateResult
from audit.records.what_if import WhatIfs
from audit.types import Better, Exclusion, Group, ModelRecord, PublishedTable, Settings

SCHEMA_VERSION = "1"
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

Verdict = Literal["disparity", "equivalent", "inconclusive", "not estimable"]
CellStatus = Literal["ok", "small", "not estimable", "absent", "unknown"]
"""`small`: under the minimum group size; shown, but outside gap, tests and verdict. `unknown` (missing attribute values): likewise."""


@dataclass(frozen=True, config=_STRICT)
class Rate:
    """A rate in one group: events out of n, with its Wilson interval."""

    group: Group
    n: int
    """The denominator of the metric (images with y_true = outcome for a true positive rate), not the group's size."""
    events: int
    value: float | None
    low: float | None
    high: float | None
    status: CellStatus
    baseline: float | None = None
    """Accuracy only: what always giving the commonest true answer of all images would score in this group."""
    clusters: int | None = None
    """Independent units that the images of the group lie in, where they come in clusters; None: every image is its own."""


@dataclass(frozen=True, config=_STRICT)
class Contrast:
    """Difference of two rates, first minus second, with its Newcombe interval."""

    first: Group
    second: Group
    """Empty: the other estimable groups, pooled."""
    difference: float
    low: float
    high: float
    """At level 1 - alpha, for this contrast alone."""
    p: float
    p_adjusted: float
    """Holm over the contrasts of the finding."""
    low_adjusted: float
    high_adjusted: float
    """Simultaneous: Newcombe at 1 - alpha / m, m contrasts."""
    beyond_tolerance: bool
    """Whether the simultaneous interval lies wholly beyond the tolerance, on either side."""


@dataclass(frozen=True, config=_STRICT)
class Gap:
    """The largest minus the smallest rate over the estimable groups, and what chance alone would give."""

    highest: Group
    lowest: Group
    value: float
    low: float
    high: float
    """Interval of the largest difference of any two groups: the largest lower and the largest upper limit of any pair, each Newcombe's at
    1 - alpha / m for the m pairs. Negative where no pair is shown to differ."""
    ratio: float | None
    """Lowest rate over highest; context only. None where the highest is 0."""
    p: float
    """Permutation test of "no two groups differ", by the clearest pair: the one whose difference is largest in its standard errors."""
    p_adjusted: float
    """Holm over the primary claims of the audit; equal to `p` for other claims."""
    null_mean: float
    null_95: float
    """Mean and 95 % point of the gap under shuffled group labels: the noise floor."""
    chi2: float | None
    chi2_p: float | None
    spread: float
    """Between-group standard deviation, corrected for sampling (0 where the corrected variance is negative)."""
    spread_squared: float
    """The corrected variance, signed."""
    minimum_detectable: float
    """Smallest difference between two groups that this many images would find with power 0.8."""
    farthest: float | None = None
    """How far from 0 the 1 - 2 alpha interval of any pair goes (`audit/statistics/equivalence.py`); equivalent where that is less than the
    tolerance."""
    clearest: tuple[Group, Group] | None = None
    """The pair that the test is of, the higher rate first. Thin groups may lie farther apart, and less clearly."""


@dataclass(frozen=True, config=_STRICT)
class Finding:
    """One claim, answered."""

    id: str
    """``measurement/metric[outcome]/attribute x attribute``; stable between runs."""
    measurement: str
    metric: str
    outcome: str | None
    attributes: tuple[str, ...]
    better: Better
    primary: bool
    tolerance: float
    overall: Rate
    by_group: tuple[Rate, ...]
    gap: Gap | None
    """None where fewer than two groups can be estimated."""
    contrasts: tuple[Contrast, ...]
    """Each estimable group against the rest."""
    pairs: tuple[Contrast, ...]
    """Every pair of estimable groups (outside the verdict at most the 435 clearest); empty where the omnibus test does not reject."""
    verdict: Verdict
    exceeds_tolerance: bool
    reason: str
    """Why this verdict, in a sentence."""
    # What follows stands beside the verdict and never decides it; None or empty where it makes no sense.
    effect: EffectSize | None = None
    """Of the highest against the lowest group."""
    four_fifths: FourFifths | None = None
    shrinkage: Shrinkage | None = None
    """Where some group is small."""
    listed: Listed | None = None
    """Outside the verdict, where the same is asked of several outcomes."""
    near_tie_verdict: Verdict | None = None
    """The verdict if every decision that rounding could turn were turned; None where no decision is that close."""
    tipping: TippingPoint | None = None
    noise: tuple[NoisePoint, ...] = ()
    adjusted: tuple[Adjusted, ...] = ()
    """Highest against lowest group within the levels of each other attribute, then of all of them together."""
    adjusted_gap: AdjustedGap | None = None


@dataclass(frozen=True, config=_STRICT)
class PairedFinding:
    """Counterfactual pairs: what changes when only one attribute does."""

    measurement: str
    attribute: str
    first: str
    second: str
    n: int
    """Complete pairs."""
    incomplete: int
    flips: int
    """Pairs whose two answers differ."""
    flip_rate: float | None
    flip_low: float | None
    flip_high: float | None
    only_first_correct: int
    only_second_correct: int
    difference: float | None
    """(only_first_correct - only_second_correct) / n; like the rates and intervals None where no pair is complete."""
    low: float | None
    high: float | None
    """Agresti-Min interval of the difference; like that of the flip rate at the effective number of pairs where a cluster holds several."""
    mcnemar_p: float
    """Exact."""
    sign_flip_p: float
    """Whole clusters (see `clusters`) change sign together."""
    clusters: int
    cluster_attribute: str
    p_adjusted: float
    """Holm over the paired claims, on `sign_flip_p`."""


@dataclass(frozen=True, config=_STRICT)
class SpecificationPoint:
    """The default's extreme pair of groups under another wording."""

    preset: str
    variant: str
    default: bool
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    """Permutation p of the whole gap under this specification."""
    gap: float | None


@dataclass(frozen=True, config=_STRICT)
class SpecificationCurve:
    """How far the answer depends on how it was asked."""

    question: str
    metric: str
    outcome: str | None
    attributes: tuple[str, ...]
    first: Group
    second: Group
    """Highest and lowest group under the default; every point is first minus second."""
    points: tuple[SpecificationPoint, ...]
    median: float | None
    smallest: float | None
    largest: float | None
    share_same_sign: float | None
    share_detected: float | None
    """Share of specifications with p <= alpha after Benjamini-Hochberg."""
    shares: VarianceShares | None = None
    """Of the spread over the largest whole layout of presets x variants, which it names; None where there is none, or nothing spreads."""
    joint_p: float | None = None
    """Of the median difference over all specifications, each shuffle of the group labels put through all of them."""


@dataclass(frozen=True, config=_STRICT)
class MeasurementRecord:
    """What was asked, word for word."""

    name: str
    question: str
    preset: str
    labels: Group
    """In declared order: a tie goes to the first."""
    prompts: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, str]
    combine: str
    truth: str | None
    outcomes: Mapping[str, tuple[str, ...]]
    near_tie_margin: float
    near_ties: float | None
    """Share of decisions with a smaller margin than `near_tie_margin` between the two best answers; None without scores."""
    mean_margin: float | None
    answer_counts: Mapping[str, int]
    open_decisions: int | None = None
    """Decisions so close that rounding in the model's number format could turn them; None where that is not known."""
    calibration: tuple[Calibration, ...] = ()
    asked: str | None = None
    """The question as a generative model read it, options included; None for a dual encoder."""


@dataclass(frozen=True, config=_STRICT)
class ProbeRecord:
    """What was asked, by whom, and what the answer cannot tell."""

    name: str
    question: str
    source: str
    licence: str
    limits: tuple[str, ...]
    not_tested: tuple[str, ...]


@dataclass(frozen=True, config=_STRICT)
class DataRecord:
    """The images: how many were listed, used and left out, by group."""

    name: str
    source: str
    licence: str
    fingerprint: str
    listed: int
    used: int
    limited: bool
    groups: Mapping[str, Mapping[str, int]]
    """attribute -> level -> images used."""
    exclusions: tuple[Exclusion, ...]
    conversions: Mapping[str, Mapping[str, Mapping[str, int]]]
    notes: tuple[str, ...]
    cluster: str | None = None
    """The column that says which images belong together; None: every image is a case of its own."""
    clusters: int | None = None
    numbered: bool = False
    """Whether the images have no identifiers but their place in the file."""


@dataclass(frozen=True, config=_STRICT)
class ControlFinding:
    """A question that counts for the verdict, as a control answers it."""

    finding: str
    """Id of the finding that it stands beside."""
    overall: float | None
    gap: float | None
    low: float | None
    high: float | None
    null_95: float | None
    p_adjusted: float | None
    """Holm over the control's own questions."""
    verdict: Verdict


@dataclass(frozen=True, config=_STRICT)
class UntrainedControl:
    """The same architecture with weights that were drawn and never trained: what the audit finds where nothing was learned."""

    seed: int
    """Of the weights."""
    description: str
    findings: tuple[ControlFinding, ...]
    verdict: Verdict


@dataclass(frozen=True, config=_STRICT)
class Example:
    """A picture that was asked for with `--include-examples`: small, without metadata, without a name or an answer."""

    measurement: str
    jpeg: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
    """Base64."""


@dataclass(frozen=True, config=_STRICT)
class AuditResult:
    """One model, one probe."""

    model: ModelRecord
    probe: ProbeRecord
    data: DataRecord
    measurements: tuple[MeasurementRecord, ...]
    findings: tuple[Finding, ...]
    paired: tuple[PairedFinding, ...]
    specifications: tuple[SpecificationCurve, ...]
    published: tuple[PublishedTable, ...]
    verdict: Verdict
    verdict_reason: str
    warnings: tuple[str, ...]
    counts: tuple[CountRecord, ...] = ()
    """One a measurement, in their order."""
    what_ifs: tuple[WhatIfs, ...] = ()
    """Answers to "what would this audit say if ..."; nothing above depends on them."""
    odds: tuple[Odds, ...] = ()
    threshold_curves: tuple[ThresholdCurve, ...] = ()
    twin: UntrainedControl | None = None
    scores: tuple[ScoreSpread, ...] = ()
    examples: tuple[Example, ...] = ()
    """Images whose answers were least certain; none unless somebody asked for them."""


@dataclass(frozen=True, config=_STRICT)
class Timing:
    """The only part of `results.json` that differs between two equal runs."""

    created: str
    """UTC, ISO 8601."""
    wall_s: float


@dataclass(frozen=True, config=_STRICT)
class Results:
    """The file: every audit of one run of the command."""

    schema_version: str
    status: Literal["complete"]
    tool: str
    command: tuple[str, ...]
    """Arguments as typed; of an absolute path only the last part."""
    settings: Settings
    environment: Mapping[str, str]
    """package -> version, and device and dtype."""
    audits: tuple[AuditResult, ...]
    timing: Timing
    gates: tuple[GateResult, ...] = ()
    """What `--fail-on` asked, in its order."""


@cache
def _adapter() -> TypeAdapter[Results]:
    return TypeAdapter(Results)


def to_json(results: Results) -> str:
    """Return strict JSON with sorted keys; equal results give equal bytes."""
    plain = _adapter().dump_python(results, mode="json")
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Results:
    """Return the results of a `results.json`.

    Raises
    ------
    DataError
        If the text is not JSON, has another schema version, does not follow the schema, or does not fit together.
    """
    try:
        plain: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError("results.json is not JSON", why=str(error), fix="run the audit again") from error
    version = plain.get("schema_version") if isinstance(plain, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(f"results.json has schema version {version!r}; this program reads {SCHEMA_VERSION!r}", fix="run the audit again")
    try:
        results = _adapter().validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"results.json does not follow its schema at {place}", why=first["msg"], fix="run the audit again") from error
    if misfit := inconsistency(results):
        raise DataError("results.json does not fit together", why=misfit, fix="run the audit again")
    return results


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `results.json`."""
    return _adapter().json_schema()
