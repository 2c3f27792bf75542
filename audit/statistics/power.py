"""Differences that could have been detected with this many images."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, ndtr, ndtri, stdtrit, xlog1py, xlogy

from audit.statistics.most_significant import max_standardized_difference, sampling_errors
from audit.statistics.null import ShuffledNull, log_choose

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Bool, Float, Int

POWER = 0.8
FEWEST_NORMAL = 300
"""If one of two groups has fewer images, power is summed outcome by outcome."""
MOST_SIMULATED = 30
"""With more groups, only the two smallest are considered, at a level divided by the number of pairs."""
_CELLS = 1 << 21
_POWER_DRAWS = 8000
_PRECISION = 1e-5
"""Precision of the difference."""


def detectable_difference(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], level: float) -> float:
    """Smallest difference that the test of "no two groups differ" detects with power 0.8 if only the smallest group differs.

    All other groups have the pooled rate; that of the smallest is nearer to one half. Both variances are used. For two groups, one of them
    small, power is summed over all outcomes of the permutation test; for two large ones it is normal; three to thirty groups are simulated.

    Parameters
    ----------
    events, n : int[g]
        Events out of images, at least two groups.
    level : float
        Raw p up to which the question is significant: alpha divided by the number of planned questions, as in Holm's first step.

    Returns
    -------
    float
        As a fraction; 1 if not even a rate of 0 or 1 would be detected. If no image or every image is an event, the pooled rate would
        imply unlimited power: its Wilson limit is used instead.

    Examples
    --------
    >>> round(detectable_difference(np.array([50, 50]), np.array([1000, 1000]), 0.05), 4)
    0.0321
    """
    total, trials = int(events.sum()), int(n.sum())
    z2 = float(ndtri(1 - level / 2)) ** 2
    rate = total / trials if 0 < total < trials else z2 / (trials + z2)
    rate, sizes = min(rate, 1 - rate), tuple(sorted(n.tolist()))
    if len(sizes) == 2:
        return _smallest(_power_of_two(sizes[0], sizes[1], rate, level), rate)
    if len(sizes) <= MOST_SIMULATED:
        return _smallest(_power_of_many(sizes, rate, level), rate)
    pairs = len(sizes) * (len(sizes) - 1) // 2
    return _smallest(_power_of_two(sizes[0], sizes[1], rate, level / pairs), rate)


def detectable_within(error: float, freedom: float | None, groups: int, level: float) -> float:
    """Smallest difference inside clusters that is detected with power 0.8, for the least precise pair of groups.

    Examples
    --------
    A standard error of 3 points, times z = 1.96 + .84.

    >>> round(detectable_within(0.03, None, 2, 0.05), 3)
    0.084
    """
    tail = 1 - level / (groups * (groups - 1))
    quantile = float(ndtri(tail)) if freedom is None else float(stdtrit(freedom, tail))
    return min(1.0, (quantile + float(ndtri(POWER))) * error)


def _smallest(power: Callable[[float], float], rate: float) -> float:
    low, high = 0.0, 1 - rate
    if power(high) < POWER:
        return 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _power_of_two(small: int, large: int, rate: float, level: float) -> Callable[[float], float]:
    if small >= FEWEST_NORMAL:
        return lambda difference: _normal_power(small, large, rate, difference, level)
    spread = 7 * (large * rate * (1 - rate)) ** 0.5 + 10
    others = np.arange(max(0, int(large * rate - spread)), min(large, int(large * rate + spread)) + 1)
    chance = _rejected(small, large, others, level) @ _probabilities(others, large, rate)
    return lambda difference: float(_probabilities(np.arange(small + 1), small, rate + difference) @ chance)


def _probabilities(events: Int[np.ndarray, "k"], n: int, rate: float) -> Float[np.ndarray, "k"]:
    return np.asarray(np.exp(log_choose(n, events) + xlogy(events, rate) + xlog1py(n - events, -min(rate, 1.0))))


def _normal_power(small: int, large: int, rate: float, difference: float, level: float) -> float:
    other = rate + difference
    pooled = (small * other + large * rate) / (small + large)
    # Given its events, the test has outcomes in steps of 1 / small + 1 / large: its rejection region starts half a step later on average.
    step = 1 / small + 1 / large
    critical = float(ndtri(1 - level / 2)) * (pooled * (1 - pooled) * step) ** 0.5 + step / 2
    error = (other * (1 - other) / small + rate * (1 - rate) / large) ** 0.5
    return float(ndtr((difference - critical) / max(error, 1e-12)) + ndtr((-difference - critical) / max(error, 1e-12)))


def _rejected(small: int, large: int, others: Int[np.ndarray, "k"], level: float) -> Bool[np.ndarray, "s k"]:
    """Whether the permutation test of two groups rejects, for every number of events in the small one and some in the other."""
    k = np.arange(small + 1)
    totals = np.arange(others[0], others[-1] + small + 1)
    rest = totals[:, None] - k
    possible = (rest >= 0) & (rest <= large)
    log = log_choose(small, k) + log_choose(large, np.clip(rest, 0, large)) - log_choose(small + large, totals)[:, None]
    distance = np.abs(k - totals[:, None] * small / (small + large)).round(9)
    order = np.argsort(-distance, axis=1, kind="stable")
    mass = np.take_along_axis(np.where(possible, np.exp(log), 0.0), order, axis=1).cumsum(axis=1)
    ranked = np.take_along_axis(distance, order, axis=1)
    # Outcomes equally far from the expected value all have the p of all of them together.
    last = np.where(np.diff(ranked, axis=1, append=-1.0) < 0, mass, np.inf)
    p = np.empty_like(mass)
    np.put_along_axis(p, order, np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1], axis=1)
    return np.asarray(p[(k[:, None] + others) - totals[0], k[:, None]] <= level)


def _power_of_many(sizes: tuple[int, ...], rate: float, level: float) -> Callable[[float], float]:
    n, critical, orders = np.array(sizes), _critical(sizes, rate, level), draw_orders(len(sizes), _POWER_DRAWS)
    events = np.stack([binomial_draws(order, size, rate) for order, size in zip(orders, sizes, strict=True)])
    # Only the first group is redrawn for each difference: the differences among the others stay the same.
    others = max_standardized_difference((events[1:] / n[1:, None]).T, sampling_errors(n[1:]))
    rates, of_others, errors = events / n[:, None], events[1:].sum(axis=0), sampling_errors(n)[1:, [0]]

    def power(difference: float) -> float:
        first = binomial_draws(orders[0], sizes[0], rate + difference)
        rates[0] = first / n[0]
        largest = np.maximum(others, (np.abs(rates[1:] - rates[0]) / errors).max(axis=0))
        return float(np.mean((_statistics(rates, (of_others + first) / n.sum(), n, largest) > critical[:, None]).any(axis=0)))

    return power


@lru_cache(maxsize=64)
def _critical(sizes: tuple[int, ...], rate: float, level: float) -> Float[np.ndarray, "2"]:
    """Critical values of both statistics: equally often exceeded if groups do not differ, and at least one of them at `level`."""
    n = np.array(sizes)
    draws = min(40_000, max(20_000, _CELLS * 4 // len(sizes) ** 2))
    orders = draw_orders(len(sizes), draws)
    events = np.stack([binomial_draws(order, size, rate) for order, size in zip(orders, sizes, strict=True)])
    rates = events / n[:, None]
    drawn = _statistics(rates, events.sum(axis=0) / n.sum(), n, max_standardized_difference(rates.T, sampling_errors(n)))
    # Tables that are not among the most extreme by either statistic have no influence.
    rank = int(level * draws)
    extreme = drawn >= np.partition(drawn, draws - rank - 1, axis=1)[:, [draws - rank - 1]]
    null = ShuffledNull(drawn[:, extreme.any(axis=0)].T)
    least = np.partition(null.ranks.min(axis=1), rank)[rank]
    return np.asarray(null.ordered[:, -least])


@lru_cache(maxsize=8)
def draw_orders(groups: int, draws: int) -> Int[np.ndarray, "g b"]:
    """For each group an order of the draws, independent of the other groups' orders."""
    return np.random.default_rng(0).permuted(np.tile(np.arange(draws, dtype=np.int32), (groups, 1)), axis=1)


def binomial_draws(order: Int[np.ndarray, "b"], n: int, rate: float) -> Int[np.ndarray, "b"]:
    """Numbers of events: evenly spaced quantiles of their distribution, in the given order (Latin hypercube; McKay 1979)."""
    spread = 8 * (n * rate * (1 - rate)) ** 0.5 + 10
    low, high = max(0, int(n * rate - spread)), min(n, int(n * rate + spread))
    up_to = np.floor(len(order) * bdtr(np.arange(low, high), n, min(rate, 1.0)) + 0.5).astype(np.int64)
    return np.asarray(np.repeat(np.arange(low, high + 1), np.diff(up_to, prepend=0, append=len(order)))[order])


def _statistics(
    rates: Float[np.ndarray, "g b"], pooled: Float[np.ndarray, "b"], n: Int[np.ndarray, "g"], largest: Float[np.ndarray, "b"]
) -> Float[np.ndarray, "2 b"]:
    """Both statistics of each table; `largest` is the largest difference in standard errors."""
    variance = np.maximum(pooled * (1 - pooled), 1e-12)
    return np.stack([largest / np.sqrt(variance), n @ (rates - pooled) ** 2 / variance])
