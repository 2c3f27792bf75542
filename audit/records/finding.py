"""The result of one claim: rates, contrasts, the gap, the verdict; and of its variants on counterfactual pairs and with other prompts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, Protocol, cast

from audit.records.base import FindingVerdict, Verdict, record
from audit.types import Better, Group

Unresponsive = Literal["constant", "unclear", "order", "no better", "varies", "undecided", "invalid", "units"]
"""`audit.records.inputs.ImageDependence` without "looks"; `invalid`: everything that can be checked about the probe fails
(`recognises_nothing`); `units`: rows may belong together, and the audit was not told which (`audit.records.inputs.undeclared_units`)."""
CellStatus = Literal["ok", "small", "not estimable", "absent", "unknown"]
"""`small`: under the minimum group size; shown, but not used for gap, tests and verdict. `unknown` (missing attribute values): likewise."""


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
    """Accuracy only: score in this group of a constant answer, the most frequent true answer over all images."""
    clusters: int | None = None
    """Number of independent clusters that the group's images form; None: images are independent."""
    effective_clusters: float | None = None
    """Number of equally large clusters with the same information (Kish)."""
    design_effect: float | None = None
    """Variance of the rate divided by that with as many independent images."""
    intracluster_correlation: float | None = None
    """Correlation of two images of a cluster implied by the design effect; None if clusters have one image each."""
    effective_n: float | None = None
    """With image weights: number of equally weighted images with the same information (Kish). `n` and `events` count images unweighted."""
    standard_error: float | None = None
    """With image weights: Taylor-linearised, ``sqrt(sum (w (event - value))^2) / sum w``, summed within clusters first."""
    correlation_borrowed: bool = False
    """Whether too few clusters have an event to estimate `intracluster_correlation`, which is then that of all groups in these clusters."""
    plain: float | None = None
    """Where `value` is compared at equal true shares: the share of these images with the outcome, as it is. None: `value` is that share."""

    @property
    def independent_n(self) -> float:
        """Number of independent images of equal weight with the same information, at most `n`."""
        return min(self.n / max(self.design_effect or 1.0, 1.0), self.effective_n or math.inf)


@record
class Contrast:
    """Difference of two rates, first minus second, with its Newcombe interval (wider for small groups: `difference_limits`)."""

    first: Group
    second: Group
    """Empty: the other estimable groups, pooled."""
    difference: float
    low: float
    high: float
    """At level 1 - alpha, for this contrast alone. Only in the file: reports show the simultaneous interval."""
    p: float
    p_adjusted: float
    """Holm over the contrasts of the finding."""
    low_adjusted: float
    high_adjusted: float
    """Simultaneous: Newcombe at 1 - alpha / m, m contrasts."""
    beyond_tolerance: bool
    """Whether the simultaneous interval lies entirely beyond the tolerance, on either side."""


@record
class LeadingPair:
    """Two groups and the difference of their rates: the one pair that pages, exports and gates mention."""

    higher: Group
    """The group with the higher rate."""
    lower: Group
    difference: float
    """Not below 0."""
    low: float
    high: float
    """Simultaneous interval: at 1 - alpha / m for the m pairs, as in `Contrast`; `low` is below 0 if the order of the two is undecided."""
    chance: float
    """Difference of these two expected by chance (95 %): the 95 % point of the largest standardised difference of any two groups under
    shuffled labels, times the standard error of this pair."""


@record
class MoreImages:
    """How many more images of a group an undecided question needs."""

    group: Group
    images: int


@record
class WithinClusters:
    """Details of a gap that is computed inside the clusters that contain images of several groups."""

    clusters: int
    """Clusters with images of several of the compared groups; `images_left_out` lie in others."""
    images_left_out: int
    over_all_images: float
    """The largest difference of two rates over all images: a different quantity."""
    standard_error: float
    freedom: float | None
    """Degrees of freedom for the least precise difference of all pairs. None if every cluster is a pair: its interval is normal."""


