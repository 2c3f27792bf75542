"""One claim answered: rates, contrasts, the gap, the verdict; and its variants on counterfactual pairs and under other prompts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from audit.records.base import FindingVerdict, Verdict, record
from audit.types import Better, Group

Unresponsive = Literal["constant", "unclear", "order", "no better", "varies", "undecided", "invalid"]
"""`audit.records.inputs.Look`, but for "looks"; `invalid`: all that can be checked of the probe fails (`recognises_nothing`)."""
CellStatus = Literal["ok", "small", "not estimable", "absent", "unknown"]
"""`small`: under the minimum group size; shown, but outside gap, tests and verdict. `unknown` (missing attribute values): likewise."""


@record
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
    effective_clusters: float | None = None
    """Clusters of one size that would tell as much (Kish)."""
    design_effect: float | None = None
    """Variance of the rate over that of as many independent images."""
    intracluster_correlation: float | None = None
    """Of two images of a cluster, as the design effect has it; None where clusters hold one image each."""
    effective_n: float | None = None
    """Where images have weights: as many of one weight would tell as much (Kish). `n` and `events` count images, whatever their weights."""
    standard_error: float | None = None
    """Where images have weights: Taylor-linearised, ``sqrt(sum (w (event - value))^2) / sum w``, sums within clusters first."""
    correlation_borrowed: bool = False
    """Whether too few clusters have an event to tell `intracluster_correlation`, which is then that of all groups in the same clusters."""


@record
class Contrast:
    """Difference of two rates, first minus second, with its Newcombe interval (in thin groups a wider one: `difference_limits`)."""

    first: Group
    second: Group
    """Empty: the other estimable groups, pooled."""
    difference: float
    low: float
    high: float
    """At level 1 - alpha, for this contrast alone: for whoever reads the file. Shown is the simultaneous one."""
    p: float
    p_adjusted: float
    """Holm over the contrasts of the finding."""
    low_adjusted: float
    high_adjusted: float
    """Simultaneous: Newcombe at 1 - alpha / m, m contrasts."""
    beyond_tolerance: bool
    """Whether the simultaneous interval lies wholly beyond the tolerance, on either side."""


@record
class LeadingPair:
    """Two groups and the difference of their rates: the one pair that pages, exports and gates tell of."""

    higher: Group
    """With the higher rate."""
    lower: Group
    difference: float
    """Not below 0."""
    low: float
    high: float
    """Simultaneous interval: at 1 - alpha / m for the m pairs, as in `Contrast`; `low` is below 0 where the order of the two is open."""
    chance: float
    """How far apart chance sets these two (95 %): the 95 % point of the largest standardised difference of any two groups under shuffled
    labels, times the standard error of this pair."""


@record
class WithinClusters:
    """What stands behind a gap that is taken inside the clusters that hold images of several groups."""

    clusters: int
    """That hold images of several of the compared groups; `images_left_out` lie in others."""
    images_left_out: int
    over_all_images: float
    """The largest difference of two rates: another quantity."""
    standard_error: float
    freedom: float | None
    """Of the difference that is known least of all pairs. No degrees of freedom where every cluster is a pair: its interval is normal."""


@record
class Gap:
    """The largest minus the smallest rate over the estimable groups, and what is expected by chance."""

    highest: Group
    lowest: Group
    value: float
    low: float
    high: float
    """Interval of the largest difference of any two groups: the largest lower and the largest upper limit of any pair, each Newcombe's at
    1 - alpha / m for the m pairs; never below 0. The one interval of a gap that is shown."""
    ratio: float | None
    """Lowest rate over highest; exploratory. None where the highest is 0."""
    p: float
    """Permutation test of "no two groups differ", by the smaller p of two over the same shuffles: that of the most significant pair, whose
    difference is largest in standard errors, and that of chi-square over all groups. Monte-Carlo error: ``sqrt(p (1 - p) / draws)``."""
    p_adjusted: float
    """Holm over the primary claims of the audit; of exploratory ones Benjamini-Hochberg over all exploratory claims of the audit."""
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
    """Smallest difference of the smallest group from all others that is found with power 0.8, at the level of Holm's first step over the
    planned claims (of exploratory ones alpha over their number)."""
    equivalence_bound: float | None = None
    """How far from 0 the 1 - 2 alpha interval of any pair goes (`audit/statistics/equivalence.py`); equivalent where that is less than the
    tolerance."""
    equivalence_ratio: float | None = None
    """By what factor the rates of any pair may differ, at 1 - 2 alpha; equivalent where that is less than the ratio tolerance, too. None
    without such a tolerance, and where a group has no event: nothing bounds the ratio."""
    ratio_low: float | None = None
    """By what factor the rates of some pair do differ: the largest lower limit of any pair's ratio, at 1 - alpha / m; at least 1. None
    without a ratio tolerance."""
    most_significant: tuple[Group, Group] | None = None
    """The pair whose difference is largest in standard errors, the higher rate first. Thin groups may lie farther apart by chance."""
    pair_p: float | None = None
    """Of that pair, by itself. Where only `p` is significant, groups differ although no single pair stands out."""
    leading: LeadingPair | None = None
    """The pair that the finding tells of. Of a disparity or a signal the one that is shown to differ most: of the pairs beyond their
    `chance` whose interval leaves out 0, that with the largest `low`; None where there is none: `diffuse`. Of any other the `open_pair`."""
    open_pair: LeadingPair | None = None
    """The pair that leaves most open: whose interval reaches farthest from 0."""
    too_few: tuple[Group, ...] = ()
    """Groups of so few images that nothing could show a difference below the tolerance, not even if none of them were an event."""
    within: WithinClusters | None = None
    """Where the gap, its interval, its test and all pairs are differences inside clusters, not of rates over all images."""


def pair_of(gap: Gap) -> tuple[Group, Group]:
    """Return the pair that is told of, the higher rate first; of a diffuse finding the most significant, which no sentence names."""
    if gap.leading is not None:
        return gap.leading.higher, gap.leading.lower
    return gap.most_significant or (gap.highest, gap.lowest)


@record
class Composition:
    """A gap of accuracy at equal group composition: every group with the shares of true answers that all images have."""

    gap: float
    """Of ``sum_y w_y recall_g(y)``, w the shares of the true answers in all compared groups."""
    p: float | None
    """Permutation test within the true answers, by the most significant pair; None where images come in clusters."""
    explains: bool
    """Whether group composition alone explains the gap: significant, and at equal composition neither significant nor half as wide."""


@record
class TruthShare:
    """How often an outcome was given in one group, and how often it is true."""

    group: Group
    n: int
    """Images whose true answer is known."""
    given: float | None
    """Share of the images that got the outcome: fairlearn's selection rate. None without images, as the share whose true answer it is."""
    true: float | None
    excess: float | None
    """Given less true. Equal error rates give unequal excess where the true shares differ: it is shown and never tested."""
    low: float | None
    high: float | None
    """Agresti-Min interval of the excess; None where images come in clusters or have weights."""


