"""What in the training data made a gap: the facts in `causes.json`, and the predictions that were recorded before the held-back models.

The outcome, the fit and the held-back doses are those of the plan, which is recorded before the first model is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import model_serializer

from audit.records.base import Estimate, Timing, record
from audit.records.file import File
from audit.types import Settings

SCHEMA_VERSION = "1"
DOSE = "data.intervention.share"
"""The setting that is a dose unless a plan names another."""
CAUSES, PREDICTION = "causes.json", "prediction.json"
Part = Literal["fit", "held back", "intervention", "left out"]
"""Whether a model is for the curve, to check its prediction, trained with an intervention, or without a group of captions."""
Proxy = Literal["tracin", "similarity"]
"""A cheap replacement for training without a group: TracIn, or the cosine of two gradients."""
Judgement = Literal["explains", "does not explain", "cannot be judged"]
ENOUGH = 0.5
"""A proxy explains if its rank correlation with leaving out is at least this, and its interval is above 0."""
RateKind = Literal["accuracy", "planted answer"]
Fit = Literal["linear", "quadratic"]
Of = Mapping[str, str | list[str]]
"""Column -> value, or list of values: the images that have one of them in each column."""


def _without_none(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return fields if fields[name] is not None else {key: value for key, value in fields.items() if key != name}


@record
class PlannedRate:
    """A rate, or the signed difference of a rate between two groups."""

    measurement: str
    """Of the probe: its answers are counted."""
    rate: RateKind
    of: Of
    """The group: of all images where it is empty."""
    minus: Of
    """The group whose rate is subtracted; empty: nothing is."""
    where: Of
    """Only these images of both groups."""
    answers: Mapping[str, str]
    """True answer -> planted answer; only images with such a true answer count."""


@record
class PlannedArm:
    """A change of the training that may prevent the outcome."""

    name: str
    overrides: tuple[str, ...]
    """Training settings, ``section.key=value``."""


@record
class LeftOutGroup:
    """Training pairs that are left out together."""

    name: str
    where: Of
    words: tuple[str, ...]
    """Only pairs with one of these words in a caption; empty: all."""


@record
class PlannedInfluence:
    """Which groups of captions are left out, one at a time, and how the proxies are computed."""

    groups: tuple[LeftOutGroup, ...]
    at: float
    """The dose."""
    seeds: tuple[int, ...]
    keep_every: int
    """Steps between two checkpoints of the model with all groups."""
    batches: int
    """Number of reference batches for the gradients of groups."""


@record
class CausesPlan:
    """Everything that was decided before the first model was trained."""

    title: str
    run: str
    """A recipe, or the name of a TOML file."""
    overrides: tuple[str, ...]
    dose: str
    """The setting that is the dose."""
    doses: tuple[float, ...]
    """Those that the curve is fitted to."""
    held_back: tuple[float, ...]
    """Those that are predicted."""
    seeds: tuple[int, ...]
    fit: Fit
    arms: tuple[PlannedArm, ...]
    arms_at: float
    """The dose at which the arms are trained."""
    probe: str
    question: str
    """The finding whose verdict is that of the audit."""
    outcome: PlannedRate
    capability: PlannedRate
    """What an arm may cost."""
    sha256: str
    """Of the file of the plan."""
    created: str
    """UTC, ISO 8601."""
    influence: PlannedInfluence | None = None
    """Not in the JSON if it is None, so that plans without it have the same files as before it existed; likewise in `Causes`."""

    @model_serializer(mode="wrap")
    def _fields(self, fields_of: Callable[[CausesPlan], dict[str, Any]]) -> dict[str, Any]:
        return _without_none(fields_of(self), "influence")


@record
class ModelOutcome:
    """One trained and audited model."""

    name: str
    part: Part
    arm: str | None
    """The intervention, or ``without`` and the name of the group that is left out; None: trained with the dose alone."""
    dose: float
    seed: int
    outcome: Estimate
    """With its interval over images alone."""
    images: tuple[int, ...]
    """Number of images of the group, and of the group that is subtracted."""
    clusters: int
    """Number of independent groups of images."""
    contrast_called: bool | None
    """Whether the interval of the planned difference excludes 0; None: the outcome is the rate of one group."""
    audit_called: bool
    """Whether the audit's verdict on its own question is a disparity."""
    verdict: str
    capability: float


