"""Shuffled tables of clusters: whole clusters are reassigned to groups, and the groups within each cluster are exchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import factorial, prod
from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.draws import multinomial
from audit.statistics.resampling import shuffled_tables
from audit.statistics.units.cluster_sums import Sums, products, sums_of_products, unpacked
from audit.statistics.units.clusters import ClusterTable

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from scipy.sparse import csr_array

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
        dealt = self._kinds(size, rng) if self.together else self._one_by_one(size, rng)
        return dealt.reshape(size, -1)

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
        dealt = lots[order[..., None], turned]
        if clusters < _FEW_AT_A_PLACE * len(starts):
            return np.asarray(np.add.reduceat(products(dealt), starts, axis=1))
        return np.stack([sums_of_products(part) for part in np.split(dealt, starts[1:], axis=1)], axis=1)


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
