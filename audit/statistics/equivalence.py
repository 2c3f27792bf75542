"""Upper bounds for the difference of two groups: the basis of claims that groups do not differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.intervals import newcombe, score_ratio, wilson

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from audit.statistics.intervals import Counts


def reach(events_1: Counts, n_1: Counts, events_2: Counts, n_2: Counts, alpha: float) -> Float[np.ndarray, "*shape"]:
    """Largest distance from 0 that the difference of two rates may have: the farther end of its 1 - 2 alpha interval.

    The interval is Newcombe's with continuity correction. Without it, at alpha = .05, a difference of exactly the tolerance of 5
    points is called smaller in up to 6.2 of 100 audits (300 and 2,000 images); with it in at most 5 for rates from 1 to 99 %, and in 5.2
    closer to the ends if one group has ten times the images of the other (`benchmarks/conclusions/coverage.py`, exact).

    Parameters
    ----------
    events_1, n_1, events_2, n_2 : number[...]
        Events out of trials on disjoint images; every `n` above 0. May be fractions: counts may be scaled.
    alpha : float
        Level of the claim, one-sided at either end.

    Examples
    --------
    >>> round(float(reach(900, 1000, 905, 1000, 0.05)), 4)
    0.0276
    """
    low, high = newcombe(events_1, n_1, events_2, n_2, 2 * alpha, continuity=True)
    return np.maximum(high, -low)


def too_few(n: Counts, tolerance: float, alpha: float) -> Bool[np.ndarray, "*shape"]:
    """Which groups have so few images that no difference below the tolerance could be shown, not even if none were an event.

    Without an event in either group `reach` is the upper limit of the smaller one.

    Examples
    --------
    With 60 images and no event the limit is 5.8 %.

    >>> too_few(np.array([60, 80]), 0.05, 0.05).tolist(), round(float(reach(0, 60, 0, 60, 0.05)), 3)
    ([True, False], 0.058)
    """
    return np.asarray(wilson(np.zeros_like(n), n, 2 * alpha, continuity=True)[1] >= tolerance)


def equivalence_bound(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], alpha: float) -> float:
    """The largest reach of any pair of at least two groups.

    If it is below a tolerance, every pair differs by less: an intersection-union test, which needs no correction for their number.

    Examples
    --------
    >>> equivalence_bound(np.array([900, 905]), np.array([1000, 1000]), 0.05) < 0.05
    True
    >>> equivalence_bound(np.array([90, 90]), np.array([100, 100]), 0.05) < 0.05
    False
    """
    first, second = np.triu_indices(len(n), 1)
    return float(reach(events[first], n[first], events[second], n[second], alpha).max())


def ratio_reach(events_1: Counts, n_1: Counts, events_2: Counts, n_2: Counts, alpha: float) -> Float[np.ndarray, "*shape"]:
    """Largest factor by which two rates may differ, in either direction: the farther end of their ratio's 1 - 2 alpha interval.

    The interval is the score interval with skewness correction. Rates that differ by exactly a factor of 1.25 are then called closer in at
    most 5.01 of 100 audits; without the correction in up to 5.24, if one group is far larger (exact, over all outcomes, 1,500 to a
    million images, rates of .1 to 88 %). Infinite if either group has no event: nothing bounds the ratio then.

    Examples
    --------
    >>> round(float(ratio_reach(500, 10_000, 520, 10_000, 0.05)), 3)
    1.15
    >>> float(ratio_reach(0, 100_000, 0, 100_000, 0.05))
    inf
    """
    low, high = score_ratio(events_1, n_1, events_2, n_2, 2 * alpha, skewness=True)
    return farther_end(low, high)


def farther_end(low: Float[np.ndarray, "*shape"], high: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The larger of the factors given by a ratio's two limits.

    Examples
    --------
    >>> farther_end(np.array([0.5, 0.0]), np.array([1.5, 3.0])).tolist()
    [2.0, inf]
    """
    return np.where(low > 0, np.maximum(high, 1 / np.where(low > 0, low, 1.0)), np.inf)


def equivalence_ratio(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], alpha: float) -> float:
    """The largest ratio reach of any pair of at least two groups.

    Examples
    --------
    >>> equivalence_ratio(np.array([1000, 1010]), np.array([20_000, 20_000]), 0.05) < 1.25
    True
    """
    first, second = np.triu_indices(len(n), 1)
    return float(ratio_reach(events[first], n[first], events[second], n[second], alpha).max())
