"""Bounds of a gap, a ratio, the highest or lowest rate, each over all groups at once; and how many images would settle a question.

Two kinds. To *show* that some pair (or group) lies beyond a limit takes intervals that hold for all of them at once: alpha / m. To show
that *every* pair stays within takes each interval at 1 - 2 alpha, corrected for continuity but not for their number: an intersection-union
test, as equivalence does.
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
"""A number of images above which no sample size is suggested."""
_PRECISION = 1.005


def gap_bounds(events: Counts, n: Counts, alpha: float, family: int = 1) -> Estimate:
    """Bound the largest difference between any two groups.

    `low` is the largest lower limit of any pair, at alpha / (pairs x family); `high` the `equivalence_bound` of all pairs. Counts need not
    be whole; `family` is the number of gaps among which "some gap is larger" is claimed.

    Examples
    --------
    Two groups: Newcombe's intervals at 95 and, corrected for continuity, at 90 %.

    >>> found = gap_bounds(np.array([56, 48]), np.array([70, 80]), 0.05)
    >>> round(found.value, 2), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3222)
    """
    first, second = np.triu_indices(len(n), 1)
    sides = events[first], n[first], events[second], n[second]
    low, high = difference_limits(*sides, alpha / (len(first) * family))
    return Estimate(float(np.ptp(events / n)), float(max(0.0, np.maximum(low, -high).max())), equivalence_bound(events, n, alpha))


def two_apart(events: Counts, n: Counts, alpha: float) -> Bool[np.ndarray, "*b"]:
    """Whether the interval of the difference of the first two groups leaves out 0, in each table.

    Examples
    --------
    >>> two_apart(np.array([[56, 48], [56, 60]]), np.array([70, 80]), 0.05).tolist()
    [True, False]
    """
    n = np.maximum(n, 1)
    low, high = difference_limits(events[..., 0], n[..., 0], events[..., 1], n[..., 1], alpha)
    return (low > 0) | (high < 0)


def rate_bounds(events: Counts, n: Counts, alpha: float, end: Literal["highest", "lowest"], family: int = 1) -> Estimate:
    """Bound the highest, or the lowest, rate of any group.

    The limit towards the middle is at alpha / (groups x family), the other at 2 alpha with the correction for continuity.

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
    """Bound the lowest rate over the highest, over all pairs of groups, by log-delta intervals.

    `high` is the smallest upper limit of any ratio, at alpha / (pairs x family), at most 1; `low` the smallest lower limit of any, at
    2 alpha. None where a group has no event: the logarithm of 0 has no interval.

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
    """Return the limit of an interval as it would be at another level, by the normal quantiles: for intervals without a formula here.

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
    """Return how many images of these groups would settle a question, if every rate and every group's share stayed as it is.

    To three significant digits, never fewer than there are; None where not even a thousand million would. `bounded` gives the bounds of
    scaled counts, `settles` whether they settle it.

    Examples
    --------
    A coin that shows 60 of 100 heads: is it above one half? At 97 tosses its 95 % limit passes .5.

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
