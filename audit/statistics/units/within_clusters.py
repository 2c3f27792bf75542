"""Groups compared inside clusters that contain several of them: when, and with what result for all pairs at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from audit.statistics.draws import binomial
from audit.statistics.intervals import FEWEST_EXPECTED, difference_limits
from audit.statistics.null import GapNull, ShuffledNull, mcnemar_p
from audit.statistics.resampling import exceedance_p
from audit.statistics.units.cluster_sums import FEWEST_WITH_EVENTS, as_normal, as_student
from audit.statistics.units.clusters import ClusterTable
from audit.ties import first_largest, least_equal

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Ends = tuple[Float[np.ndarray, "*m"], Float[np.ndarray, "*m"]]
    Rates = Float[np.ndarray, "b c g"]
    from jaxtyping import Float

    Sums = tuple[Float[np.ndarray, "*b"], Float[np.ndarray, "*b"], Float[np.ndarray, "*b"]]

# Two groups compared inside the clusters that contain images of both: effects common to all images of a cluster cancel.
#
# ``D_c = rate_a(c) - rate_b(c)`` has the weight ``w_c = n_ca n_cb / (n_ca + n_cb)``. The cluster stays the sampling unit. This is a
# different quantity than the difference of two rates over all images: 17 points there may be 0 here.


FEWEST_DIFFERING = 6
"""With fewer clusters that differ, no pattern of signs has p at most .05: they say nothing about the variation between clusters."""
FLIPS, FEWEST_DRAWS = 9999, 999
_MOST_CELLS, _CELLS, _HALVINGS, _TINY = 1 << 28, 1 << 22, 40, 1e-20


@dataclass(frozen=True)
class WithinPair:
    """The clusters that contain images of two groups; equal ones are counted."""

    difference: Float[np.ndarray, "k"]
    weight: Float[np.ndarray, "k"]
    often: Float[np.ndarray, "k"]
    event: float
    """Contribution of one event to the squares of weighted differences: a quarter if clusters are balanced."""
    single: bool
    """Whether every cluster is a pair of single images."""
    thin: bool
    """Whether either group expects under 5 events, or images without one."""
    correlation: float
    """Correlation of two images of a cluster, over all groups."""
    totals: tuple[float, float, float, float]
    """Events and images of the first group, and of the second."""

    @classmethod
    def of(cls, table: ClusterTable, first: int, second: int, correlation: float) -> WithinPair:
        places = [first, second]
        kept = (table.n[:, places] > 0).all(axis=1)
        n, events, count = table.n[kept][:, places].astype(float), table.events[kept][:, places], table.count[kept].astype(float)
        size, rates = n.sum(axis=1), events / n
        weight = n.prod(axis=1) / size
        event = float((count * weight) @ ((n**2).sum(axis=1) / size**2)) / (2 * max(float(count @ weight), _TINY))
        happened, images = float((count @ events).sum()), count @ n
        counted = bool((n == np.rint(n)).all())  # weights are never thin: they are not images that could be reassigned
        thin = counted and float(images.min()) * min(happened, float(images.sum()) - happened) < FEWEST_EXPECTED * float(images.sum())
        apart = rates[:, 0] - rates[:, 1]
        # Draws must not depend on the order of the two groups, so kinds are in the order in which the mean is positive.
        side = 1.0 if (count * weight) @ apart >= least_equal(0.0, (count * weight).sum()) else -1.0
        kinds, inverse = np.unique(np.column_stack([side * apart, weight]), axis=0, return_inverse=True)
        often = np.bincount(inverse.ravel(), count, minlength=len(kinds))
        totals = tuple(np.column_stack([count @ events, images]).astype(float).ravel().tolist())
        return cls(side * kinds[:, 0], kinds[:, 1], often, event, bool((n == 1).all()), thin, correlation, totals)

    # ---- estimate and error ----------------------------------------------------------------------------------------------------------

    @cached_property
    def total(self) -> float:
        return float(self.often @ self.weight)

    @cached_property
    def squares(self) -> float:
        return float(self.often @ self.weight**2)

    @property
    def estimate(self) -> float:
        """Weighted mean of the differences."""
        return float((self.often * self.weight) @ self.difference) / self.total

    @property
    def freedom(self) -> float:
        """Effective number of clusters minus one."""
        return max(self.total**2 / self.squares - 1, 0.5)

    @property
    def differing(self) -> int:
        """Number of clusters whose two rates differ."""
        return int(self.often[self.difference != 0].sum())

    @property
    def clump(self) -> float:
        """Number of images of a cluster that fail together: one, unless too few clusters differ to say so; then from the correlation."""
        if self.single or self.differing >= FEWEST_DIFFERING:
            return 1.0
        return 1 + max(2 * self.squares / self.total - 1, 0.0) * self.correlation

    def moments(self, sums: Sums, clump: float = 1.0) -> Ends:
        """Centre and standard error of differences D from the sums of w D, of w^2 D and of w^2 D^2.

        Two clusters are added, one of which differs, in either direction, by a `clump`. For pairs of single images this is Agresti and
        Min's interval, and without any event the interval is not a point.
        """
        first, cross, second = sums
        centre = first / (self.total + clump)
        spread = second - 2 * centre * cross + centre**2 * (self.squares + clump**2 / 2) + self.event * clump**2
        return centre, np.sqrt(np.maximum(spread, _TINY)) / (self.total + clump)

    def standardized(self, sums: Sums) -> Float[np.ndarray, "*b"]:
        """The centre in standard errors, as a value of the standard normal."""
        centre, error = self.moments(sums)
        return as_normal(centre / error, np.array(self.freedom))

    def sums(self, shift: float = 0.0) -> Sums:
        """The sums of the observed differences minus `shift`."""
        apart, weight = self.difference - shift, self.often * self.weight
        first, cross, second = (
            np.asarray(total) for total in (weight @ apart, (weight * self.weight) @ apart, (weight * self.weight) @ apart**2)
        )
        return first, cross, second

    # ---- sign flips ------------------------------------------------------------------------------------------------------------------

    def flipped(self, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b k"]:
        """For each kind of cluster, draw the number that keep their sign minus the number that change it."""
        kept = [binomial(self.often.astype(np.int64), 0.5, (size, len(self.often)), rng) for size in blocks(draws, len(self.often))]
        return np.asarray(2.0 * np.concatenate(kept) - self.often)

    def every_flip(self) -> Float[np.ndarray, "b k"]:
        """The same for every pattern of signs of the clusters that differ."""
        kinds = np.repeat(np.arange(len(self.often)), np.where(self.difference != 0, self.often, 0).astype(np.int64))
        signs = 1.0 - 2 * ((np.arange(1 << len(kinds))[:, None] >> np.arange(len(kinds))) & 1)
        return np.asarray(signs @ (kinds[:, None] == np.arange(len(self.often))))

    def flipped_sums(self, flips: Float[np.ndarray, "b k"]) -> Sums:
        columns = np.column_stack([self.weight * self.difference, self.weight**2 * self.difference])
        first, cross = (flips @ columns).T
        return first, cross, self.sums()[2]

    @cached_property
    def _drawn(self) -> Float[np.ndarray, "4 b"]:
        """Flipped sums of w D, w, w^2 D and w^2: enough for flips of D - d, for any d."""
        w, d, rng = self.weight, self.difference, np.random.default_rng(0)
        columns = np.column_stack([w * d, w, w**2 * d, w**2])
        return np.concatenate([self.flipped(size, rng) @ columns for size in blocks(FLIPS, len(w))]).T

    def _p(self, shift: float) -> float:
        """The p of "every cluster differs by `shift`, except for chance"."""
        first, weights, cross, squares = self._drawn
        observed = self.sums(shift)
        centre, error = self.moments(observed)
        centres, errors = self.moments((first - shift * weights, cross - shift * squares, observed[2]))
        return exceedance_p(np.abs(centres / errors), float(np.abs(centre / error)))

    def _last(self, alpha: float, end: float) -> float:
        """The last difference, from the estimate to an end of the scale, that sign flips do not reject."""
        inside, outside = self.estimate, end
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if self._p(middle) <= alpha else (middle, outside)
        return inside

    # ---- what is reported ------------------------------------------------------------------------------------------------------------

    @property
    def error(self) -> float:
        return float(self.moments(self.sums(), self.clump)[1])

    @property
    def p(self) -> float:
        """Two-sided, by Student's t, for lists of many pairs of groups; pairs of single images use the exact sign test."""
        if self.single:
            return mcnemar_p(*(int(self.often[side * self.difference > 0].sum()) for side in (1, -1)))
        centre, error = self.moments(self.sums(), self.clump)
        return float(2 * stdtr(self.freedom, -np.abs(centre / error)))

    def limits(self, alpha: float, *, alone: bool) -> tuple[float, float]:
        """The interval of the difference.

        For many pairs, and if too few clusters differ, it is Student's (for pairs of single images Agresti and Min's). For two groups
        `alone` it contains the differences that sign flips do not reject: many small clusters that all differ in one direction are not
        outweighed by a few large ones. If events are so few that differences are skewed, each limit is the farther of both, and no nearer
        to the centre than that of independent images is to their difference: as p is at least that of shuffled images.
        """
        centre, error = self.moments(self.sums(), self.clump)
        quantile = float(ndtri(1 - alpha / 2)) if self.single else float(stdtrit(self.freedom, 1 - alpha / 2))
        down = up = quantile * float(error)
        if self.thin and not self.single:
            below, above = self._of_images(alpha)
            down, up = max(down, below), max(up, above)
        student = max(float(centre - down), -1.0), min(float(centre + up), 1.0)
        if not alone or self.single or self.differing < FEWEST_DIFFERING:
            return student
        low, high = self._last(alpha, -1.0), self._last(alpha, 1.0)
        return (min(student[0], low), max(student[1], high)) if self.thin else (low, high)

    def _of_images(self, alpha: float) -> tuple[float, float]:
        """Distances of the limits of the difference of independent images below and above it."""
        events_1, n_1, events_2, n_2 = (np.array([total]) for total in self.totals)
        (low,), (high,) = difference_limits(events_1, n_1, events_2, n_2, alpha)
        difference = float(events_1[0] / n_1[0] - events_2[0] / n_2[0])
        return difference - float(low), float(high) - difference


