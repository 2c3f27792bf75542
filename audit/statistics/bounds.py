"""Bounds of a gap, a ratio, the highest or lowest rate, simultaneous over groups; and how many images would settle a question.

There are two kinds. Showing that *some* pair (or group) lies beyond a limit needs simultaneous intervals: alpha / m. Showing that
*every* pair stays within it needs each interval at 1 - 2 alpha, with continuity correction but not corrected for their number: an
intersection-union test, as for equivalence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtri

from audit.records.base import Estimate
from audit.statistics.equivalence import equivalence_bound
from audit.statistics.intervals import difference_limits, wilson

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    Counts = Int[np.ndarray, "*b g"] | Float[np.ndarray, "*b g"]
    Bounded = Callable[[Counts, Counts], Estimate | None]

MOST_IMAGES = 1e9
"""No larger sample size is suggested."""
_PRECISION = 1.005


def gap_bounds(events: Counts, n: Counts, alpha: float, family: int = 1) -> Estimate:
    """Bound the largest difference between any two groups.

    `low` is the largest lower limit of any pair, at alpha / (pairs x family); `high` the `equivalence_bound` of all pairs. Counts may be
    fractions; `family` is the number of gaps among which "some gap is larger" is tested.

    Examples
    --------
    Two groups: Newcombe's intervals at 95 % and, with continuity correction, at 90 %.

    >>> found = gap_bounds(np.array([56, 48]), np.array([70, 80]), 0.05)
    >>> round(found.value, 2), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3222)
    """
    first, second = np.triu_indices(len(n), 1)
    sides = events[first], n[first], events[second], n[second]
    low, high = difference_limits(*sides, alpha / (len(first) * family))
    return Estimate(float(np.ptp(events / n)), float(max(0.0, np.maximum(low, -high).max())), equivalence_bound(events, n, alpha))


def two_apart(events: Counts, n: Counts, alpha: float) -> Bool[np.ndarray, "*b"]:
    """Whether the interval of the difference of the first two groups excludes 0, in each table.

    Examples
    --------
    >>> two_apart(np.array([[56, 48], [56, 60]]), np.array([70, 80]), 0.05).tolist()
    [True, False]
    """
    n = np.maximum(n, 1)
    low, high = difference_limits(events[..., 0], n[..., 0], events[..., 1], n[..., 1], alpha)
    return (low > 0) | (high < 0)


def rate_bounds(events: Counts, n: Counts, alpha: float, end: Literal["highest", "lowest"], family: int = 1) -> Estimate:
    """Bound the highest, or the lowest, rate of all groups.

    The limit towards the middle is at alpha / (groups x family), the other at 2 alpha with continuity correction.

    Examples
    --------
    >>> found = rate_bounds(np.array([14]), np.array([100]), 0.05, "highest")
    >>> round(found.low, 4), round(found.high, 4)
    (0.0853, 0.2123)
    """
    some, every = wilson(events, n, alpha / (len(n) * family)), wilson(events, n, 2 * alpha, continuity=True)
    rates = events / n
    if end == "highest":
        return Estimate(float(rates.max()), float(some[0].max()), float(every[1].max()))
    return Estimate(float(rates.min()), float(every[0].min()), float(some[1].min()))


def ratio_bounds(events: Counts, n: Counts, alpha: float, family: int = 1) -> Estimate | None:
    """Bound the lowest rate divided by the highest, over all pairs of groups, by log-delta intervals.

    `high` is the smallest upper limit of any ratio, at alpha / (pairs x family), at most 1; `low` the smallest lower limit of any, at
    2 alpha. None if a group has no event: the logarithm of 0 has no interval.

    Examples
    --------
    >>> found = ratio_bounds(np.array([20, 40]), np.array([100, 100]), 0.05)
    >>> round(found.value, 2), round(found.low, 3), round(found.high, 3)
    (0.5, 0.34, 0.792)
    """
    if not np.all(events > 0):
        return None
    first, second = np.nonzero(~np.eye(len(n), dtype=bool))
    logs = np.log(events / n)
    ratios = logs[first] - logs[second]
    variance = 1 / events - 1 / n
    error = np.sqrt(np.maximum(variance[first] + variance[second], 0.0))
    z_some, z_every = (float(ndtri(1 - level)) for level in (alpha / (len(first) * family), alpha))
    low, high = np.exp((ratios - z_every * error).min()), np.exp((ratios + z_some * error).min())
    return Estimate(float(np.exp(ratios.min())), float(low), float(min(high, 1.0)))


def stretched(value: float, limit: float, alpha: float, corrected: float) -> float:
    """Rescale the limit of an interval to another level by normal quantiles, for intervals without a formula here.

    Examples
    --------
    From 95 to 99 % the distance grows by 2.576 / 1.960.

    >>> round(stretched(0.5, 0.4, 0.05, 0.01), 4)
    0.3686
    """
    return value + (limit - value) * float(ndtri(1 - corrected / 2) / ndtri(1 - alpha / 2))


def images_needed(
    events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], bounded: Bounded, settles: Callable[[Estimate], bool]
) -> int | None:
    """Number of images of these groups that would settle a question, with unchanged rates and group shares.

    Rounded to three significant digits, never less than the actual number; None if not even a billion would. `bounded` returns the bounds
    for scaled counts, `settles` whether they settle it.

    Examples
    --------
    A coin with 60 heads in 100 tosses: is its rate above one half? At 97 tosses its 95 % limit exceeds .5.

    >>> above = lambda events, n: rate_bounds(events, n, 0.05, "highest")
    >>> images_needed(np.array([30]), np.array([50]), above, lambda found: found.low > 0.5)
    97
    """
    total = int(n.sum())

    def settled(times: float) -> bool:
        estimate = bounded(events * times, n * times)
        return estimate is not None and settles(estimate)

    low, high = 1.0, 2.0
    while not settled(high):
        low, high = high, 2 * high
        if total * high > MOST_IMAGES:
            return None
    while high > low * _PRECISION and total * (high - low) > 1:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if settled(middle) else (middle, high)
    return rounded(total * high)


def rounded(images: float) -> int:
    """Round up to three significant digits.

    Examples
    --------
    >>> rounded(1234.2), rounded(17.1)
    (1240, 18)
    """
    step: int = 10 ** max(len(str(int(images))) - 3, 0)
    return int(np.ceil(images / step)) * step
