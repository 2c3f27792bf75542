"""Label errors that would overturn a finding: of group labels, adversarial or random; of true labels, by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from audit.evidence.base import EvidenceInputs, compared_counts
from audit.records.base import Verdict, record
from audit.records.finding import ClaimResult, Gap, pair_of
from audit.statistics.bounds import two_apart
from audit.statistics.draws import binomial, multinomial
from audit.statistics.equivalence import equivalence_bound, equivalence_ratio, ratio_reach, reach
from audit.statistics.label_errors import flattering_errors, independent_errors, unequal_errors
from audit.statistics.metrics import METRICS
from audit.statistics.most_significant import max_standardized_difference, sampling_errors
from audit.statistics.null import ShuffledNull, gap_p, generator, mcnemar_p, two_proportion_p
from audit.statistics.resampling import spread_of_rates
from audit.statistics.units.cluster_units import SetUnits
from audit.statistics.units.clusters import ClusterTable
from audit.statistics.units.sampling_unit import SamplingUnits
from audit.statistics.verdict import verdicts, within
from audit.types import Group

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


@record
class TippingPoint:
    """The fewest wrong group labels, chosen by an adversary, that overturn a difference."""

    worst: Group
    comparison: Group
    images: int
    share: float
    """As a share of the worst group's images."""
    turned: Literal["significance", "sign"]


@record
class LabelErrors:
    """How much more often the true labels of one group than of another would have to be wrong for their difference not to matter."""

    worst: Group
    comparison: Group
    images: int
    """Fewest labels of the worst group that reduce the difference to the tolerance: all on wrong answers, right once corrected."""
    share: float
    """As a share of the worst group's images that count, if the other group's labels are right: a difference of error rates."""
    independent: float | None
    """Difference of error rates if label errors do not depend on the answers, and are spread evenly over the other answers; for accuracy
    only. None if no such difference reduces it to the tolerance."""
    of_comparison: int | None = None
    """Fewest labels of the other group that suffice alone, if the worst group's are right: all on right answers, wrong once corrected. None
    if not even all of them suffice, and in files of earlier versions."""


@record
class NoisePoint:
    """How often a verdict survives when this share of the group labels is wrong at random."""

    share: float
    kept: float


@record
class LabelNoise:
    """The effect of wrong labels, of groups or of the truth, on a verdict."""

    tipping_point: TippingPoint | None
    """Chosen by an adversary; None unless the verdict is a disparity that some number of labels overturns."""
    points: tuple[NoisePoint, ...]
    """At random."""
    truth: LabelErrors | None = None
    """Wrong true labels, not group labels; None unless the verdict is a disparity in answers that are right or wrong, whose gap exceeds
    the tolerance."""


SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
REPEATS = 200
NOISE_DRAWS = 4999
"""Maximum number of shuffles for the null distribution of a noise curve: all its tables share the error of one critical value."""
_STEP = 1024
_BLOCK = 1 << 19
"""Pairs of groups evaluated per block."""


@dataclass(frozen=True)
class Rules:
    """The settings that turn counts into a verdict."""

    tolerance: float
    alpha: float
    level: float
    """Raw p up to which the omnibus test rejects: alpha, or less if the claim is one of several."""
    fewest: int
    """Minimum number of images in a group."""
    draws: int
    ratio_tolerance: float | None = None


def by_finding(inputs: EvidenceInputs) -> dict[str, LabelNoise]:
    """Tipping point, noise curve and unequal label errors of each primary finding."""
    looked = [finding for finding in inputs.findings if finding.primary and finding.gap and not finding.unresponsive]
    noises = [(finding, noise) for finding in looked if (noise := _of_finding(finding, inputs))]
    return {finding.id: replace(noise, truth=_of_truth(finding, inputs.answers[finding.measurement])) for finding, noise in noises}


