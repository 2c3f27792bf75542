"""What is expected by chance where images come in clusters: clusters, or a cluster's groups, are shuffled whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import factorial, prod
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import stdtr

from audit.statistics.most_significant import drawn_errors, max_standardized_difference, most_significant_pair
from audit.statistics.resampling import exceedance_p, shuffled_tables, spread_of_rates
from audit.statistics.units.clusters import ClusterTable

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_CELLS = 1 << 22
_TOGETHER = 1.0
"""Kinds times places a cluster, up to which clusters of one kind are dealt together."""
_ARRANGEMENTS = 720
"""Up to this many ways to arrange the groups of equal clusters, all are listed and drawn together."""

Blocks = tuple[tuple[int, int], ...]
"""Events and images of a cluster in each of its groups."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class ClusteredGap:
    """A gap against shuffled clusters."""

    gap: float
    p: float
    """As in `GapNull`: of the most significant pair."""
    most_significant: tuple[int, int]
    null_mean: float
    null_95: float
    shuffled: Literal["clusters between groups", "groups within clusters"]


def clustered_gap_test(table: ClusterTable, draws: int, rng: np.random.Generator) -> ClusteredGap:
    """Permutation test of "no two groups differ" by their most significant pair that keeps clusters whole; the gap with its null.

    Clusters that lie in one group each, such as people, are dealt to the groups anew: as many clusters to each group as before. Where
    most images lie in clusters that span groups, such as counterfactual sets, each cluster's groups are exchanged, all images of a group
    together: they need not be independent; and where clusters span other groups than each other, as pictures of one person do in race x
    pose, clusters with as many groups are dealt to each other's groups first. Of clusters of the first sort that span groups, each part
    is dealt by itself: that errs on the side of no alarm.
    """
    spanning = (table.n > 0).sum(axis=1) > 1
    images = table.count * table.n.sum(axis=1)
    within = images[spanning].sum() * 2 >= images.sum()
    drawn = _within(table, draws, rng) if within else _between(table, draws, rng)
    events, n = table.totals
    rates, null, errors = events / n, spread_of_rates(drawn), drawn_errors(drawn)
    how: Literal["clusters between groups", "groups within clusters"] = "groups within clusters" if within else "clusters between groups"
    p = exceedance_p(max_standardized_difference(drawn, errors), float(max_standardized_difference(rates, errors)))
    ends = most_significant_pair(rates, errors)
    return ClusteredGap(float(np.ptp(rates)), p, ends, float(null.mean()), float(np.quantile(null, 0.95)), how)