@record
class ClaimResult:
    """One claim, answered; a `Finding` is one with its evidence."""

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
    """Every pair of estimable groups (at most the 435 most significant where exploratory); empty where the omnibus test does not reject."""
    verdict: FindingVerdict
    exceeds_tolerance: bool
    """Of a disparity: whether some pair is shown to differ by more than the tolerance, in points or in ratio."""
    ratio_tolerance: float | None = None
    """Factor below which a difference would not matter, beside the tolerance in points; None: the claim has none."""
    unresponsive: Unresponsive | None = None
    """Why groups that could be compared are "not estimable": the answers are not shown to depend on the images."""
    composition: Composition | None = None
    """Of primary accuracy; None where a group lacks one of the true answers."""
    diffuse: bool = False
    """Whether groups are shown to differ although no single pair is: no simultaneous interval leaves out 0."""
    shares: tuple[TruthShare, ...] = ()
    """Of a selection rate whose truth is known: the rates compared are then those at equal true shares, ``sum_y w_y P(answer | y, g)``."""
    within_truth_p: float | None = None
    """Of a difference in accuracy whose answers are not shown to depend on the images: the p of its test within each true answer."""
    negligible: float | None = None
    """Of an error rate: what every group's rate is shown to be below, so that no ratio is asked of rates that are nearly 0."""


def planned_verdicts(findings: Iterable[ClaimResult]) -> list[Verdict]:
    """Return the verdicts of the primary findings: a signal, or none, of an exploratory one counts nowhere."""
    # Another word of a planned one is refused where a file is read (`audit.results`).
    return [cast(Verdict, finding.verdict) for finding in findings if finding.primary]


@record
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
    outcome: str | None = None
    """Where pairs are not scored by who is right but by who is given this: `only_first_correct` then counts who alone is given it."""