def _of_finding(finding: ClaimResult, inputs: EvidenceInputs) -> LabelNoise | None:
    gap, settings = finding.gap, inputs.settings
    assert gap is not None  # noqa: S101  (only findings with a gap get here)
    # Holm multiplied the raw p; dividing by the same factor gives the level for the raw p.
    level, rng = settings.alpha * gap.p / gap.p_adjusted, generator(settings.seed, f"{finding.id}/noise")
    ends, events, n = _told(finding, gap)
    if gap.within:
        swapped = SwappedLabels.of(finding, inputs.compared_units(finding), level, settings.alpha)
        return swapped.noise(*ends, SHARES, REPEATS, rng) if swapped else None
    # The compared groups stay the same: one of 30 images that loses a label is still judged.
    rules = Rules(finding.tolerance, settings.alpha, level, 2, min(settings.draws, NOISE_DRAWS), finding.ratio_tolerance)
    groups, all_events, all_n = compared_counts(finding)
    rare = all_n - all_events if finding.ratio_of_rest else all_events
    points, pairs = label_noise_curve(rare, all_n, rules, rng), len(groups) * (len(groups) - 1) // 2
    return LabelNoise(tipping_point(ends, events, n, settings.alpha / pairs) if finding.verdict == "disparity" else None, points)


def _told(finding: ClaimResult, gap: Gap) -> tuple[tuple[Group, Group], tuple[int, int], tuple[int, int]]:
    """The pair that a finding mentions, the worse group first, with its events and its images."""
    groups, events, n = compared_counts(finding)
    high, low = pair_of(gap)
    worst, other = (low, high) if finding.better == "high" else (high, low)
    places = [groups.index(worst), groups.index(other)]
    (k, k_other), (of, of_other) = events[places].tolist(), n[places].tolist()
    return (worst, other), (k, k_other), (of, of_other)


def _of_truth(finding: ClaimResult, answers: int) -> LabelErrors | None:
    metric, gap = METRICS[finding.metric], finding.gap
    if not metric.needs_truth or gap is None or finding.verdict != "disparity":
        return None
    ends, events, n = _told(finding, gap)
    w, w_other = wrong = (n[0] - events[0], n[1] - events[1]) if metric.better == "high" else events
    leaves = metric.denominator in ("positive", "negative")
    images, flattered = (f(wrong, n, finding.tolerance, leaves=leaves) for f in (unequal_errors, flattering_errors))
    if images is None:
        return None
    rates, possible = (1 - w / n[0], 1 - w_other / n[1]), 2 if finding.outcome else answers
    independent = independent_errors(*rates, finding.tolerance, possible) if metric.name == "accuracy" else None
    return LabelErrors(*ends, images, images / n[0], independent, flattered)


def verdict_on(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], rules: Rules, rng: np.random.Generator) -> Verdict:
    """Apply the rules of a verdict to bare counts: the same result as `findings` and `decide_verdicts`.

    Examples
    --------
    >>> rules = Rules(tolerance=0.05, alpha=0.05, level=0.05, fewest=30, draws=999)
    >>> verdict_on(np.array([900, 700]), np.array([1000, 1000]), rules, np.random.default_rng(0))
    'disparity'
    """
    ok = n >= max(rules.fewest, 2)
    events, n = events[ok], n[ok]
    enough = len(n) > 1
    bound = equivalence_bound(events, n, rules.alpha) if enough else np.inf
    ratio = equivalence_ratio(events, n, rules.alpha) if enough and rules.ratio_tolerance is not None else None
    close = within(bound, rules.tolerance, ratio, rules.ratio_tolerance)
    p = gap_p(events, n, rules.draws, rng) if enough and not close else np.nan
    apart = enough and two_apart(events, n, rules.alpha)
    verdict: Verdict = verdicts(close, p, rules.level, len(n), apart=apart).item()
    return verdict