def _between(table: ClusterTable, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b g"]:
    kind, group = np.nonzero(table.n)
    parts, place = np.unique(np.column_stack([table.events[kind, group], table.n[kind, group]]), axis=0, return_inverse=True)
    dealt = np.zeros((len(parts), table.n.shape[1]), np.int64)
    np.add.at(dealt, (place.ravel(), group), table.count[kind])
    margins = dealt.sum(axis=1), dealt.sum(axis=0)
    at_once = max(1, _CELLS // dealt.size)
    rates = []
    for start in range(0, draws, at_once):
        tables = shuffled_tables(*margins, min(at_once, draws - start), rng)
        events, n = parts.T[:, None, None, :].astype(float) @ tables[None]
        rates.append(events[:, 0] / n[:, 0])
    return np.concatenate(rates)


def _within(table: ClusterTable, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b g"]:
    # Only which groups a cluster has, and what it has in them in any order, matters for how its groups can be exchanged.
    kinds: Counter[tuple[tuple[int, ...], Blocks]] = Counter()
    for events, n, count in zip(table.events.tolist(), table.n.tolist(), table.count.tolist(), strict=True):
        groups = tuple(group for group, images in enumerate(n) if images)
        kinds[groups, tuple(sorted((events[group], n[group]) for group in groups))] += count
    total = np.zeros((2, draws, table.n.shape[1]))
    for size in sorted({len(where) for where, _ in kinds}):
        places = sorted({where for where, _ in kinds if len(where) == size})
        lots = sorted({blocks for _, blocks in kinds if len(blocks) == size})
        counts = np.array([[kinds[where, blocks] for where in places] for blocks in lots])
        if len(places) > 1 and counts.size > _TOGETHER * counts.sum():
            total += _scattered(lots, places, counts, total.shape, rng)
            continue
        there = np.zeros((len(places), size, table.n.shape[1]))
        there[np.arange(len(places))[:, None], np.arange(size), np.array(places)] = 1
        for drawn, often in _dealt(counts, draws, rng):
            together = max(1, _CELLS // max(1, len(often) * _ARRANGEMENTS))
            for (lot, blocks), start in product(enumerate(lots), range(0, len(places), together)):
                some = often[:, lot, start : start + together]
                sums = _exchanged(blocks, some.ravel(), int(counts[lot].sum()), rng)
                to = there[start : start + together].reshape(-1, table.n.shape[1])
                total[:, drawn] += sums.reshape(2, len(some), -1) @ to
    return np.asarray(total[0] / total[1])


def _dealt(counts: Int[np.ndarray, "l p"], draws: int, rng: np.random.Generator) -> Iterator[tuple[slice, Int[np.ndarray, "b l p"]]]:
    """Deal clusters of some kinds to places, as many to each place as before; draws by draws, with how many of each kind are where."""
    if counts.shape[1] == 1:
        yield slice(0, draws), np.broadcast_to(counts, (draws, *counts.shape))
        return
    margins = counts.sum(axis=1), counts.sum(axis=0)
    at_once = max(1, _CELLS // counts.size)
    for start in range(0, draws, at_once):
        end = min(start + at_once, draws)
        yield slice(start, end), shuffled_tables(*margins, end - start, rng)


def _scattered(
    lots: Sequence[Blocks], places: Sequence[tuple[int, ...]], counts: Int[np.ndarray, "l p"], shape: Shape, rng: np.random.Generator
) -> Float[np.ndarray, "2 b g"]:
    """Deal and arrange clusters one by one: where nearly each lies in groups of its own, there is little to count together."""
    clusters, size = int(counts.sum()), len(places[0])
    blocks = np.repeat(np.array(lots, float), counts.sum(axis=1), axis=0)
    where = np.repeat(np.array(places), counts.sum(axis=0), axis=0)
    groups = np.zeros((where.size, shape[2]))
    groups[np.arange(where.size), where.ravel()] = 1
    total = np.zeros(shape)
    at_once = max(1, _CELLS // blocks.size)
    for start in range(0, shape[1], at_once):
        draws = min(at_once, shape[1] - start)
        lot = rng.permuted(np.broadcast_to(np.arange(clusters), (draws, clusters)), axis=1)
        block = rng.permuted(np.broadcast_to(np.arange(size), (draws, clusters, size)), axis=2)
        dealt = blocks[lot[..., None], block].reshape(draws, where.size, 2)
        total[:, start : start + draws] = np.moveaxis(dealt, 2, 0) @ groups
    return total


def _exchanged(blocks: Blocks, often: Int[np.ndarray, "b"], clusters: int, rng: np.random.Generator) -> Float[np.ndarray, "2 b s"]:
    """Arrange the blocks of so many equal clusters, in each draw, at random; sums over the clusters of events and of images."""
    numbers = Counter(blocks)
    different, times = np.array(list(numbers)), tuple(numbers.values())
    ways = factorial(len(blocks)) // prod(map(factorial, times))
    if ways <= min(_ARRANGEMENTS, 16 * clusters):
        each = rng.multinomial(often, np.full(ways, 1 / ways)).astype(float)
        return np.stack([each @ different[_listed(times), part] for part in (0, 1)])
    order = np.repeat(np.arange(len(different)), times)
    total = np.zeros((2, len(often), len(blocks)))
    for done in range(int(often.max())):
        there = np.flatnonzero(often > done)
        place = rng.permuted(np.broadcast_to(order, (len(there), len(order))), axis=1)
        total[:, there] += np.moveaxis(different[place], 2, 0)
    return total


@cache
def _listed(numbers: tuple[int, ...]) -> Int[np.ndarray, "w s"]:
    return np.array(list(_arrangements(numbers)))


def _arrangements(numbers: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Give every order of things of which there are `numbers` equal ones each."""
    if not any(numbers):
        yield ()
    for place, number in enumerate(numbers):
        if number:
            for rest in _arrangements((*numbers[:place], number - 1, *numbers[place + 1 :])):
                yield (place, *rest)


def clustered_p(table: ClusterTable, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """Two-sided p of the difference of two groups' rates, for `m` comparisons at once; 1 where no cluster tells them apart.

    The score test with the variance between clusters: what each cluster adds to the difference when both groups have their pooled rate,
    against Student's t with one degree of freedom less than the clusters of the group that has fewer.

    References
    ----------
    Boos 1992, On generalized score tests, https://doi.org/10.1080/00031305.1992.10475921
    """
    events, n = table.totals
    hits, weight = table.events / np.maximum(n, 1), table.n / np.maximum(n, 1)
    pooled = (events[first] + events[second]) / (n[first] + n[second])
    squares, cross, weights = (_moments(table, *pair, first, second) for pair in ((hits, hits), (hits, weight), (weight, weight)))
    variance = squares - 2 * pooled * cross + pooled**2 * weights
    present = (table.n > 0).astype(float)
    common = present.T @ (table.count[:, None] * present)
    clusters = common[first, first] + common[second, second] - common[first, second]
    variance *= clusters / np.maximum(clusters - 1, 1)
    difference = np.abs(events[first] / n[first] - events[second] / n[second])
    freedom = np.maximum(np.minimum(common[first, first], common[second, second]) - 1, 1)
    known = variance > 1e-20
    t = difference / np.sqrt(np.where(known, variance, 1.0))
    return np.where(known, np.minimum(1.0, 2 * stdtr(freedom, -t)), 1.0)


def _moments(
    table: ClusterTable, a: Float[np.ndarray, "c g"], b: Float[np.ndarray, "c g"], first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]
) -> Float[np.ndarray, "m"]:
    """Return the sum over clusters of (a_first - a_second)(b_first - b_second)."""
    product: np.ndarray = a.T @ (table.count[:, None] * b)
    own = product[first, first] + product[second, second]
    return np.asarray(own - product[first, second] - product[second, first])
