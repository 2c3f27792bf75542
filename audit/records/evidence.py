"""Supporting evidence: what stands with a verdict and never decides it. One record a kind, held in a container for what it is about.

What could not be estimated is None. A field of a container bears the name of the module in `audit.statistics.evidence` that computes it.
"""

from __future__ import annotations

from typing import Literal

from audit.records.base import Estimate as Estimate
from audit.records.base import Verdict, record
from audit.records.label_noise import LabelNoise
from audit.types import Group


@record
class GroupSpread:
    """Quantiles of a probability in one group."""

    group: Group
    n: int
    quantiles: tuple[float, float, float, float, float]
    """At 5, 25, 50, 75 and 95 %."""


@record
class ScoreSpread:
    """How a probability is spread in each group."""

    measurement: str
    outcome: str | None
    """Whose probability; None: the true answer's."""
    attributes: tuple[str, ...]
    groups: tuple[GroupSpread, ...]


@record
class ShrunkRate:
    """A raw rate, and what it becomes when it borrows from the other groups."""

    group: Group
    events: int
    n: int
    raw: float
    shrunk: float
    low: float
    high: float
    """Of the shrunk rate; ignores that the correlation is itself estimated. For display only."""


@record
class Shrinkage:
    """Beta-binomial shrinkage of every group that has images. Verdicts never use it."""

    mean: float
    correlation: float
    """Intra-group correlation; 0: no spread beyond sampling, every shrunk rate is the mean."""
    rates: tuple[ShrunkRate, ...]


@record
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


@record
class FourFifths:
    """The four-fifths rule: exploratory, never a verdict."""

    ratio: float | None
    """Lowest rate over highest; None where no image is an event."""
    below: bool
    share_by_chance: float
    """How often groups of these sizes fall below four fifths when nothing differs."""


@record
class GapEstimate(Estimate):
    """A largest difference between groups, with its permutation test and what is expected by chance (95 %)."""

    p: float
    null_95: float
    groups: tuple[Group, ...]


@record
class EqualizedOddsDifference:
    """Equal opportunity and equalized odds of an outcome. None where fewer than two groups have enough images of that truth."""

    equal_opportunity: GapEstimate | None
    """Gap of the true positive rate."""
    false_positive: GapEstimate | None
    equalized_odds: GapEstimate | None
    """The larger of the two gaps; None unless both can be estimated."""
    not_compared: tuple[Group, ...]
    """Groups with images that are missing from at least one of the two gaps."""


@record
class ReliabilityBin:
    """Images whose confidence lies in (`lower`, `upper`]."""

    lower: float
    upper: float
    n: int
    confidence: float | None
    """Mean; None, like the accuracy, where fewer than 10 images would stand for it."""
    accuracy: Estimate | None


@record
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


@record
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


@record
class ThresholdPoint:
    """All groups at one confidence threshold."""

    threshold: float
    coverage: float
    gap: float | None
    """Of the rates among the answered, over groups with enough of them."""
    coverage_gap: float | None
    by_group: tuple[ThresholdCell, ...]


@record
class Calibration:
    """Calibration of a measurement's answers by the groups of one slicing."""

    attributes: tuple[str, ...]
    groups: tuple[GroupCalibration, ...]


@record
class EqualizedOdds:
    """Equal opportunity and equalized odds of one answer, or set of answers, between groups."""

    measurement: str
    outcome: str
    attributes: tuple[str, ...]
    difference: EqualizedOddsDifference


@record
class ThresholdCurve:
    """What a claim becomes when only answers above a confidence are given."""

    finding: str
    """Id of the finding whose rate it is."""
    points: tuple[ThresholdPoint, ...]


@record
class FamilyCorrection:
    """The p-value of one outcome, corrected for the others of its family: the same metric of each, by the same attributes."""

    size: int
    """Outcomes of the family."""
    max_t: float
    """Keeps the chance of any false alarm: every outcome on the same shuffles of the group labels."""
    benjamini_hochberg: float | None = None
    """Of earlier versions; the adjusted p of a finding is over all exploratory findings."""


Shift = Literal["reversed", "weakened"]
"""What becomes of a difference at equal other attributes: its sign turns, or little of it is left (`evidence.adjustment.shift`)."""


@record
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
    shift: Shift | None = None


@record
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


@record
class Adjustment:
    """A finding at equal other attributes."""

    pairs: tuple[Adjusted, ...]
    """The most significant pair within the levels of each other attribute, then of all of them together."""
    gap: AdjustedGap | None


@record
class FindingEvidence:
    """Evidence about one finding; None where it makes no sense."""

    effect_size: EffectSize | None = None
    """Of the highest against the lowest group."""
    four_fifths: FourFifths | None = None
    shrinkage: Shrinkage | None = None
    """Where some group is small."""
    family_correction: FamilyCorrection | None = None
    """Of an exploratory finding, where the same is asked of several outcomes."""
    near_ties: Verdict | None = None
    """The verdict if every decision that rounding could turn were turned; None where no decision is that close."""
    label_noise: LabelNoise | None = None
    adjustment: Adjustment | None = None


@record
class MeasurementEvidence:
    """Evidence about the answers to one measurement."""

    near_ties: int | None = None
    """Decisions so close that rounding in the model's number format could turn them; None where that is not known."""
    calibration: tuple[Calibration, ...] = ()


@record
class AuditEvidence:
    """Evidence about several measurements or groups of an audit."""

    equalized_odds: tuple[EqualizedOdds, ...] = ()
    threshold_curves: tuple[ThresholdCurve, ...] = ()
    score_spread: tuple[ScoreSpread, ...] = ()
