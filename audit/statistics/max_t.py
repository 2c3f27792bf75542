"""Many gaps at once: all share the same shuffles of the group labels, which preserves their dependence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import tee
from typing import TYPE_CHECKING

import numpy as np

from audit.embedding.cores import on_all_cores
from audit.statistics.most_significant import difference_chance, max_standardized_difference, sampling_errors
from audit.statistics.resampling import exceedance_p, sequential_p, shuffled_labels, shuffled_tables, spread_of_rates

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

_CELLS = 1 << 22
"""Cells of shuffled tables held in memory at once: 32 MB."""
_EXACT = 1 << 24
_AT_ONCE = 64
"""Maximum number of label shuffles held in memory at once."""
_MOST_HELD = 1 << 24
"""Maximum number of labels held in memory at once, over all shuffles: 16 MB."""
_MOST_KEPT = 1 << 26
"""Maximum number of labels, over all shuffles, that are cached for the next question: 64 MB."""
_ROWS = 1 << 16
"""Images per block when all rates are evaluated numerically."""


@dataclass(frozen=True)
class Patterns:
    """Images grouped by their role in each of several rates, and by group: all that a shuffle of the group labels needs."""

    table: Int[np.ndarray, "r g"]
    """Number of images of each pattern in each group."""
    counted: Bool[np.ndarray, "r m"]
    """Whether an image of the pattern counts for the rate."""
    events: Bool[np.ndarray, "r m"]
    """Whether it is an event of the rate (events always count)."""


@dataclass(frozen=True)
class MaxT:
    """Gaps, with p-values adjusted over all rates."""

    gap: Float[np.ndarray, "m"]
    """NaN if fewer than two groups can be estimated."""
    p: Float[np.ndarray, "m"]
    """For each rate by itself."""
    p_adjusted: Float[np.ndarray, "m"]
    """Probability that any rate of a family without differences deviates this much, step-down."""
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
    """Group images that are alike for every rate.

    `events` says whether image `i` is an event of rate `j`, `counted` whether it counts for it (None: always), `codes` is its group, and
    `weight` the number of images that a row represents (None: one).

    Examples
    --------
    >>> found = patterns(np.array([[True], [True], [False]]), None, np.array([0, 1, 1]), 2)
    >>> found.events.tolist(), found.table.tolist()
    ([[False], [True]], [[0, 1], [1, 1]])
    """
    counted = np.ones_like(events) if counted is None else counted
    both, inverse = np.unique(np.packbits(np.hstack([counted, events & counted]), axis=1), axis=0, return_inverse=True)
    flags = np.unpackbits(both, axis=1, count=2 * events.shape[1]).astype(bool)
    table = np.bincount(inverse.ravel() * groups + codes, weight, minlength=len(both) * groups).astype(np.int64)
    return Patterns(table.reshape(len(both), groups), *np.split(flags, 2, axis=1))


def max_t(patterns: Patterns, fewest: int, draws: int, rng: np.random.Generator) -> MaxT:
    """Test many rates together by the one whose groups differ most, with the same shuffles of the group labels for all.

    A group needs `fewest` counted images to be included in a rate's gap. The p of a rate is that of `gap_test`. Rates are compared in
    standard deviations of their own null distribution, since two points mean more at a rate of one in a hundred than at one in two. Cost:
    patterns x groups x draws, regardless of the number of images.

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing, algorithm 4.1 (step-down max-T)

    Examples
    --------
    Two rates over two groups of 100: .9 and .5, and .5 and .5, independent of each other.

    >>> table = np.array([[45, 25], [45, 25], [5, 25], [5, 25]])
    >>> events = np.array([[True, True], [True, False], [False, True], [False, False]])
    >>> tested = max_t(Patterns(table, np.ones((4, 2), bool), events), 30, 999, np.random.default_rng(0))
    >>> tested.gap.round(3).tolist(), tested.p_adjusted.tolist()
    ([0.4, 0.0], [0.001, 1.0])
    """
    compared = patterns.counted.T.astype(int) @ patterns.table >= max(fewest, 2)

    errors = sampling_errors(np.maximum(patterns.table.sum(axis=0), 1))

    def gaps_and_differences(tables: Int[np.ndarray, "b r g"]) -> Float[np.ndarray, "b 2 m"]:
        rates = np.where(compared, _rates(patterns, tables), np.nan)
        return np.stack([np.nan_to_num(spread_of_rates(rates)), max_standardized_difference(rates, errors)], axis=1)

    (gap, clear), drawn = gaps_and_differences(patterns.table[None])[0], _shuffled(patterns, gaps_and_differences, draws, rng)
    null, clear_null = drawn[:, 0], drawn[:, 1]
    testable = compared.sum(axis=1) > 1
    mean, scale = _null_moments(clear_null, patterns, compared)
    t, t_star = ((values - mean) / np.where(scale > 0, scale, 1.0) for values in (clear, clear_null))
    p, p_adjusted = np.ones(len(gap)), np.ones(len(gap))
    p[testable] = [exceedance_p(clear_null[:, j], clear[j]) for j in np.flatnonzero(testable)]
    p_adjusted[testable] = _step_down(t[testable], t_star[:, testable])
    return MaxT(np.where(testable, gap, np.nan), p, p_adjusted, null.mean(axis=0), np.quantile(null, 0.95, axis=0))


def _null_moments(
    null: Float[np.ndarray, "b m"], patterns: Patterns, compared: Bool[np.ndarray, "m g"]
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """Mean and standard deviation under the null; rates with the same null distribution share those of all their draws.

    Otherwise they would differ slightly, which would break ties between shuffles that are equally extreme.
    """
    counted, events = (patterns.table.sum(axis=1) @ flags for flags in (patterns.counted, patterns.events))
    margins = np.column_stack([counted, np.minimum(events, counted - events), compared])
    alike = np.unique(margins, axis=0, return_inverse=True)[1].ravel()

    def together(values: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        return np.asarray((np.bincount(alike, values) / np.bincount(alike))[alike])

    mean = together(null.mean(axis=0))
    return mean, np.sqrt(together(((null - mean) ** 2).mean(axis=0)))


class LabelShuffles:
    """Shuffled group labels, shared by questions about groups of the same sizes.

    `source` returns a generator for a given name: `audit.statistics.null.generator` with a seed.
    """

    def __init__(self, source: Callable[[str], np.random.Generator]):
        self._source = source
        self._kept: dict[tuple[int, ...], Iterator[Int[np.ndarray, "b n"]]] = {}

    def parts(self, sizes: Int[np.ndarray, "g"], draws: int) -> Iterator[Int[np.ndarray, "b n"]]:
        """Yield the first `draws` shuffles in blocks, on demand: the same ones for all callers with groups of these sizes."""
        names, images = tuple(sizes.tolist()), int(sizes.sum())
        at_once = min(_AT_ONCE, max(1, _MOST_HELD // max(images, 1)))

        def made() -> Iterator[Int[np.ndarray, "b n"]]:
            rng = self._source(f"labels of {names}")
            while True:
                yield shuffled_labels(sizes, at_once, rng)

        parts = made()
        if draws * images <= _MOST_KEPT:  # the cached iterator stays at the start, and shares the blocks that any caller has computed
            self._kept[names], parts = tee(self._kept.get(names, parts))
        for start, part in zip(range(0, draws, at_once), parts):  # noqa: B905  (the parts never end)
            yield part[: draws - start]


class Wordings:
    """The role of each image in the same rate under several specifications, and its group.

    `events` says whether image `i` is an event of rate `j`, `counted` whether it counts for it, `codes` is its group.
    """

    def __init__(self, events: Bool[np.ndarray, "n m"], counted: Bool[np.ndarray, "n m"], codes: Int[np.ndarray, "n"]):
        always = bool(counted.all())
        # Sorted by role, so that the order of the images changes nothing.
        order = np.lexsort(_words(events if always else np.hstack([counted, events & counted])))
        self.events = (events if always else events & counted)[order]
        self.counted = None if always else counted[order]
        """None if every image counts for every rate."""
        self.codes = codes[order]
        self.sizes = np.bincount(codes)
        """Sizes of the groups."""

    def medians(self, labels: Int[np.ndarray, "b n"], default: int, groups: Int[np.ndarray, "h"]) -> Float[np.ndarray, "b"]:
        """Median difference under each labelling: all rates are evaluated only for the two of `groups` that `default` selects."""
        rates = _ratio(self._by_group(labels, self.events[:, default]), self.counted_in(labels, default))
        pair = groups[_extremes(rates[:, groups])]
        events = self._in_pair(labels, pair, self.events)
        of = self.sizes[pair][:, :, None] if self.counted is None else self._in_pair(labels, pair, self.counted)
        ends = _ratio(events, of)
        return _medians(ends[:, 0] - ends[:, 1])

    def counted_in(self, labels: Int[np.ndarray, "b n"], rate: int) -> Int[np.ndarray, "b g"]:
        """Number of images of each group that count for a rate, under each labelling."""
        return np.tile(self.sizes, (len(labels), 1)) if self.counted is None else self._by_group(labels, self.counted[:, rate])

    def _by_group(self, labels: Int[np.ndarray, "b n"], which: Bool[np.ndarray, "n"]) -> Int[np.ndarray, "b g"]:
        """Number of selected images by group, under each labelling."""
        return np.stack([np.bincount(labelling, minlength=len(self.sizes)) for labelling in labels[:, np.flatnonzero(which)]])

    @staticmethod
    def _in_pair(
        labels: Int[np.ndarray, "b n"], pair: Int[np.ndarray, "b 2"], which: Bool[np.ndarray, "n m"]
    ) -> Float[np.ndarray, "b 2 m"]:
        """Number of selected images in two groups of each labelling, for every rate."""
        counts = np.zeros((len(labels), 2, which.shape[1]))
        for start in range(0, len(which), _ROWS):  # whole numbers below 2^24 are exact in single precision
            rows = slice(start, start + _ROWS)
            inside = (labels[:, None, rows] == pair[:, :, None]).reshape(2 * len(labels), -1).astype(np.float32)
            counts += (inside @ which[rows].astype(np.float32)).reshape(counts.shape)
        return counts


def median_gap_p(answers: Wordings, default: int, fewest: int, draws: int, shuffles: LabelShuffles) -> tuple[float, float] | None:
    """Median over the rates of the difference between the extreme groups of the rate `default`, and its p.

    Each shuffle of the group labels is evaluated for every specification and selects its own two groups: groups selected for their
    difference always differ, and the null distribution must allow for that. A rate that is undefined in one of the two groups is ignored.
    None if fewer than two groups have `fewest` counted images. Of at most `draws` shuffles only as many are made as `sequential_p` needs;
    none if an upper bound of the probability (`_median_chance`) is below the smallest p of so many shuffles: then that is p.
    """
    as_given = answers.codes[None]
    groups = np.flatnonzero(answers.counted_in(as_given, default)[0] >= max(fewest, 2))
    if len(groups) < 2:
        return None
    observed = float(answers.medians(as_given, default, groups)[0])
    if _median_chance(answers, observed, groups) <= 1 / (draws + 1):
        return observed, 1 / (draws + 1)
    medians = on_all_cores(lambda labels: answers.medians(labels, default, groups), shuffles.parts(answers.sizes, draws))
    return observed, sequential_p(medians, observed)


def _median_chance(answers: Wordings, observed: float, groups: Int[np.ndarray, "h"]) -> float:
    """Bound the probability that shuffles reach this median: at least half of the rates then differ as much between some two groups.

    So the probability is at most twice the mean of theirs over the rates (Markov). 1 if some image does not count for some rate.
    """
    if observed <= 0 or answers.counted is not None:
        return 1.0
    chance = difference_chance(observed, answers.events.sum(axis=0), answers.sizes[groups], len(answers.codes))
    return 2 * float(np.minimum(chance, 1.0).mean())


def _extremes(rates: Float[np.ndarray, "b g"]) -> Int[np.ndarray, "b 2"]:
    """The groups with the highest and the lowest rate; as in `metrics.extremes`, of equals the first and the last."""
    undefined = np.isnan(rates)
    highest = np.where(undefined, -1.0, rates).argmax(axis=1)
    lowest = rates.shape[1] - 1 - np.where(undefined, 2.0, rates)[:, ::-1].argmin(axis=1)
    return np.stack([highest, lowest], axis=1)


def _medians(differences: Float[np.ndarray, "b m"]) -> Float[np.ndarray, "b"]:
    """Median over the rates that both groups have; 0 without any."""
    differences[~np.isfinite(differences).any(axis=1)] = 0.0
    return np.asarray(np.nanmedian(differences, axis=1))


def _words(flags: Bool[np.ndarray, "n m"]) -> Int[np.ndarray, "w n"]:
    """The flags of each row as 64-bit integers, which sort far faster than rows."""
    packed = np.packbits(flags, axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64).T


def _exact(patterns: Patterns) -> type[np.floating]:
    """Number format for sums: integers below 2^24 are exact in single precision, which takes half the time."""
    return np.float32 if patterns.table.sum() < _EXACT else np.float64


def _ratio(events: np.ndarray, n: np.ndarray) -> Float[np.ndarray, "*b"]:
    return np.asarray(np.where(n > 0, events.astype(float) / np.maximum(n, 1), np.nan))


def _rates(patterns: Patterns, tables: Int[np.ndarray, "b r g"]) -> Float[np.ndarray, "b m g"]:
    """The rates of some tables; NaN if a shuffle leaves a group without a counted image."""
    exact = tables.astype(_exact(patterns))
    events = patterns.events.T.astype(exact.dtype) @ exact
    # If every image counts for every rate, shuffles do not change the group sizes.
    return _ratio(events, patterns.table.sum(axis=0) if patterns.counted.all() else patterns.counted.T.astype(exact.dtype) @ exact)


def _shuffled(
    patterns: Patterns, statistic: Callable[[Int[np.ndarray, "b r g"]], np.ndarray], draws: int, rng: np.random.Generator
) -> np.ndarray:
    """A statistic of shuffled tables: images of each pattern are assigned to groups of the same sizes."""
    margins = patterns.table.sum(axis=1), patterns.table.sum(axis=0)
    return np.concatenate([statistic(shuffled_tables(*margins, part, rng)) for part in _parts(patterns, draws)])


def _parts(patterns: Patterns, draws: int) -> list[int]:
    """Sizes of the blocks of shuffles; the random stream depends on it."""
    at_once = max(1, _CELLS // patterns.table.size)
    return [min(at_once, draws - start) for start in range(0, draws, at_once)]


def _step_down(t: Float[np.ndarray, "m"], t_star: Float[np.ndarray, "b m"]) -> Float[np.ndarray, "m"]:
    """Compare each gap with the largest of itself and those below it; a smaller gap never gets a smaller p."""
    order = np.argsort(-t, kind="stable")
    largest = np.maximum.accumulate(t_star[:, order[::-1]], axis=1)[:, ::-1]
    stepped = np.maximum.accumulate([exceedance_p(largest[:, i], t[j]) for i, j in enumerate(order)])
    adjusted = np.empty(len(t))
    adjusted[order] = stepped
    return adjusted