def tipping_point(groups: tuple[Group, Group], events: tuple[int, int], n: tuple[int, int], level: float) -> TippingPoint | None:
    """Fewest wrongly labelled images of the worst group that account for its difference to another group.

    An adversary moves images, each of the kind that makes the worst group worse, from the worst group (the first) into the other. If the
    worst group has the higher rate these are events, otherwise images without the event. The difference persists while the raw p of the
    two rates is at most `level`. None if there is no difference to overturn, or no number of such images overturns it.

    Examples
    --------
    Table 6 of the CLIP paper, non-human: 40 of 1,556 labels.

    >>> found = tipping_point((("Black",), ("Indian",)), (224, 115), (1556, 1516), 0.05)
    >>> found.images, round(found.share, 3), found.turned
    (40, 0.026, 'significance')
    """
    kinds = events if events[0] * n[1] > events[1] * n[0] else (n[0] - events[0], n[1] - events[1])
    if two_proportion_p(*(np.array([x]) for x in (kinds[0], n[0], kinds[1], n[1])))[0] > level:
        return None
    for start in range(1, min(kinds[0], n[0] - 1) + 1, _STEP):
        moved = np.arange(start, min(start + _STEP, kinds[0] + 1, n[0]))
        k_1, n_1, k_2, n_2 = kinds[0] - moved, n[0] - moved, kinds[1] + moved, n[1] + moved
        turned = k_1 * n_2 <= k_2 * n_1
        overturned = turned | (two_proportion_p(k_1, n_1, k_2, n_2) > level)
        if overturned.any():
            first = int(overturned.argmax())
            how: Literal["sign", "significance"] = "sign" if turned[first] else "significance"
            return TippingPoint(*groups, int(moved[first]), float(moved[first] / n[0]), how)
    return None


def label_noise_curve(
    events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], rules: Rules, rng: np.random.Generator, shares: Sequence[float] = SHARES
) -> tuple[NoisePoint, ...]:
    """How often, in 200 draws per share, the verdict stays the same when that share of the group labels is replaced at random.

    A wrong label is another group's, in proportion to the images of the others; errors depend on nothing else. For two
    equal groups with a share eps of wrong labels, the expected gap is (1 - 2 eps) times the gap.
    """
    tables = [(events[None], n[None])]
    p = [_p_values(*tables[0], rules, rng)]
    for share in shares:
        tables.append(relabel(events, n, share, REPEATS, rng))
        p.append(_p_values(*tables[-1], rules, rng))
    all_events, all_n = (np.concatenate(column) for column in zip(*tables, strict=True))
    ruled = _verdicts(all_events, all_n, np.concatenate(p), rules)
    relabelled = ruled[1:].reshape(len(shares), REPEATS)
    return tuple(NoisePoint(share, float(np.mean(drawn == ruled[0]))) for share, drawn in zip(shares, relabelled, strict=True))