@record
class Gap:
    """The largest minus the smallest rate over the estimable groups, and what is expected by chance."""

    highest: Group
    lowest: Group
    value: float
    low: float
    high: float
    """Interval of the largest difference of any two groups: the largest lower and the largest upper limit of any pair, each Newcombe's at
    1 - alpha / m for the m pairs; never below 0. Pages show that of the leading pair instead, if there is one."""
    ratio: float | None
    """Lowest rate divided by highest; exploratory. None if the highest is 0."""
    p: float
    """Permutation test of "no two groups differ", by the smaller p of two over the same shuffles: one for the most significant pair, whose
    difference is largest in standard errors, one for chi-square over all groups. Monte-Carlo error: ``sqrt(p (1 - p) / draws)``."""
    p_adjusted: float
    """Holm over the primary claims of the audit; for exploratory ones, Benjamini-Hochberg over all exploratory claims of the audit."""
    null_mean: float
    null_95: float
    """Mean and 95 % point of the gap under shuffled group labels."""
    chi2: float | None
    chi2_p: float | None
    spread: float
    """Between-group standard deviation, corrected for sampling (0 if the corrected variance is negative)."""
    spread_squared: float
    """The corrected variance, signed."""
    minimum_detectable: float
    """Smallest difference between the smallest group and all others that is detected with power 0.8, at the level of Holm's first step over
    the planned claims (for exploratory ones, alpha divided by their number)."""
    equivalence_bound: float | None = None
    """Largest distance from 0 of the 1 - 2 alpha interval of any pair (`audit/statistics/equivalence.py`); equivalent if it is less than
    the tolerance."""
    equivalence_ratio: float | None = None
    """Largest ratio of the rates of any pair (of the rest, if `ratio_of_rest`) that the data allow, at 1 - 2 alpha; equivalent only if it
    is less than the ratio tolerance, too. None without such a tolerance, and if a group has no event: then nothing bounds the ratio."""
    ratio_low: float | None = None
    """Ratio by which some pair differs at least: the largest lower limit of any pair's ratio, at 1 - alpha / m; at least 1. None without a
    ratio tolerance."""
    most_significant: tuple[Group, Group] | None = None
    """The pair whose difference is largest in standard errors, the higher rate first. Small groups may differ more by chance."""
    pair_p: float | None = None
    """p of that pair alone. If only `p` is significant, groups differ although no single pair is significant."""
    leading: LeadingPair | None = None
    """The pair that the finding mentions. For a disparity or a signal, the significant one that differs most: of the pairs beyond their
    `chance` whose interval excludes 0, that with the largest `low`; None if there is no such pair: `diffuse`. Otherwise the `open_pair`."""
    open_pair: LeadingPair | None = None
    """The most uncertain pair: its interval reaches the largest distance from 0."""
    too_few: tuple[Group, ...] = ()
    """Groups with so few images that no result could exclude a difference beyond the tolerance, not even if none were an event."""
    more_images: tuple[MoreImages, ...] = ()
    """For an inconclusive question, the additional images with which it would be decided with power 0.8 if the groups do not differ, or if
    the smallest differs from all others by the tolerance (`audit/statistics/power.py`). Empty if that number is not the reason, and
    with clusters, image weights or rates at equal true shares."""
    within: WithinClusters | None = None
    """Set if the gap, its interval, its test and all pairs are differences inside clusters, not of rates over all images."""


def pair_of(gap: Gap) -> tuple[Group, Group]:
    """The pair to mention, the higher rate first; for a diffuse finding the most significant pair, which no sentence names."""
    if gap.leading is not None:
        return gap.leading.higher, gap.leading.lower
    return gap.most_significant or (gap.highest, gap.lowest)


@record
class Composition:
    """The accuracy gap at equal group composition: every group weighted to the shares of true answers over all images."""

    gap: float
    """Gap of ``sum_y w_y recall_g(y)``, where w are the shares of the true answers in all compared groups."""
    p: float | None
    """Permutation test within the true answers, by the most significant pair; None if images come in clusters."""
    explains: bool
    """Whether group composition alone explains the gap: significant, but at equal composition neither significant nor half as wide."""


@record
class TruthShare:
    """How often an outcome was predicted in one group, and how often it is true."""

    group: Group
    n: int
    """Images whose true answer is known."""
    given: float | None
    """Share of the images with the outcome: fairlearn's selection rate. None without images, as is `true`, its share among true answers."""
    true: float | None
    excess: float | None
    """`given` minus `true`. Equal error rates give unequal excess if the true shares differ, so it is shown but never tested."""
    low: float | None
    high: float | None
    """Agresti-Min interval of the excess; None if images come in clusters or have weights."""


UncoveredCode = Literal["not compared", "unknown group", "no true answer", "truth by answer"]

AnsweredBy = Literal["before", "after", "both"]


@record
class LackingTruth:
    """Images of a compared group with one answer and with any other, and how many of each have no true answer."""

    group: Group
    n: int
    lacking: int
    others: int
    others_lacking: int


@record
class FilledTruth:
    """The difference of two groups if every missing true answer were the one that makes it least, or the one that makes it most.

    Of scores the probability that the first scores higher (no difference: 0.5); of a trend the change of the rate from one level to the
    next, in the observed direction; of two models the change of the gap, likewise.
    """

    higher: Group
    """Or the first group of an effect."""
    lower: Group
    least: float
    most: float
    low: float
    """Lower limit of `least`, simultaneous over all pairs (Newcombe, at the effective number of images that have a true answer)."""
    reach: float
    """The largest distance from no difference of any upper limit of two groups, however the missing answers are filled."""


