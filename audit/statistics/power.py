"""Differences that could have been detected with this many images."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, ndtr, ndtri, stdtrit, xlog1py, xlogy

from audit.statistics.intervals import wilson
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


# How many more images of which groups would decide a question that is inconclusive because it has too few images.


MOST_IMAGES = 10_000_000
"""More images of one group than this are not suggested."""
_DRAWS, _FEWEST_DRAWS, _MOST_PAIRS = 2000, 200, 2_000_000
_RATIO_PRECISION = 1.005
_ROUNDS, _CLOSE = 4, 0.03
"""How often the detectable difference is recomputed, and how near to the tolerance it must be."""


def more_images(
    events: Int[np.ndarray, "g"],
    n: Int[np.ndarray, "g"],
    tolerance: float,
    ratio_tolerance: float | None,
    alpha: float,
    level: float,
) -> Int[np.ndarray, "g"] | None:
    """Additional images of each group with which a question would be decided, with power 0.8.

    All groups are filled up to the same size, the smallest for which both hold: if all groups have the pooled rate, the question is
    equivalent with power 0.8, in points and in ratio; and a difference of the tolerance between the smallest group and all others is
    detected with power 0.8. A difference between the two may still be undecided then.

    Parameters
    ----------
    events, n : int[g]
        Events out of images, at least two groups.
    tolerance, ratio_tolerance : float
        Tolerance in points and, if there is one, in ratio.
    alpha, level : float
        Level of the equivalence test, and raw p up to which the question is significant (see `detectable_difference`).

    Returns
    -------
    int[g] or None
        Rounded up to two digits. None if the groups have these sizes already, so that not their number but their rates leave the
        question open; if one would need more than ten million images; and if no ratio can be planned because no image is an event.

    Examples
    --------
    Of many images and of 100, half are events. With z = 1.645 + 1.282, 856 images have an error of 5 points / z, and the continuity
    correction asks for a few more.

    >>> more_images(np.array([50_000, 50]), np.array([100_000, 100]), 0.05, None, 0.05, 0.05).tolist()
    [0, 790]
    """
    if ratio_tolerance is not None and not events.sum():
        return None
    shows = _shows_equivalence(events, n, tolerance, ratio_tolerance, alpha)
    size = _smallest_size(n, shows)
    if size is not None:
        size = _size_to_detect(events, n, size, tolerance, level)
    if size is None or size > MOST_IMAGES or size <= n.min():
        return None
    return np.array([_two_digits_up(max(size - have, 0)) for have in n.tolist()])


def images_without_error(n: Int[np.ndarray, "g"], limit: float, alpha: float) -> Int[np.ndarray, "g"] | None:
    """Additional images of each group that, with no error in any image, show that error rates are below a limit; None if none are needed.

    Examples
    --------
    Of 299 images without an error, the exact upper limit is 1 - .05 ** (1 / 299) = .997 %.

    >>> images_without_error(np.array([118, 3000]), 0.01, 0.05).tolist()
    [190, 0]
    """
    size = int(np.log(alpha) / np.log1p(-limit)) + 1
    return np.array([_two_digits_up(max(size - have, 0)) for have in n.tolist()]) if size > n.min() else None


def _filled(n: Int[np.ndarray, "g"], size: float) -> Int[np.ndarray, "g"]:
    return np.asarray(np.maximum(n, int(np.ceil(size))))


def _pooled(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"]) -> float:
    """The pooled rate or, if no image or every image is an event, its 95 % Wilson limit."""
    total, trials = int(events.sum()), int(n.sum())
    low, high = wilson(total, trials, 0.05)
    return float(high) if total == 0 else float(low) if total == trials else total / trials


def _shows_equivalence(
    events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], tolerance: float, ratio_tolerance: float | None, alpha: float
) -> Callable[[float], bool]:
    """Return whether groups filled up to a size, all with the pooled rate, are shown to be equivalent with power 0.8."""
    groups, rate = len(n), _pooled(events, n)
    orders = draw_orders(groups, max(_FEWEST_DRAWS, min(_DRAWS, _MOST_PAIRS // groups**2)))

    def shows(size: float) -> bool:
        sizes = _filled(n, size)
        drawn = np.stack([binomial_draws(order, int(images), rate) for order, images in zip(orders, sizes, strict=True)])
        close = _within_points(drawn, sizes[:, None], tolerance, alpha)
        if ratio_tolerance is not None:
            close &= _within_ratio(drawn, sizes[:, None], ratio_tolerance, alpha)
        return bool(close.mean() >= POWER)

    return shows


def _within_points(drawn: Int[np.ndarray, "g b"], n: Int[np.ndarray, "g 1"], tolerance: float, alpha: float) -> Bool[np.ndarray, "b"]:
    """Whether the equivalence test in points (`audit.statistics.equivalence.reach`) holds for all pairs of each table."""
    rates, (low, high) = drawn / n, wilson(drawn, n, 2 * alpha, continuity=True)
    above, below = high - rates, rates - low
    widest = np.full(drawn.shape[1], -np.inf)
    for group in range(len(drawn)):
        reach = rates[group] - rates + np.hypot(above[group], below)
        reach[group] = -np.inf
        widest = np.maximum(widest, reach.max(axis=0))
    return np.asarray(widest < tolerance)


def _within_ratio(drawn: Int[np.ndarray, "g b"], n: Int[np.ndarray, "g 1"], tolerance: float, alpha: float) -> Bool[np.ndarray, "b"]:
    """Whether log-delta intervals of all ratios lie within the tolerance; with hundreds of events they are nearly the score intervals."""
    known = np.maximum(drawn, 1)
    logs, variance = np.log(known / n), 1 / known - 1 / n
    z, widest = float(ndtri(1 - alpha)), np.full(drawn.shape[1], -np.inf)
    for group in range(len(drawn)):
        reach = logs[group] - logs + z * np.sqrt(np.maximum(variance[group] + variance, 0.0))
        reach[group] = -np.inf
        widest = np.maximum(widest, reach.max(axis=0))
    return np.asarray((widest < np.log(tolerance)) & (drawn > 0).all(axis=0))


def _smallest_size(n: Int[np.ndarray, "g"], shows: Callable[[float], bool]) -> float | None:
    """Return the smallest size up to which groups must be filled; the present smallest one if it is enough; None if it is too large."""
    low = high = float(n.min())
    while not shows(high):
        low, high = high, 2 * high
        if high > MOST_IMAGES:
            return None
    while high > low * _RATIO_PRECISION:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def _size_to_detect(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], size: float, tolerance: float, level: float) -> float:
    """Return the size up to which groups must be filled to detect a difference of the tolerance; at least `size`.

    The detectable difference falls with the standard error of the smallest group against the rest, by which the size is corrected a few
    times.
    """
    for _ in range(_ROUNDS):
        filled = _filled(n, size)
        detectable = detectable_difference(np.rint(events * filled / n).astype(np.int64), filled, level)
        if detectable <= tolerance * (1 + _CLOSE):
            break
        error = (detectable / tolerance) ** -2 * _variance(filled)
        while _variance(_filled(n, size)) > error and size <= MOST_IMAGES:
            size *= _RATIO_PRECISION
    return size


def _variance(n: Int[np.ndarray, "g"]) -> float:
    return float(1 / n.min() + 1 / (n.sum() - n.min()))


def _two_digits_up(images: float) -> int:
    step: int = 10 ** max(len(str(int(np.ceil(images)))) - 2, 0)
    return int(np.ceil(images / step)) * step
