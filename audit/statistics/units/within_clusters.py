"""Groups compared inside clusters that contain several of them: when, and with what result for all pairs at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtri

from audit.statistics.null import GapNull, ShuffledNull
from audit.statistics.units.cluster_sums import FEWEST_WITH_EVENTS, as_student
from audit.statistics.units.clusters import ClusterTable
from audit.statistics.units.within_pair import WithinPair, blocks
from audit.ties import first_largest, least_equal

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Ends = tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]
    Rates = Float[np.ndarray, "b c g"]

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