def blocks(draws: int, width: int) -> list[int]:
    """Sizes of the blocks of draws: smaller blocks, and fewer of them, for very wide ones."""
    draws = min(draws, max(FEWEST_DRAWS, _MOST_CELLS // max(width, 1)))
    step = max(1, _CELLS // max(width, 1))
    return [min(step, draws - start) for start in range(0, draws, step)]


SPANNING = 0.8
"""Minimum share of the images of any two groups that must lie in clusters with both: otherwise too many would be left out."""
EXACT_CLUSTERS = 16
"""With at most this many clusters that differ, all 65,536 patterns of signs are enumerated."""
_ROUNDING = 1e-9


def spans_groups(table: ClusterTable) -> bool:
    """Whether groups are compared within clusters: depends on how images lie in clusters, never on the answers.

    Examples
    --------
    Twenty clusters with 15 images of both groups; and with equally many single images in addition.

    >>> both = ClusterTable(np.array([[1, 0]]), np.array([[15, 15]]), np.array([20]))
    >>> half = ClusterTable(np.array([[1, 0], [0, 0]]), np.array([[15, 15], [1, 0]]), np.array([20, 600]))
    >>> spans_groups(both), spans_groups(half)
    (True, False)
    """
    images = table.n.T @ (table.count[:, None] * (table.n > 0))  # [a, b]: images of a in clusters that contain b
    total = np.diag(images)
    first, second = np.triu_indices(len(total), 1)
    shared = (images + images.T)[first, second]
    return bool(len(first)) and bool((shared >= SPANNING * (total[first] + total[second])).all() and total.all())


def shared_correlation(table: ClusterTable) -> float | None:
    """Upper 95 % limit of the correlation of two images of a cluster over all groups; None if clusters do not span groups.

    A group with too few events to estimate its own borrows this one: the clusters are the same. None also if the events of all groups
    together do not suffice.
    """
    if not spans_groups(table):
        return None
    sums = table.together().sums
    images, freedom = float(sums.images_per_cluster[0]), float(sums.freedom[0])
    if images <= 1 + _ROUNDING or float(sums.clusters_with_events[0]) < FEWEST_WITH_EVENTS:
        return None
    # For a variance with these degrees of freedom: the normal approximation of chi-square by Wilson and Hilferty.
    part = 2 / (9 * freedom)
    upper = float(sums.own_design_effects[0]) / (1 - part - float(ndtri(0.95)) * part**0.5) ** 3
    return float(min(max((upper - 1) / (images - 1), 0.0), 1.0))


class WithinDesign(NamedTuple):
    """With the field names of `audit.records.finding.WithinClusters`."""

    clusters: int
    images_left_out: float
    over_all_images: float
    standard_error: float
    freedom: float | None


@dataclass(frozen=True)
class WithinPairs:
    """Every pair of some groups, compared within clusters."""

    table: ClusterTable
    borrowed: float
    """Correlation of two images of a cluster."""
    known: dict[tuple[int, int], WithinPair] = field(default_factory=dict, compare=False)
    limits: dict[tuple[int, int, float, bool], tuple[float, float]] = field(default_factory=dict, compare=False)

    def pairs(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> list[WithinPair]:
        ends = list(zip(first.tolist(), second.tolist(), strict=True))
        self.known.update({pair: WithinPair.of(self.table, *pair, self.borrowed) for pair in ends if pair not in self.known})
        return [self.known[pair] for pair in ends]

    def differences(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        return np.array([pair.estimate for pair in self.pairs(first, second)])

    def intervals(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"], alpha: float, *, alone: bool) -> Ends:
        ends = zip(first.tolist(), second.tolist(), strict=True)
        low, high = np.array([self._limits(*pair, alpha, alone) for pair in ends]).reshape(-1, 2).T
        return low, high

    def _limits(self, first: int, second: int, alpha: float, alone: bool) -> tuple[float, float]:
        """The limits of a pair, which are drawn only once: with the groups exchanged they change sign."""
        if first > second:
            low, high = self._limits(second, first, alpha, alone)
            return -high, -low
        key = first, second, alpha, alone
        if key not in self.limits:
            [pair] = self.pairs(np.array([first]), np.array([second]))
            self.limits[key] = pair.limits(alpha, alone=alone)
        return self.limits[key]

    def p(self, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        return np.array([pair.p for pair in self.pairs(first, second)])

    def design(self) -> WithinDesign:
        pairs = self.pairs(*np.triu_indices(self.table.n.shape[1], 1))
        spanning = (self.table.n > 0).sum(axis=1) > 1
        apart = self.table.count @ self.table.n - self.table.count[spanning] @ self.table.n[spanning]
        least = max(pairs, key=lambda pair: pair.error)
        freedom, clusters = None if least.single else least.freedom, int(self.table.count[spanning].sum())
        return WithinDesign(clusters, float(apart.sum()), float(np.ptp(self.table.sums.rates)), least.error, freedom)

    def test(self, draws: int, rng: np.random.Generator) -> GapNull:
        """Test "no two groups differ within clusters": two groups by sign flips, more by shuffling labels within clusters.

        A shuffle permutes a cluster's rates among its groups: images of one group in one cluster stay together. If
        events are so few that differences are skewed, p is at least that of shuffling images.
        """
        groups = self.table.n.shape[1]
        first, second = np.triu_indices(groups, 1)
        pairs = self.pairs(first, second)
        observed = np.array([pair.standardized(pair.sums()) for pair in pairs])
        z, exact = self._drawn(pairs, draws, rng)
        nulls = [z, self._shuffled(pairs, first, second, draws, rng, parts=False)] if any(pair.thin for pair in pairs) else [z]
        p, pair_p, any_p = np.max([_p_of(null, observed, exact=exact and null is z) for null in nulls], axis=0).tolist()
        if pairs[0].single and groups == 2:  # the sign test, which needs no draws
            p = pair_p = any_p = pairs[0].p
        at = first_largest(np.abs(observed))
        ends = (int(first[at]), int(second[at])) if observed[at] >= least_equal(0.0) else (int(second[at]), int(first[at]))
        scale = np.array([pair.moments(pair.sums())[1] * (pair.total + 1) / pair.total for pair in pairs])
        freedom = np.array([pair.freedom for pair in pairs])
        critical = float(np.quantile(np.abs(z).max(axis=1), 0.95))
        chance = np.zeros((groups, groups))
        chance[first, second] = chance[second, first] = np.minimum(as_student(critical, freedom) * scale, 1.0)
        gaps = (as_student(np.abs(z), freedom) * scale).max(axis=1)
        gap = float(np.abs(self.differences(first, second)).max())
        return GapNull(gap, p, ends, float(gaps.mean()), float(np.quantile(gaps, 0.95)), None, any_p, pair_p, chance)

    def _drawn(self, pairs: list[WithinPair], draws: int, rng: np.random.Generator) -> tuple[Float[np.ndarray, "b m"], bool]:
        """Standardised differences of shuffled tables, and whether these are all that exist."""
        if len(pairs) > 1:
            return self._shuffled(pairs, *np.triu_indices(self.table.n.shape[1], 1), draws, rng, parts=True), False
        [pair] = pairs
        if pair.differing <= EXACT_CLUSTERS:
            return pair.standardized(pair.flipped_sums(pair.every_flip()))[:, None], True
        sizes = blocks(draws, len(pair.often))
        return np.concatenate([pair.standardized(pair.flipped_sums(pair.flipped(size, rng))) for size in sizes])[:, None], False

    def _shuffled(
        self,
        pairs: list[WithinPair],
        first: Int[np.ndarray, "m"],
        second: Int[np.ndarray, "m"],
        draws: int,
        rng: np.random.Generator,
        *,
        parts: bool,
    ) -> Float[np.ndarray, "b m"]:
        """Standardised differences of tables whose groups are shuffled within clusters: whole `parts` of clusters, or images."""
        rows = np.repeat(np.arange(len(self.table.count)), self.table.count)
        n, events = self.table.n[rows].astype(float), self.table.events[rows]
        weights = n[:, first] * n[:, second] / np.maximum(n[:, first] + n[:, second], 1)
        drawn = []
        for size in blocks(draws, len(rows) * (len(n.T) + len(pairs))):
            rates = _shuffled_parts(n, events, size, rng) if parts else _shuffled_images(n, events, size, rng)
            z = []
            for position, (pair, one, two) in enumerate(zip(pairs, first, second, strict=True)):
                apart, w = np.where(weights[:, position] > 0, rates[..., one] - rates[..., two], 0.0), weights[:, position]
                z.append(pair.standardized((apart @ w, apart @ w**2, apart**2 @ w**2)))
            drawn.append(np.stack(z, axis=1))
        return np.concatenate(drawn)


def _p_of(null: Float[np.ndarray, "b m"], observed: Float[np.ndarray, "m"], *, exact: bool) -> tuple[float, float, float]:
    """The combined p, that of the most significant pair and that of all pairs together."""
    drawn, seen = (np.stack([np.abs(z).max(axis=-1), (z**2).sum(axis=-1)], axis=-1) for z in (null, observed))
    if exact:
        p = float(np.mean(drawn[:, 0] >= least_equal(seen[0])))
        return p, p, p
    combined, (pair_p, any_p) = ShuffledNull(drawn).p(seen)
    return float(combined), float(pair_p), float(any_p)


def _shuffled_parts(n: Float[np.ndarray, "c g"], events: Int[np.ndarray, "c g"], size: int, rng: np.random.Generator) -> Rates:
    """Permute the rates of each cluster among its groups."""
    rates = np.full((size, *n.shape), np.nan)
    patterns, inverse = np.unique(n > 0, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        rows, columns = np.flatnonzero(inverse.ravel() == number), np.flatnonzero(pattern)
        own = events[rows][:, columns] / n[rows][:, columns]
        rates[:, rows[:, None], columns] = rng.permuted(np.broadcast_to(own, (size, *own.shape)), axis=2)
    return rates


def _shuffled_images(n: Float[np.ndarray, "c g"], events: Int[np.ndarray, "c g"], size: int, rng: np.random.Generator) -> Rates:
    """Assign the events of each cluster to its images at random, regardless of group."""
    images, events = n.astype(np.int64), events.astype(np.int64)
    rates = np.full((size, *n.shape), np.nan)
    left, rest = np.broadcast_to(events.sum(axis=1), (size, len(n))), images.sum(axis=1)
    for group in range(n.shape[1]):
        drawn = rng.hypergeometric(left, rest - left, images[:, group])
        rates[..., group] = np.where(images[:, group] > 0, drawn / np.maximum(images[:, group], 1), np.nan)
        left, rest = left - drawn, rest - images[:, group]
    return rates
