"""Tests of "no two groups differ" for images in clusters: every statistic is divided by the standard error of its own table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import factorial, prod
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

from audit.statistics.draws import correlated_normal, multinomial
from audit.statistics.null import GapNull, ShuffledNull
from audit.statistics.resampling import shuffled_tables, spread_of_rates
from audit.statistics.units.cluster_sums import (
    Sums,
    as_normal,
    as_student,
    difference_errors,
    products,
    standardized_differences,
    sums_of_products,
    unpacked,
)
from audit.statistics.units.clusters import ClusterTable
from audit.ties import first_largest, least_equal

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from scipy.sparse import csr_array

# Shuffled tables of clusters: whole clusters are reassigned to groups, and the groups within each cluster are exchanged.


_CELLS = 1 << 22
"""Numbers held in memory at once: 32 MB."""
_TOGETHER = 1.0
"""Kinds times positions per cluster, up to which equal clusters are assigned together and not one by one."""
_ARRANGEMENTS = 120
"""With at most this many arrangements of the groups of equal clusters, all are enumerated and drawn together."""
_FEW_AT_A_PLACE = 8
"""From this many clusters per position on, matrix products are faster than a table of all products."""
_COSTLY, FEWEST_SHUFFLES = 1 << 32, 999
"""Shuffles of clusters one by one stop after this many numbers, but never before this many shuffles."""


def shuffles(table: ClusterTable, draws: int, rng: np.random.Generator) -> Iterator[Sums]:
    """Yield the sums of shuffled tables in blocks of shuffles.

    Clusters within one group are reassigned to groups, as many to each as before. Clusters that span k groups are assigned to each
    other's groups, and within each its parts (all images in one group) are permuted. A table of hundreds of thousands of clusters that each
    span different groups gets fewer shuffles than `draws`.
    """
    strata = _strata(table)
    width = table.n.shape[1]
    cells = sum(stratum.cells for stratum in strata) + 5 * width * width
    slow = sum(stratum.cells for stratum in strata if not stratum.together)
    draws = min(draws, max(FEWEST_SHUFFLES, _COSTLY // max(slow, 1)))
    at_once = max(1, _CELLS // cells)
    for start in range(0, draws, at_once):
        size = min(at_once, draws - start)
        yield unpacked(sum(stratum.drawn(size, rng) @ stratum.into for stratum in strata), width)


@dataclass(frozen=True)
class _Stratum:
    """Clusters that span equally many groups: their contents, and the groups that they span."""

    lots: Int[np.ndarray, "l k 2"]
    """Kinds by events and images of each part, regardless of the order of the parts."""
    places: Int[np.ndarray, "p k"]
    counts: Int[np.ndarray, "l p"]
    width: int
    """Number of groups of the table."""

    @cached_property
    def ways(self) -> tuple[int, ...]:
        """Number of arrangements of the parts of each kind."""
        numbers = [Counter(map(tuple, lot.tolist())).values() for lot in self.lots]
        return tuple(factorial(self.lots.shape[1]) // prod(map(factorial, number)) for number in numbers)

    @cached_property
    def together(self) -> bool:
        return max(self.ways) <= _ARRANGEMENTS and (self.counts.shape[1] == 1 or self.counts.size <= _TOGETHER * self.counts.sum())

    @property
    def cells(self) -> int:
        features = products(self.lots[:1]).size
        return (sum(self.ways) if self.together else int(self.counts.sum())) * features

    @cached_property
    def into(self) -> csr_array:
        """Matrix that adds the sums of each position's parts to those of all groups."""
        from scipy.sparse import csr_array

        size, groups = self.places.shape[1], self.width
        pair = self.places[:, :, None] * groups + self.places[:, None, :]
        one = np.concatenate([self.places, groups + self.places], axis=1)
        two = np.concatenate([2 * groups + product * groups**2 + pair.reshape(-1, size**2) for product in range(3)], axis=1)
        columns = np.concatenate([one, two], axis=1).ravel()
        ones = np.ones(len(columns))
        return csr_array((ones, columns, np.arange(len(columns) + 1)), shape=(len(columns), 2 * groups + 3 * groups**2))

    def drawn(self, size: int, rng: np.random.Generator) -> Float[np.ndarray, "b f"]:
        """The sums of each position's parts, and of their products, over the clusters that a shuffle assigns there."""
        permuted = self._kinds(size, rng) if self.together else self._one_by_one(size, rng)
        return permuted.reshape(size, -1)

    def _kinds(self, size: int, rng: np.random.Generator) -> Float[np.ndarray, "b p f"]:
        margins = self.counts.sum(axis=1), self.counts.sum(axis=0)
        often = shuffled_tables(*margins, size, rng).swapaxes(1, 2)
        settled = np.array(self.ways) == 1
        total: np.ndarray = often[..., settled] @ products(self.lots[settled])
        for lot, ways in zip(np.flatnonzero(~settled), np.array(self.ways)[~settled].tolist(), strict=True):
            parts, numbers = np.unique(self.lots[lot], axis=0, return_counts=True)
            arranged = parts[list(_arrangements(tuple(numbers.tolist())))]
            total += multinomial(often[..., lot], np.full(ways, 1 / ways), often.shape[:-1], rng) @ products(arranged)
        return np.asarray(total)

    def _one_by_one(self, size: int, rng: np.random.Generator) -> Float[np.ndarray, "b p f"]:
        clusters, parts = int(self.counts.sum()), self.lots.shape[1]
        lots = np.repeat(self.lots, self.counts.sum(axis=1), axis=0)
        order = rng.permuted(np.broadcast_to(np.arange(clusters), (size, clusters)), axis=1)
        starts = np.append(0, self.counts.sum(axis=0).cumsum()[:-1])
        if parts == 1:  # nothing to permute; column by column takes a quarter of the time
            return np.stack([np.add.reduceat(column[order], starts, axis=1) for column in products(lots).T.copy()], axis=-1)
        turned = rng.permuted(np.broadcast_to(np.arange(parts), (size, clusters, parts)), axis=2)
        permuted = lots[order[..., None], turned]
        if clusters < _FEW_AT_A_PLACE * len(starts):
            return np.asarray(np.add.reduceat(products(permuted), starts, axis=1))
        return np.stack([sums_of_products(part) for part in np.split(permuted, starts[1:], axis=1)], axis=1)


