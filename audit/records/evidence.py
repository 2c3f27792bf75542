"""What stands beside a verdict: sizes of effect, calibration, sensitivity, adjustment. Frozen, as everything in `results.json`.

A wrong type, an unknown field or a NaN is refused when a value is made. What could not be estimated is None.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from audit.types import Group

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=_STRICT)
class Estimate:
    """A number with its interval at level 1 - alpha."""

    value: float
    low: float
    high: float


# ---- counts ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=_STRICT)
class CountRecord:
    """Images of a measurement by every attribute, true answer and answer: what any rate of any slice can be read off.

    Attributes, true answer (where there is one) and answer span a grid, the last varying fastest; `cells` holds the places that have
    images, increasing, and `n` how many. ``numpy.unravel_index(cells, sizes)`` gives the codes back.
    """

    measurement: str
    attributes: tuple[str, ...]
    levels: tuple[Group, ...]
    """Of each attribute, in the order in which they are shown; the unknown last, where it occurs."""
    answers: Group
    """Possible answers in declared order, then other true answers; levels of the true answer and of the answer."""
    truth: bool
    """Whether the grid has an axis of true answers."""
    cells: tuple[int, ...]
    n: tuple[int, ...]
    left_out: tuple[str, ...]
    """Axes that a table of at most 20,000 rows had no room for, the one with the most levels first to go; counts add up over them."""


# ---- scores ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=_STRICT)
class GroupSpread:
    """Quantiles of a probability in one group."""

    group: Group
    n: int
    quantiles: tuple[float, float, float, float, float]
    """At 5, 25, 50, 75 and 95 %."""


@dataclass(frozen=True, config=_STRICT)
class ScoreSpread:
    """How a probability is spread in each group."""

    measurement: str
    outcome: str | None
    """Whose probability; None: the true answer's."""
    attributes: tuple[str, ...]
    groups: tuple[GroupSpread, ...]


# ---- small groups and sizes of effect ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=_STRICT)
class ShrunkRate:
    """A raw rate beside what it becomes when it borrows from the other groups."""

    group: Group
    events: int
    n: int
    raw: float
    shrunk: float
    low: float
    high: float
    """Of the shrunk rate; ignores that the correlation is itself estimated. For display only."""


@dataclass(frozen=True, config=_STRICT)
class Shrinkage:
    """Beta-binomial shrinkage of every group that has images. Verdicts never use it."""

    mean: float
    correlation: float
    """Intra-group correlation; 0: no spread beyond sampling, every shrunk rate is the mean."""
    rates: tuple[ShrunkRate, ...]


@dataclass(frozen=True, config=_STRICT)
class EffectSize:
    """Other ways to say how far two rates are apart."""

    first: Group
    second: Group
    difference: Estimate
    ratio: Estimate | None
    """None where a group has no event."""
    odds_ratio: Estimate | None
    """None where a group has no event or nothing else."""
    cohens_h: float
    """0.2 is called small, 0.5 medium, 0.8 large."""


@dataclass(frozen=True, config=_STRICT)
class FourFifths:
    """The four-fifths rule: context, never a verdict."""

    ratio: float | None
    """Lowest rate over highest; None where no image is an event."""
    below: bool
    share_by_chance: float
    """How often groups of these sizes fall below four fifths when nothing differs."""


@dataclass(frozen=True, config=_STRICT)
class GapEstimate:
    """A largest difference between groups."""

    value: float
    low: float
    high: float
    p: float
    """Permutation test."""
    null_95: float
    """What chance alone gives in 95 of 100 shuffles."""
    groups: tuple[Group, ...]
    """The groups compared."""


@dataclass(frozen=True, config=_STRICT)
class OddsDifference:
    """Equal opportunity and equalised odds of an outcome. None where fewer than two groups have enough images of that truth."""

    equal_opportunity: GapEstimate | None
    """Gap of the true positive rate."""
    false_positive: GapEstimate | None
    equalised_odds: GapEstimate | None
    """The larger of the two gaps; None unless both can be estimated."""
    not_compared: tuple[Group, ...]
    """Groups with images that are missing from at least one of the two gaps."""


# ---- confidence ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=_STRICT)
class ReliabilityBin:
    """Images whose confidence lies in (`lower`, `upper`]."""

    lower: float
    upper: float
    n: int
    confidence: float | None
    """Mean; None, like the accuracy, where fewer than 10 images would stand for it."""
    accuracy: Estimate | None