def _verdicts(events: Int[np.ndarray, "b g"], n: Int[np.ndarray, "b g"], p: Float[np.ndarray, "b"], rules: Rules) -> np.ndarray:
    """Apply `verdict_on` to many tables at once: str[b]."""
    ok = n >= max(rules.fewest, 2)
    groups, rates = ok.sum(axis=1), np.where(ok, events / np.maximum(n, 1), np.nan)
    close = np.zeros(len(n), bool)
    # A gap of the tolerance or more is never within it: only the other tables need all pairs.
    narrow = np.flatnonzero((spread_of_rates(rates) < rules.tolerance) & (groups > 1))
    for part in np.array_split(narrow, max(1, len(narrow) * n.shape[1] ** 2 // _BLOCK)):
        close[part] = _within(events[part], n[part], ok[part], rules)
    first_two = np.argsort(~ok, axis=1, kind="stable")[:, :2]
    apart = two_apart(np.take_along_axis(events, first_two, axis=1), np.take_along_axis(n, first_two, axis=1), rules.alpha)
    return verdicts(close, p, rules.level, groups, apart=apart)


def _within(events: Int[np.ndarray, "b g"], n: Int[np.ndarray, "b g"], ok: Bool[np.ndarray, "b g"], rules: Rules) -> Bool[np.ndarray, "b"]:
    """Whether every pair of the groups that are compared is within the tolerances, in each table."""
    first, second = np.triu_indices(n.shape[1], 1)
    trials, both = np.maximum(n, 1), ok[:, first] & ok[:, second]
    sides = events[:, first], trials[:, first], events[:, second], trials[:, second]
    bound = np.where(both, reach(*sides, rules.alpha), 0.0).max(axis=1)
    # A pair beyond the tolerance in points is decisive: the ratio needs a search, and few tables need it.
    searched = (bound < rules.tolerance) & (rules.ratio_tolerance is not None)
    k_1, n_1, k_2, n_2 = (side[searched] for side in sides)
    ratio = np.ones(len(n))
    ratio[searched] = np.where(both[searched], ratio_reach(k_1, n_1, k_2, n_2, rules.alpha), 1.0).max(axis=1)
    return within(bound, rules.tolerance, ratio, rules.ratio_tolerance)


def _p_values(
    events_of: Int[np.ndarray, "b g"], n_of: Int[np.ndarray, "b g"], rules: Rules, rng: np.random.Generator
) -> Float[np.ndarray, "b"]:
    """The share of shuffles whose most significant pair is as significant as that of each table with one total, itself included.

    All are compared with one null distribution, drawn at their mean group sizes: relabelling changes the sizes by a few images, and
    the null distribution by far less than 1,000 draws can resolve (separate ones for 200 tables would take a hundred times as long).
    """
    known, n, total = n_of >= max(rules.fewest, 2), np.rint(n_of.mean(axis=0)).astype(int), events_of.sum(axis=1).mean()
    ok = n >= max(rules.fewest, 2)
    compared, rates = n[ok], np.where(known, events_of / np.maximum(n_of, 1), np.nan)[:, ok]
    # The rounded mean sizes may sum to one image less: there must not be more events than images.
    events = min(round(total * compared.sum() / max(n.sum(), 1)), int(compared.sum()))
    if len(compared) < 2 or events in (0, int(compared.sum())):
        return np.ones(len(rates))
    errors = sampling_errors(compared)
    null = rng.multivariate_hypergeometric(compared, events, size=rules.draws, method="marginals") / compared

    def statistics(rates: Float[np.ndarray, "b g"]) -> Float[np.ndarray, "b 2"]:
        # An undefined rate is ignored by setting it to its expected value.
        squares = compared * np.nan_to_num(rates - events / compared.sum()) ** 2
        return np.stack([max_standardized_difference(rates, errors), squares.sum(axis=1)], axis=1)

    return ShuffledNull(statistics(null)).p(statistics(rates))[0]


def relabel(
    events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], share: float, repeats: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "b g"], Int[np.ndarray, "b g"]]:
    """Give each image, with probability `share`, the label of another group. Total images and events stay the same."""
    sizes = np.asarray(n, float)
    moved = []
    for counts in (events, n - events):
        stay = np.repeat(counts[None], repeats, axis=0)
        for group, count in enumerate(counts):
            others = np.where(np.arange(len(n)) == group, 0.0, sizes)
            leaving = binomial(count, share, (repeats,), rng) if others.sum() else np.zeros(repeats, int)
            stay[:, group] -= leaving
            stay += multinomial(leaving, others / max(others.sum(), 1.0), (repeats,), rng)
        moved.append(stay)
    return moved[0], moved[0] + moved[1]


_BOTH = np.array([0]), np.array([1])