def _strata(table: ClusterTable) -> list[_Stratum]:
    """Partition clusters by the number of groups they span; a shuffle changes which part lies in which group."""
    span = (table.n > 0).sum(axis=1)
    strata = []
    for size in np.unique(span).tolist():
        rows = np.flatnonzero(span == size)
        where = np.nonzero(table.n[rows])[1].reshape(len(rows), size)
        parts = np.stack([np.take_along_axis(numbers[rows], where, axis=1) for numbers in (table.events, table.n)], axis=2)
        base = int(parts.max()) + 1
        parts = np.take_along_axis(parts, (parts[..., 0] * base + parts[..., 1]).argsort(axis=1)[..., None], axis=1)
        lots, lot = np.unique(parts, axis=0, return_inverse=True)
        places, inverse = np.unique(where, axis=0, return_inverse=True)
        counts = np.zeros((len(lots), len(places)), np.int64)
        np.add.at(counts, (lot.ravel(), inverse.ravel()), table.count[rows])
        strata.append(_Stratum(lots, places, counts, table.n.shape[1]))
    return strata


def _arrangements(numbers: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield every order of a multiset with `numbers` equal items of each kind."""
    if not any(numbers):
        yield ()
    for position, number in enumerate(numbers):
        if number:
            for rest in _arrangements((*numbers[:position], number - 1, *numbers[position + 1 :])):
                yield (position, *rest)


_CELLS = 1 << 22


def clustered_gap_test(table: ClusterTable, draws: int, rng: np.random.Generator, permuted: ClusterTable | None = None) -> GapNull:
    """Test "no two groups differ" by the most significant pair and by all groups together; also the gap, and what is expected by chance.

    Each shuffle of the clusters is divided by its own cluster-robust standard errors: the test is exact if clusters are alike, and
    asymptotically valid if groups differ in the number, size or correlation of clusters. Shuffles of few clusters are coarse, so p is at
    least that of normal rates with the observed errors. `permuted` is shuffled instead of the table, of which it is a coarser version.

    References
    ----------
    Janssen 1997, Studentized permutation tests, https://doi.org/10.1016/S0167-7152(97)00043-6;
    Chung and Romano 2013, https://doi.org/10.1214/13-AOS1090
    """
    sums = table.sums
    pooled = float(sums.e.sum() / sums.n.sum())
    first, second = np.triu_indices(len(sums.n), 1)
    observed = _statistics(sums, pooled)
    drawn = [(_statistics(shuffle, pooled), spread_of_rates(shuffle.rates)) for shuffle in shuffles(permuted or table, draws, rng)]
    gaps = np.concatenate([gap for _, gap in drawn])
    nulls = np.concatenate([statistics for statistics, _ in drawn]), _normal_statistics(sums, pooled, draws, rng)
    both = [ShuffledNull(null).p(observed) for null in nulls]
    p, (pair_p, any_p) = (np.maximum(*ends) for ends in zip(*both, strict=True))
    at = first_largest(np.abs(standardized_differences(sums, pooled, first, second)[0]))
    ends = (int(first[at]), int(second[at]))
    ends = ends if sums.rates[ends[0]] >= least_equal(sums.rates[ends[1]]) else ends[::-1]
    upper, critical = float(np.quantile(gaps, 0.95)), max(float(np.quantile(null[:, 0], 0.95)) for null in nulls)
    chance = _chance(sums, pooled, critical)
    return GapNull(float(np.ptp(sums.rates)), float(p), ends, float(gaps.mean()), upper, None, float(any_p), float(pair_p), chance)


def _chance(sums: Sums, pooled: float, critical: float) -> Float[np.ndarray, "g g"]:
    """Rescale the 95 % point of the largest standardised difference to each pair, by its own error and degrees of freedom."""
    first, second = np.triu_indices(len(sums.n), 1)
    error, freedom = difference_errors(sums, pooled, first, second)
    chance = np.zeros((len(sums.n), len(sums.n)))
    chance[first, second] = chance[second, first] = np.minimum(as_student(critical, freedom) * error, 1.0)
    return chance


def _statistics(sums: Sums, pooled: float) -> Float[np.ndarray, "*b 2"]:
    """Largest standardised difference of two groups, and the sum of squared deviations of all groups from their mean."""
    groups = sums.n.shape[-1]
    first, second = np.triu_indices(groups, 1)
    pairs = as_normal(*standardized_differences(sums, pooled, first, second))
    variance = np.maximum(sums.variances(pooled, np.arange(groups)), 1e-12)
    centre = np.average(sums.rates, axis=-1, weights=1 / variance, keepdims=True)
    standardized = as_normal((sums.rates - centre) / np.sqrt(variance), sums.freedom)
    return np.stack([np.abs(pairs).max(axis=-1), (standardized**2).sum(axis=-1)], axis=-1)


def _normal_statistics(sums: Sums, pooled: float, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b 2"]:
    """Draw both statistics for normal rates without differences that have the observed errors and correlations."""
    groups = np.arange(len(sums.n))
    first, second = np.triu_indices(len(groups), 1)
    error = np.sqrt(np.maximum(sums.variances(pooled, groups), 1e-12))
    correlation = np.eye(len(groups))
    correlation[first, second] = correlation[second, first] = sums.correlations(first, second)
    covariance = correlation * np.outer(error, error)
    rates = error * correlated_normal(correlation, draws, rng)
    between = np.sqrt(np.maximum(error[first] ** 2 + error[second] ** 2 - 2 * covariance[first, second], 1e-12))
    at_once = max(1, _CELLS // len(first))
    parts = [rates[start : start + at_once] for start in range(0, draws, at_once)]
    widest = np.concatenate([(np.abs(part[:, first] - part[:, second]) / between).max(axis=1) for part in parts])
    centre = np.average(rates, axis=1, weights=1 / error**2, keepdims=True)
    return np.stack([widest, (((rates - centre) / error) ** 2).sum(axis=1)], axis=1)


def clustered_p(sums: Sums, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """Two-sided p of the difference of two rates, for `m` comparisons at once, by Student's t with Satterthwaite's approximation."""
    pooled = (sums.e[first] + sums.e[second]) / (sums.n[first] + sums.n[second])
    t, freedom = standardized_differences(sums, pooled, first, second)
    return np.asarray(np.minimum(1.0, 2 * stdtr(freedom, -np.abs(t))))