@dataclass(frozen=True, config=_STRICT)
class GroupCalibration:
    """Whether confidence means the same in a group as it says."""

    group: Group
    n: int
    error: Estimate | None
    """Expected calibration error; None for a group under the minimum size."""
    error_by_chance: float | None
    """95 % point of the error of a perfectly calibrated model with these confidences: the noise floor."""
    overconfidence: Estimate | None
    """Mean confidence minus accuracy, signed."""
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, config=_STRICT)
class ThresholdCell:
    """A group when only answers above a confidence are given."""

    group: Group
    n: int
    answered: int
    events: int
    coverage: float | None
    """Share answered; unequal silence is a disparity too."""
    rate: Estimate | None
    """Events among the answered."""
    of_all: Estimate | None
    """Events among all images of the group."""


@dataclass(frozen=True, config=_STRICT)
class ThresholdPoint:
    """All groups at one confidence threshold."""

    threshold: float
    coverage: float
    gap: float | None
    """Of the rates among the answered, over groups with enough of them."""
    coverage_gap: float | None
    by_group: tuple[ThresholdCell, ...]


@dataclass(frozen=True, config=_STRICT)
class Calibration:
    """Calibration of a measurement's answers by the groups of one slicing."""

    attributes: tuple[str, ...]
    groups: tuple[GroupCalibration, ...]


@dataclass(frozen=True, config=_STRICT)
class Odds:
    """Equal opportunity and equalised odds of one answer, or set of answers, between groups."""

    measurement: str
    outcome: str
    attributes: tuple[str, ...]
    difference: OddsDifference


@dataclass(frozen=True, config=_STRICT)
class ThresholdCurve:
    """What a claim becomes when only answers above a confidence are given."""

    finding: str
    """Id of the finding whose rate it is."""
    points: tuple[ThresholdPoint, ...]


# ---- many comparisons ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=_STRICT)
class Listed:
    """The p-value of one entry of a list, corrected for the other entries: the same question of each word, by the same attributes."""

    entries: int
    benjamini_hochberg: float
    """Keeps the share of false alarms among the detected."""
    max_t: float
    """Keeps the chance of any false alarm: every entry on the same shuffles of the group labels."""


@dataclass(frozen=True, config=_STRICT)
class VarianceShares:
    """Shares of the variance of an effect over specifications; they sum to 1."""

    wording: float
    label_set: float
    interplay: float
    presets: tuple[str, ...] = ()
    """Prompt sets of the layout: each met every one of `variants`, and the shares are of these wordings only."""
    variants: tuple[str, ...] = ()


# ---- how little would overturn it ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=_STRICT)
class TippingPoint:
    """The fewest wrong group labels, chosen by an adversary, that overturn a difference."""

    worst: Group
    comparison: Group
    images: int
    share: float
    """Of the worst group's images."""
    turned: Literal["significance", "sign"]


@dataclass(frozen=True, config=_STRICT)
class NoisePoint:
    """How often a verdict survives when this share of the group labels is wrong at random."""

    share: float
    kept: float


@dataclass(frozen=True, config=_STRICT)
class CorrectedRates:
    """Rates of the true groups, were the labels wrong as stated."""

    condition: float
    """Condition number of the confusion matrix."""
    rates: tuple[Estimate, ...] | None
    """None where the condition number exceeds 20: the labels carry too little. A value outside [0, 1] refutes the stated confusion."""


@dataclass(frozen=True, config=_STRICT)
class Adjusted:
    """Two groups compared within the strata of other attributes (Mantel-Haenszel)."""

    first: Group
    second: Group
    others: tuple[str, ...]
    crude: float
    """Difference of the raw rates."""
    difference: Estimate
    """Common difference over the strata."""
    odds_ratio: Estimate | None
    """Common odds ratio; None where no stratum tells."""
    p: float
    """Cochran-Mantel-Haenszel test."""
    strata: int
    """Strata in which both groups have images."""
    strata_left_out: int
    images_left_out: int
    """Images of the two groups in strata without the other."""
    opposite: int
    """Strata whose difference has the other sign."""


@dataclass(frozen=True, config=_STRICT)
class AdjustedGap:
    """The gap when other attributes may differ between the groups: labels are shuffled within strata only."""

    gap: float
    p: float
    explained: float
    """Gap of the rates that the strata alone predict for the groups."""
    adjusted: float
    """Gap of observed minus predicted rates."""
    adjusted_p: float
    others: tuple[str, ...] = ()
    """Attributes whose combinations are the strata."""
