"""Many gaps at once: one shuffle of the group labels for all of them, so that their dependence is the data's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.most_significant import max_standardized_difference, sampling_errors
from audit.statistics.resampling import dealt_one_by_one, exceedance_p, shuffled_labels, shuffled_tables, spread_of_rates

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

_CELLS = 1 << 22
"""Cells of shuffled tables that are held at once: 32 MB."""
_EXACT = 1 << 24
_MOST_KEPT = 1 << 26
"""Labels of all shuffles that are kept for the next question: 64 MB."""


@dataclass(frozen=True)
class Patterns:
    """Images by what they are to each of several rates, and by group: all that a shuffle of the group labels needs to know."""

    table: Int[np.ndarray, "r g"]
    """Images of each pattern in each group."""
    counted: Bool[np.ndarray, "r m"]
    """Whether an image of the pattern counts for the rate."""
    events: Bool[np.ndarray, "r m"]
    """Whether it is an event of the rate; an event counts."""


@dataclass(frozen=True)
class MaxT:
    """Gaps, with p-values that hold for all rates together."""

    gap: Float[np.ndarray, "m"]
    """NaN where fewer than two groups can be estimated."""
    p: Float[np.ndarray, "m"]
    """Each rate by itself."""
    p_adjusted: Float[np.ndarray, "m"]
    """The chance that any rate of a family without differences stands out like this one, step-down."""
    null_mean: Float[np.ndarray, "m"]
    null_95: Float[np.ndarray, "m"]
    """Mean and 95 % point of the gap under shuffled labels."""


def patterns(
    events: Bool[np.ndarray, "n m"],
    counted: Bool[np.ndarray, "n m"] | None,
    codes: Int[np.ndarray, "n"],
    groups: int,
    weight: Int[np.ndarray, "n"] | None = None,
) -> Patterns:
    """Collect images that are alike for every rate.

    `events` says whether image `i` is an event of rate `j`, `counted` whether it counts for it (None: always), `codes` its group, and
    `weight` how many images a row stands for (None: one).

    Examples
    --------
    >>> found = patterns(np.array([[True], [True], [False]]), None, np.array([0, 1, 1]), 2)
    >>> found.events.tolist(), found.table.tolist()
    ([[False], [True]], [[0, 1], [1, 1]])
    """
    counted = np.ones_like(events) if counted is None else counted
    both, place = np.unique(np.packbits(np.hstack([counted, events & counted]), axis=1), axis=0, return_inverse=True)
    flags = np.unpackbits(both, axis=1, count=2 * events.shape[1]).astype(bool)
    table = np.bincount(place.ravel() * groups + codes, weight, minlength=len(both) * groups).astype(np.int64)
    return Patterns(table.reshape(len(both), groups), *np.split(flags, 2, axis=1))


def max_t(found: Patterns, fewest: int, draws: int, rng: np.random.Generator) -> MaxT:
    """Test many rates together by the one whose groups differ most, on one and the same shuffle of the group labels.

    A group needs `fewest` counted images to take part in a rate's gap. The p of a rate is that of `gap_test`. Rates are compared in
    standard deviations of their own null, since two points mean more at a rate of one in a hundred than at one in two. Cost: patterns x
    groups x draws, whatever the number of images.

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing, algorithm 4.1 (step-down max-T)

    Examples
    --------
    Two rates over two groups of 100: .9 against .5, and .5 against .5, independent of each other.

    >>> table = np.array([[45, 25], [45, 25], [5, 25], [5, 25]])
    >>> events = np.array([[True, True], [True, False], [False, True], [False, False]])
    >>> tested = max_t(Patterns(table, np.ones((4, 2), bool), events), 30, 999, np.random.default_rng(0))
    >>> tested.gap.round(3).tolist(), tested.p_adjusted.tolist()
    ([0.4, 0.0], [0.001, 1.0])
    """
    compared = found.counted.T.astype(int) @ found.table >= max(fewest, 2)

    errors = sampling_errors(np.maximum(found.table.sum(axis=0), 1))

    def gaps_and_differences(tables: Int[np.ndarray, "b r g"]) -> Float[np.ndarray, "b 2 m"]:
        rates = np.where(compared, _rates(found, tables), np.nan)
        return np.stack([np.nan_to_num(spread_of_rates(rates)), max_standardized_difference(rates, errors)], axis=1)

    (gap, clear), drawn = gaps_and_differences(found.table[None])[0], _shuffled(found, gaps_and_differences, draws, rng)
    null, clear_null = drawn[:, 0], drawn[:, 1]
    testable = compared.sum(axis=1) > 1
    scale = clear_null.std(axis=0)
    t, t_star = ((values - clear_null.mean(axis=0)) / np.where(scale > 0, scale, 1.0) for values in (clear, clear_null))
    p, p_adjusted = np.ones(len(gap)), np.ones(len(gap))
    p[testable] = [exceedance_p(clear_null[:, j], clear[j]) for j in np.flatnonzero(testable)]
    p_adjusted[testable] = _step_down(t[testable], t_star[:, testable])
    return MaxT(np.where(testable, gap, np.nan), p, p_adjusted, null.mean(axis=0), np.quantile(null, 0.95, axis=0))


class LabelShuffles:
    """Shuffled group labels, which questions about groups of the same sizes share.

    `source` returns a generator that depends on what it is for: `audit.statistics.null.generator` with a seed.
    """

    def __init__(self, source: Callable[[str], np.random.Generator]):
        self._source = source
        self._kept: dict[tuple[tuple[int, ...], int], Int[np.ndarray, "b n"]] = {}

    def parts(self, sizes: Int[np.ndarray, "g"], counts: list[int]) -> Iterator[Int[np.ndarray, "b n"]]:
        """Give so many shuffles at a time. They depend on sizes and source, not on who asked before; too many to keep, on the parts too."""
        names, draws = tuple(sizes.tolist()), sum(counts)
        rng = self._source(f"labels of {names}")
        if draws * sum(names) > _MOST_KEPT:
            yield from (shuffled_labels(sizes, count, rng) for count in counts)
            return
        if (names, draws) not in self._kept:
            self._kept[names, draws] = shuffled_labels(sizes, draws, rng)
        yield from np.split(self._kept[names, draws], np.cumsum(counts)[:-1])


def median_gap_p(
    found: Patterns, default: int, fewest: int, draws: int, rng: np.random.Generator, shuffles: LabelShuffles
) -> tuple[float, float] | None:
    """Return median and p, over the rates, of the difference between the extreme groups of the rate `default`.

    Each shuffle of the group labels is put through every specification and picks its own two groups: groups picked for their distance
    are always some distance apart, and the null must be allowed the same. A rate that one of the two groups lacks takes no part. None
    where fewer than two groups have `fewest` counted images. Where nearly each image is a pattern of its own the labels are taken from
    `shuffles`, else tables are drawn from `rng`.
    """
    compared = found.counted[:, default].astype(int) @ found.table >= max(fewest, 2)
    if compared.sum() < 2:
        return None

    groups = np.flatnonzero(compared)

    def of_tables(tables: Int[np.ndarray, "b r g"]) -> Float[np.ndarray, "b"]:
        rates = _rates(found, tables)[..., groups]
        ends = np.take_along_axis(rates, _extremes(rates[:, default])[:, None], axis=2)
        return _medians(ends[..., 0] - ends[..., 1])

    observed = float(of_tables(found.table[None])[0])
    margins = found.table.sum(axis=1), found.table.sum(axis=0)
    if not dealt_one_by_one(*margins):
        return observed, exceedance_p(_shuffled(found, of_tables, draws, rng), observed)
    dealt = _Dealt.of(found)
    parts = shuffles.parts(margins[1], _parts(found, draws))
    return observed, exceedance_p(np.concatenate([dealt.medians(part, default, groups) for part in parts]), observed)


def _extremes(rates: Float[np.ndarray, "b g"]) -> Int[np.ndarray, "b 2"]:
    """Return the groups with the highest and the lowest rate; as `metrics.extremes` of equals the first and the last."""
    undefined = np.isnan(rates)
    highest = np.where(undefined, -1.0, rates).argmax(axis=1)
    lowest = rates.shape[1] - 1 - np.where(undefined, 2.0, rates)[:, ::-1].argmin(axis=1)
    return np.stack([highest, lowest], axis=1)


def _medians(differences: Float[np.ndarray, "b m"]) -> Float[np.ndarray, "b"]:
    """Return the median of the rates that both groups have; 0 without any."""
    differences[~np.isfinite(differences).any(axis=1)] = 0.0
    return np.asarray(np.nanmedian(differences, axis=1))


@dataclass(frozen=True)
class _Dealt:
    """Images one by one, in the order of their patterns: what labels are dealt to where nearly each image is a pattern of its own."""

    events: Float[np.ndarray, "n m"]
    counted: Float[np.ndarray, "n m"]
    sizes: Int[np.ndarray, "g"] | None
    """Of the groups, where every image counts for every rate."""
    width: int
    """Groups."""

    @classmethod
    def of(cls, found: Patterns) -> _Dealt:
        often, exact = found.table.sum(axis=1), _exact(found)
        events, counted = (np.repeat(each, often, axis=0).astype(exact) for each in (found.events, found.counted))
        return cls(events, counted, found.table.sum(axis=0) if found.counted.all() else None, found.table.shape[1])

    def medians(self, labels: Int[np.ndarray, "b n"], default: int, groups: Int[np.ndarray, "h"]) -> Float[np.ndarray, "b"]:
        """Return the median difference of each shuffle: only the two groups that it picks by `default` meet every rate."""
        n = self._by_group(labels, self.counted[:, default]) if self.sizes is None else self.sizes
        pair = groups[_extremes(_ratio(self._by_group(labels, self.events[:, default]), n)[:, groups])]
        high, low = (self._rates_of(labels, ends[:, None]) for ends in pair.T)
        return _medians(high - low)

    def _by_group(self, labels: Int[np.ndarray, "b n"], which: Float[np.ndarray, "n"]) -> Int[np.ndarray, "b g"]:
        """Count some of the images by group, in each shuffle."""
        place = labels[:, np.flatnonzero(which)] + np.arange(0, len(labels) * self.width, self.width)[:, None]
        return np.bincount(place.ravel(), minlength=len(labels) * self.width).reshape(-1, self.width)

    def _rates_of(self, labels: Int[np.ndarray, "b n"], group: Int[np.ndarray, "b 1"]) -> Float[np.ndarray, "b m"]:
        """Return all rates of one group of each shuffle."""
        inside = (labels == group).astype(self.events.dtype)
        return _ratio(inside @ self.events, inside @ self.counted if self.sizes is None else self.sizes[group])


def _exact(found: Patterns) -> type[np.floating]:
    """Return the number format of sums: whole numbers below 2^24 are exact in single precision, which takes half the time."""
    return np.float32 if found.table.sum() < _EXACT else np.float64


def _ratio(events: np.ndarray, n: np.ndarray) -> Float[np.ndarray, "*b"]:
    return np.asarray(np.where(n > 0, events.astype(float) / np.maximum(n, 1), np.nan))


def _rates(found: Patterns, tables: Int[np.ndarray, "b r g"]) -> Float[np.ndarray, "b m g"]:
    """Return the rates of some tables; NaN where a shuffle leaves a group without a counted image."""
    exact = tables.astype(_exact(found))
    events = found.events.T.astype(exact.dtype) @ exact
    # Where every image counts for every rate, a shuffle leaves the groups' sizes as they are.
    return _ratio(events, found.table.sum(axis=0) if found.counted.all() else found.counted.T.astype(exact.dtype) @ exact)


def _shuffled(
    found: Patterns, statistic: Callable[[Int[np.ndarray, "b r g"]], np.ndarray], draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a statistic of shuffled tables: images of each pattern dealt to groups of the same sizes."""
    margins = found.table.sum(axis=1), found.table.sum(axis=0)
    return np.concatenate([statistic(shuffled_tables(*margins, part, rng)) for part in _parts(found, draws)])


def _parts(found: Patterns, draws: int) -> list[int]:
    """Return how many shuffles are held at once; the stream depends on it."""
    at_once = max(1, _CELLS // found.table.size)
    return [min(at_once, draws - start) for start in range(0, draws, at_once)]


def _step_down(t: Float[np.ndarray, "m"], t_star: Float[np.ndarray, "b m"]) -> Float[np.ndarray, "m"]:
    """Compare each gap with the largest of itself and those below it; a smaller gap never gets a smaller p."""
    order = np.argsort(-t, kind="stable")
    largest = np.maximum.accumulate(t_star[:, order[::-1]], axis=1)[:, ::-1]
    stepped = np.maximum.accumulate([exceedance_p(largest[:, i], t[j]) for i, j in enumerate(order)])
    adjusted = np.empty(len(t))
    adjusted[order] = stepped
    return adjusted