@record
class DosePoint:
    """One dose: the observed mean, and the curve."""

    dose: float
    held_back: bool
    models: int
    mean: float
    """Of the models."""
    fitted: Estimate
    """The curve, with its interval over seeds and images."""
    predicted: Estimate | None
    """The curve, with the prediction interval of one more model audited on the same images; None with one seed."""
    contrast_called: int | None
    audit_called: int


@record
class BandPoint:
    """The curve at a dose that need not have been tried."""

    dose: float
    fitted: float
    predicted: Estimate | None


@record
class FittedCurve:
    """Least squares over the models, with an effect of the seed where there is one."""

    fit: Fit
    coefficients: tuple[float, ...]
    """Of dose^0, dose^1 and so on."""
    r_squared: float
    models: int
    seeds: int
    spread_seed: float | None
    """Standard deviation of what the models of one seed share; None with one seed."""
    spread_model: float | None
    """Standard deviation of the rest."""
    df: float | None
    """Degrees of freedom of the prediction interval in the middle of the doses."""
    change: Estimate
    """From the smallest to the largest dose that was fitted, over seeds and images; with one seed over images alone."""
    rising_seeds: int
    """Seeds whose outcome does not fall at any step to a larger dose."""
    falling_seeds: int


@record
class PredictedDose:
    """A prediction for one model, written before the held-back models were trained."""

    dose: float
    interval: Estimate


@record
class DosePredictions:
    """The contents of `prediction.json`."""

    schema_version: str
    created: str
    models: tuple[str, ...]
    """Names of the models that the curve was fitted to."""
    doses: tuple[PredictedDose, ...]


@record
class HeldBack:
    """A held-back model against its prediction."""

    name: str
    dose: float
    seed: int
    value: float
    interval: Estimate | None
    """None: with one seed there is no prediction interval."""
    inside: bool | None


@record
class SeedTurn:
    """Where the verdict turns for one seed: it is called at `high` and every larger dose, and not at `low`."""

    seed: int
    low: float | None
    """None: called at the smallest dose already."""
    high: float | None
    """None: not called at the largest dose."""


@record
class Turn:
    """The dose at which a verdict turns."""

    of: Literal["audit", "contrast"]
    seeds: tuple[SeedTurn, ...]
    low: float | None
    """Smallest of the seeds whose verdict turns within the doses tried; None if none does."""
    high: float | None
    """Largest of these seeds."""
    turned: int
    """Number of these seeds."""


@record
class ArmEffect:
    """An arm against training with the same dose and nothing else."""

    arm: str
    overrides: tuple[str, ...]
    models: int
    level: float
    """Mean of the outcome with the arm."""
    effect: Estimate | None
    """Its difference from the reference, jointly for all arms, over seeds and images; None with fewer than two seeds."""
    difference: float
    capability: Estimate | None
    """Change of the capability, likewise."""
    capability_difference: float


@record
class ArmDifference:
    """One arm minus another."""

    first: str
    second: str
    outcome: Estimate | None
    """Jointly for all pairs of arms."""
    difference: float


@record
class SeedInfluence:
    """A group with one seed."""

    seed: int
    difference: float
    """Outcome without the group minus outcome with all groups."""
    tracin: float
    """No unit; above 0: leaving the group out should raise the outcome."""
    similarity: float
    """Cosine between -1 and 1, with the same sign."""


@record
class GroupInfluence:
    """A group of captions: trained without it, and by gradients."""

    group: str
    pairs: int
    """Number of training pairs, of the first seed."""
    sampled: int
    """Number of these in the reference batches."""
    level: float
    """Mean of the outcome without the group."""
    difference: float
    """Mean over seeds, as the next two are."""
    tracin: float
    similarity: float
    effect: Estimate | None
    """The difference with its interval, jointly for all groups, over seeds and images; None with one seed."""
    seeds: tuple[SeedInfluence, ...]


@record
class ProxyCheck:
    """A proxy against leaving out."""

    proxy: Proxy
    correlation: Estimate | None
    """Spearman's, over groups, with its interval; None if all groups have the same value."""
    agreement: float | None
    """Mean Spearman correlation of the proxy between two seeds; None with one seed."""