@record
class Uncovered:
    """Images that count for a question, and that its gap leaves out; exploratory, but `truth by answer` may withhold a verdict."""

    code: UncoveredCode
    """`not compared`: of all groups that are shown, but not used for the gap; `unknown group`: those without a value of the attribute;
    `no true answer`: images of compared groups that the rate cannot count; `truth by answer`: the same, where a true answer is shown to be
    missing more often with one answer than with the others."""
    n: int
    events: int
    """Without a true answer: such images in `group`, which has the largest share of them; by answer, those of `group` with `answer`."""
    value: float
    """The pooled rate; without a true answer, the share of the images of `group` (with `answer`) that lack one. With its interval."""
    low: float
    high: float
    difference: float
    """From the pooled rate of the compared groups; without a true answer, from the share in `other`, the least; by answer, from the share
    among the other answers of `group`."""
    difference_low: float
    difference_high: float
    """From the limits of both rates (MOVER); without a true answer, Newcombe's at 1 - alpha / m for the m pairs; by answer, for the m
    groups (of more than two answers, groups and answers)."""
    shown: bool
    """Whether that interval shows that the images are worse (by `better`), or, with an unknown group, different."""
    group: Group = ()
    other: Group = ()
    answer: str | None = None
    """The answer, or the outcome, that lacks a true answer more or less often than the others."""
    answered_by: AnsweredBy | None = None
    """In a comparison, the model that gives it; `both`: that both give the same answer, or both (or neither) the outcome."""
    lacking: tuple[LackingTruth, ...] = ()
    """By answer: every compared group."""
    filled: FilledTruth | None = None
    """By answer: what the missing true answers may change."""

    def matters(self, limit: float) -> bool:
        """Whether a difference is shown that may reach a limit: then a gate on the compared groups alone is undecided."""
        if self.filled is not None:
            return self.filled.reach >= limit
        return self.shown and max(-self.difference_low, self.difference_high) >= limit


@record
class ClaimResult:
    """The result of one claim; a `Finding` adds its evidence."""

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
    """None if fewer than two groups can be estimated."""
    contrasts: tuple[Contrast, ...]
    """Each estimable group compared with the rest."""
    pairs: tuple[Contrast, ...]
    """Every pair of estimable groups (at most the 435 most significant if exploratory); empty if the omnibus test does not reject."""
    verdict: FindingVerdict
    exceeds_tolerance: bool
    """For a disparity: whether some pair significantly differs by more than the tolerance, in points or in ratio."""
    ratio_tolerance: float | None = None
    """Ratio below which a difference would not matter, in addition to the tolerance in points; None: the claim has none."""
    unresponsive: Unresponsive | None = None
    """Why groups that could be compared are "not estimable": we found no evidence that the answers depend on the images, or rows may belong
    together."""
    composition: Composition | None = None
    """For primary accuracy; None if a group lacks one of the true answers."""
    diffuse: bool = False
    """Whether groups differ significantly although no single pair does: every simultaneous interval includes 0."""
    shares: tuple[TruthShare, ...] = ()
    """For a selection rate with known truth: the rates compared are then those at equal true shares, ``sum_y w_y P(answer | y, g)``."""
    within_truth_p: float | None = None
    """p of the test within each true answer, for a difference in accuracy without evidence that the answers depend on the images."""
    lead: int | None = None
    """Rank that the probe gave the claim for the headline; None: the rule of the reports."""
    negligible: float | None = None
    """For an error rate: a bound that all groups' rates are significantly below, so that no ratio of rates near 0 is tested."""
    ratio_of_rest: bool = False
    """Whether the ratio, or what is negligible, is the rate of the images that are not events: for a true positive rate the misses, for an
    answer that nearly all images get those that do not."""
    uncovered: tuple[Uncovered, ...] = ()
    """Images that the gap leaves out, if there are any."""
    withheld: FindingVerdict | None = None
    """The verdict that the question would have, were true answers not missing depending on the answer."""

    def unjudged(self, min_group_size: int) -> tuple[Rate, ...]:
        """Groups that have enough images, but too few clusters, or too unequal weights, to be judged."""
        return tuple(rate for rate in self.by_group if rate.status == "small" and rate.n >= max(min_group_size, 2))


class Decided(Protocol):
    """The result of a question that has a verdict."""

    @property
    def primary(self) -> bool: ...

    @property
    def verdict(self) -> FindingVerdict: ...


def planned_verdicts(findings: Iterable[Decided]) -> list[Verdict]:
    """The verdicts of the primary findings; exploratory ones do not count."""
    # Other values for a planned finding are rejected when a file is read (`audit.results`).
    return [cast(Verdict, finding.verdict) for finding in findings if finding.primary]


@record
class PairedFinding:
    """Counterfactual pairs: how answers change when only one attribute does."""

    measurement: str
    attribute: str
    first: str
    second: str
    n: int
    """Number of complete pairs."""
    incomplete: int
    flips: int
    """Number of pairs whose two answers differ."""
    flip_rate: float | None
    flip_low: float | None
    flip_high: float | None
    only_first_correct: int
    only_second_correct: int
    difference: float | None
    """(only_first_correct - only_second_correct) / n; None, as are the rates and intervals, if no pair is complete."""
    low: float | None
    high: float | None
    """Agresti-Min interval of the difference; it and that of the flip rate use the effective number of pairs if clusters hold several."""
    mcnemar_p: float
    """Exact test."""
    sign_flip_p: float
    """Whole clusters (see `clusters`) change sign together."""
    clusters: int
    cluster_attribute: str
    p_adjusted: float
    """Holm over the paired claims, for `sign_flip_p`."""
    outcome: str | None = None
    """The outcome that is counted instead of right answers: `only_first_correct` then counts pairs where only the first has it."""
