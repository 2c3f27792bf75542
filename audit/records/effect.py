"""The result of a question that one number answers: which of two groups scores higher, or how a rate changes along ordered levels."""

from __future__ import annotations

from typing import Literal

from audit.records.base import Estimate, FindingVerdict, record
from audit.records.finding import CellStatus, FilledTruth, Uncovered

EffectKind = Literal["superiority", "trend"]
EffectReason = Literal["groups", "levels", "constant", "unresponsive", "units"]
"""Why an effect is not estimable: fewer than two groups, or three levels, can be compared; every image has the same score, or no image is
(or every image is) an event; we found no evidence that the answers depend on the images; or rows may belong together (`units`)."""


@record
class EffectLevel:
    """One level of the attribute."""

    level: str
    n: int
    """Images that count."""
    value: float | None
    """The median score, or the rate."""
    status: CellStatus


@record
class Effect:
    """The effect between two levels: for a trend, the first and the last."""

    first: str
    second: str
    value: float
    """Superiority: probability that a random image of the first level scores higher than one of the second, ties half (area under the ROC
    curve); 0.5 is no difference. Trend: change of the rate from one level to the next, as a fraction; 0 is no trend."""
    low: float
    high: float
    """Simultaneous: at level 1 - alpha / m for the m effects of the question."""
    p: float
    """Of this effect alone."""
    standard_error: float
    reach: float
    """Largest distance from no effect within the 1 - 2 alpha interval; for a trend, of the change over all steps."""


@record
class ThresholdRates:
    """Shares of the images whose score is above a threshold."""

    threshold: float
    overall: float
    by_level: tuple[Estimate | None, ...]
    """In the order of the levels; None without images."""


@record
class EffectResult:
    """The result of one effect question."""

    id: str
    kind: EffectKind
    measurement: str
    outcome: str | None
    """Superiority: the label whose scores are compared. Trend: the outcome of the rate, None for accuracy."""
    metric: str | None
    """Trend: the rate. None for superiority."""
    attribute: str
    primary: bool
    """Whether it affects the verdict of the audit."""
    tolerance: float
    """Superiority: largest negligible distance of the probability from 0.5. Trend: largest negligible change over all steps."""
    levels: tuple[EffectLevel, ...]
    """For a trend in their declared order."""
    steps: int
    """Trend: steps from the first compared level to the last; 1 for superiority."""
    effects: tuple[Effect, ...]
    """One for each pair of compared levels, the first with the higher scores; one for a trend. Empty: not estimable."""
    p: float | None
    """p of "no effect": for m pairs, m times the smallest p of any."""
    p_adjusted: float | None
    """Holm over all planned questions of the audit; for exploratory ones, Benjamini-Hochberg over its exploratory effects."""
    minimum_detectable: float | None
    """Smallest distance from no effect that is detected with power 0.8 at the level of the first step of the correction; for superiority of
    the least precise pair, for a trend over all steps."""
    verdict: FindingVerdict
    exceeds_tolerance: bool = False
    """For a disparity: whether some effect is significantly larger than the tolerance."""
    reason: EffectReason | None = None
    """Why it is not estimable."""
    clusters: bool = False
    """Whether images come in clusters, which are then the sampling units."""
    within_truth: bool = False
    """Superiority: whether only images with the same true answer were compared. Trend: whether the rates are those at equal true shares."""
    thresholds: tuple[ThresholdRates, ...] = ()
    """Superiority: a sweep of thresholds, exploratory."""
    missing_truth: Uncovered | None = None
    """Set if true answers are missing depending on the answer, with what the missing ones may change."""
    withheld: FindingVerdict | None = None
    """The verdict that the question would have otherwise."""

    @property
    def filled(self) -> FilledTruth | None:
        """What missing true answers may change, if they are missing depending on the answer."""
        return None if self.missing_truth is None else self.missing_truth.filled

    def unjudged(self, min_group_size: int) -> tuple[EffectLevel, ...]:
        """Levels that have enough images, but too few clusters, or too unequal weights, to be judged."""
        return tuple(level for level in self.levels if level.status == "small" and level.n >= max(min_group_size, 2))

    @property
    def leading(self) -> Effect | None:
        """The effect to mention: of a disparity or signal the one whose interval is most distant from no effect, else the widest."""
        if not self.effects:
            return None
        none = self.none
        if self.verdict in ("disparity", "signal"):
            return max(self.effects, key=lambda effect: max(effect.low - none, none - effect.high))
        return max(self.effects, key=lambda effect: effect.reach)

    @property
    def none(self) -> float:
        """The value without an effect."""
        return 0.5 if self.kind == "superiority" else 0.0


def effect_id(kind: EffectKind, measurement: str, metric: str | None, outcome: str | None, attribute: str) -> str:
    """The stable name of an effect question.

    Examples
    --------
    >>> effect_id("superiority", "predictions", None, "unsafe", "gender"), effect_id("trend", "gender", "accuracy", None, "age")
    ('predictions/superiority[unsafe]/gender', 'gender/trend of accuracy/age')
    """
    of = f"[{outcome}]" if outcome else ""
    return f"{measurement}/{'superiority' if kind == 'superiority' else f'trend of {metric}'}{of}/{attribute}"