@record
class Influence:
    """Groups of captions left out one at a time, and whether the proxies predict the order of their effects."""

    groups: tuple[GroupInfluence, ...]
    """Those without which the outcome is lowest first."""
    level: float
    """Mean of the outcome with all groups."""
    stand_in: float
    """What the gradients are of: probabilities instead of answers, at the end of training; mean over seeds."""
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    """The checkpoints of the gradients."""
    agreement: float | None
    """Mean Spearman correlation of the effects between two seeds; None with one seed."""
    reliability: float | None
    """Of the mean over seeds (Spearman-Brown). No proxy is expected to correlate better than its square root."""
    proxies: tuple[ProxyCheck, ...]

    @property
    def ceiling(self) -> float | None:
        """The largest rank correlation that a perfect proxy is expected to have with the effects; None with one seed."""
        return None if self.reliability is None else self.reliability**0.5

    def ranks(self, name: Literal["difference", "tracin", "similarity"]) -> tuple[int, ...]:
        """The rank of each group by its effect or a proxy: 1 where the value is lowest, the smallest rank for equal values."""
        values = [getattr(group, name) for group in self.groups]
        return tuple(1 + sum(other < value for other in values) for value in values)

    def judgement(self, check: ProxyCheck) -> Judgement:
        """Whether a proxy may be offered as an explanation; not if the order of the effects is unknown or mostly noise of the seeds."""
        if self.ceiling is None or self.ceiling < ENOUGH:
            return "cannot be judged"
        if check.correlation is None or check.correlation.value < ENOUGH or check.correlation.low <= 0:
            return "does not explain"
        return "explains"


@record
class Causes:
    """What the doses did, whether the curve predicted it, and what would have prevented it."""

    schema_version: str
    status: Literal["complete"]
    tool: str
    command: tuple[str, ...]
    plan: CausesPlan
    models: tuple[ModelOutcome, ...]
    left_out: tuple[str, ...]
    """Names of planned models that the budget does not allow."""
    budget_min: float | None
    points: tuple[DosePoint, ...]
    curve: FittedCurve
    band: tuple[BandPoint, ...]
    held_back: tuple[HeldBack, ...]
    beforehand: bool | None
    """Whether the predictions are those written before the held-back models were trained; None without predictions."""
    turns: tuple[Turn, ...]
    reference: str
    """Name of what arms are compared with: training with the dose and nothing else."""
    arms: tuple[ArmEffect, ...]
    arm_differences: tuple[ArmDifference, ...]
    settings: Settings
    """Of the audits."""
    environment: Mapping[str, str]
    checkpoints: Mapping[str, str]
    """Model -> sha256 of its checkpoint, which also records the time of the training: it differs between equal runs, as the next two do."""
    seconds: Mapping[str, tuple[float, float]]
    """Model -> time of its training and of its audit."""
    timing: Timing
    influence: Influence | None = None

    @model_serializer(mode="wrap")
    def _fields(self, fields_of: Callable[[Causes], dict[str, Any]]) -> dict[str, Any]:
        return _without_none(fields_of(self), "influence")

    @property
    def effect(self) -> Literal["shown", "one seed", "not shown"]:
        """Whether the outcome changes with the dose: over seeds and images; for the models of one seed only; or neither."""
        change = self.curve.change
        if change.low <= 0 <= change.high:
            return "not shown"
        return "shown" if self.curve.seeds > 1 else "one seed"

    @property
    def prevented(self) -> tuple[ArmEffect, ...]:
        """Arms that are shown to move the outcome against the effect of the dose, the strongest first."""
        return self._moved(-1)

    @property
    def worsened(self) -> tuple[ArmEffect, ...]:
        """Arms that are shown to move it further, the strongest first."""
        return self._moved(1)

    def apart(self, first: ArmEffect, second: ArmEffect) -> bool:
        """Whether two arms are shown to differ."""
        between = (pair.outcome for pair in self.arm_differences if {pair.first, pair.second} == {first.arm, second.arm})
        return any(estimate is not None and (estimate.low > 0 or estimate.high < 0) for estimate in between)

    def _moved(self, way: int) -> tuple[ArmEffect, ...]:
        sign = way * (1 if self.curve.change.value > 0 else -1)
        moved = [arm for arm in self.arms if arm.effect and min(sign * arm.effect.low, sign * arm.effect.high) > 0]
        return tuple(sorted(moved, key=lambda arm: -sign * arm.difference)) if self.effect != "not shown" else ()


FILE = File(Causes, CAUSES, SCHEMA_VERSION, "run vlm-audit causes again")
PREDICTIONS = File(DosePredictions, PREDICTION, SCHEMA_VERSION, "remove it; the predictions are then not from before the held-back models")