@dataclass(frozen=True)
class SwappedLabels:
    """Two groups that a finding compares inside sets with one image of each; `level` is the raw p up to which its test rejects."""

    finding: ClaimResult
    units: SetUnits
    level: float
    alpha: float
    _verdicts: dict[tuple[int, int], Verdict] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, finding: ClaimResult, units: SamplingUnits, level: float, alpha: float) -> SwappedLabels | None:
        """None if sets have more images, or there are more groups: then it is undefined whose label a wrong one would be."""
        if not isinstance(units, SetUnits) or units.table.n.shape[1] != 2 or units.table.n.max() > 1:
            return None
        return cls(finding, units, level, alpha)

    def noise(self, worst: Group, other: Group, shares: Sequence[float], repeats: int, rng: np.random.Generator) -> LabelNoise:
        """The tipping point of a disparity, and how often its verdict stays the same when a share of the pairs is swapped at random."""
        own = self.only_one
        kept = []
        for share in shares:
            turned = binomial(np.array(own), share, (repeats, 2), rng)
            tables = (np.array(own) - turned + turned[:, ::-1]).tolist()
            kept.append(NoisePoint(share, float(np.mean([self.verdict(*table) == self.verdict(*own) for table in tables]))))
        return LabelNoise(self.tipping_point(worst, other) if self.finding.verdict == "disparity" else None, tuple(kept))

    @property
    def only_one(self) -> tuple[int, int]:
        """Number of pairs with the event in the first image alone, and in the second alone."""
        first, second = (int(self.units.table.count[self._only(side)].sum()) for side in (0, 1))
        return first, second

    def _only(self, side: int) -> Bool[np.ndarray, "c"]:
        paired, events = (self.units.table.n == 1).all(axis=1), self.units.table.events
        return np.asarray(paired & (events[:, side] > events[:, 1 - side]))

    def with_only(self, first: int, second: int) -> SetUnits:
        """The same sets, with the given numbers of pairs with the event in the first image alone, and in the second alone."""
        table, others = self.units.table, ~(self._only(0) | self._only(1))
        pairs = np.array([[1, 0], [0, 1]])[np.array([first, second]) > 0]
        count = np.array([number for number in (first, second) if number])
        events, n = np.concatenate([table.events[others], pairs]), np.concatenate([table.n[others], np.ones_like(pairs)])
        return replace(self.units, table=ClusterTable(events, n, np.concatenate([table.count[others], count]).astype(np.int64)))

    def verdict(self, first: int, second: int) -> Verdict:
        """The verdict for these numbers of pairs, by the rules of the finding."""
        if (first, second) not in self._verdicts:
            self._verdicts[first, second] = self._verdict(self.with_only(first, second))
        return self._verdicts[first, second]

    def _verdict(self, units: SetUnits) -> Verdict:
        tolerance, ratio = self.finding.tolerance, self.finding.ratio_tolerance
        (low,), (high,) = units.differences(*_BOTH, 2 * self.alpha)
        close = False
        if max(high, -low) < tolerance:  # otherwise the bound, which is at least as large, need not be computed
            rare = units.rest() if self.finding.ratio_of_rest else units
            close = bool(within(units.equivalence_bound(self.alpha), tolerance, ratio and rare.equivalence_ratio(self.alpha), ratio))
        (low,), (high,) = units.differences(*_BOTH, self.alpha)
        verdict: Verdict = verdicts(close, float(units.p(*_BOTH)[0]), self.level, 2, apart=low > 0 or high < 0).item()
        return verdict

    def tipping_point(self, worst: Group, other: Group) -> TippingPoint | None:
        """The fewest pairs with swapped labels that account for the difference; None if there is no difference to overturn.

        An adversary swaps pairs that support the difference. It persists while the exact sign test has p at most `level`.
        """
        more, fewer = sorted(self.only_one, reverse=True)
        if mcnemar_p(more, fewer) > self.level:
            return None
        pairs = next(x for x in range(1, more + 1) if more - x <= fewer + x or mcnemar_p(more - x, fewer + x) > self.level)
        images = next(rate.n for rate in self.finding.by_group if rate.group == worst)
        return TippingPoint(worst, other, pairs, pairs / images, "sign" if more - pairs <= fewer + pairs else "significance")
