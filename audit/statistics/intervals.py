"""Intervals of a rate, and of the difference and the ratio of two rates. All are vectorised; none is a Wald interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    Counts = Int[np.ndarray, "*shape"] | int
    Interval = tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]

FEWEST_EXPECTED = 5
"""With smaller expected counts, chi-square rejects too often (8 % at 126 cells), and intervals of differences are too asymmetric."""
_WIDEST, _HALVINGS = 60.0, 56
"""Search range above the observed ratio for the logarithm of its upper limit, and halvings to reach 1e-15."""
_FEWER_HALVINGS, _SMALLEST = 34, 1e-200
"""Halvings for a precision of 1e-10 of a difference (126 groups have 7,875 pairs), and a tiny probability."""


def wilson(events: Counts, n: Counts, alpha: float, continuity: bool = False) -> Interval:
    """Wilson's score interval of a rate.

    Parameters
    ----------
    events, n : int[...]
        Events out of trials, ``0 <= events <= n``.
    alpha : float
        One minus the level, two-sided.
    continuity : bool
        Widen it by the continuity correction: it then covers the rate at least as often as stated (nearly everywhere), not just on average.

    Returns
    -------
    low, high : float[...]
        Exactly 0 if there is no event and exactly 1 if all are; [0, 1] if `n` is 0, since nothing is known.

    References
    ----------
    Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953; the correction: Newcombe 1998, method 4,
    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E

    Examples
    --------
    >>> low, high = wilson(14, 100, 0.05)
    >>> round(float(low), 7), round(float(high), 7)
    (0.0852634, 0.2213719)
    >>> low, high = wilson(81, 263, 0.05, continuity=True)
    >>> round(float(low), 4), round(float(high), 4)
    (0.2535, 0.3682)
    """
    events, n = np.asarray(events), np.asarray(n)
    z2 = float(ndtri(1 - alpha / 2)) ** 2
    trials = np.maximum(n, 1)
    # The limits solve |rate - observed| = z standard errors of the rate; with correction, observed is shifted by half an event.
    shift = 0.5 / trials if continuity else 0.0
    low, high = (_score_limit(events / trials, trials, z2, side, shift) for side in (-1, 1))
    return np.where(events == 0, 0.0, low), np.where(events == n, 1.0, high)


def _score_limit(
    p: Float[np.ndarray, "*shape"], n: Counts, z2: float, side: int, shift: Float[np.ndarray, "*shape"] | float
) -> Float[np.ndarray, "*shape"]:
    moved = np.clip(p + side * shift, 0.0, 1.0)
    half = np.sqrt(z2) * np.sqrt(moved * (1 - moved) / n + z2 / (4 * n**2.0))
    return np.asarray((moved + z2 / (2 * n) + side * half) / (1 + z2 / n))


def newcombe(events_1: Counts, n_1: Counts, events_2: Counts, n_2: Counts, alpha: float, continuity: bool = False) -> Interval:
    """Newcombe's hybrid score interval of the difference of two independent rates, first minus second.

    Parameters
    ----------
    events_1, n_1, events_2, n_2 : int[...]
        Events out of trials on disjoint images; every `n` at least 1.
    alpha : float
        One minus the level, two-sided.
    continuity : bool
        Use Wilson's intervals with continuity correction.

    References
    ----------
    Newcombe 1998, method 10 (with the correction: 11), https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I

    Examples
    --------
    >>> low, high = newcombe(56, 70, 48, 80, 0.05)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3339)
    >>> low, high = newcombe(56, 70, 48, 80, 0.05, continuity=True)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0428, 0.3422)
    """
    p_1, p_2 = np.asarray(events_1) / n_1, np.asarray(events_2) / n_2
    low_1, high_1 = wilson(events_1, n_1, alpha, continuity)
    low_2, high_2 = wilson(events_2, n_2, alpha, continuity)
    difference = p_1 - p_2
    return difference - np.hypot(p_1 - low_1, high_2 - p_2), difference + np.hypot(high_1 - p_1, p_2 - low_2)


def score_difference(events_1: Counts, n_1: Counts, events_2: Counts, n_2: Counts, alpha: float) -> Interval:
    """Skewness-corrected score interval of the difference of two independent rates, first minus second.

    Parameters
    ----------
    events_1, n_1, events_2, n_2 : int[...]
        Events out of trials on disjoint images; every `n` at least 1.
    alpha : float
        One minus the level, two-sided.

    References
    ----------
    Miettinen and Nurminen 1985, https://doi.org/10.1002/sim.4780040211; the correction: Gart and Nam 1990,
    https://doi.org/10.2307/2532084

    Examples
    --------
    >>> low, high = score_difference(56, 70, 48, 80, 0.05)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0539, 0.3393)
    """
    one, n_one, two, n_two = (np.asarray(counts, float) for counts in np.broadcast_arrays(events_1, n_1, events_2, n_2))
    z = float(ndtri(1 - alpha / 2))
    # Both limits are computed at once: the upper one is minus the other difference's lower one.
    events, trials = np.stack([one, two]), np.stack([n_one, n_two])
    lower, turned = _lower_difference(events, trials, events[::-1], trials[::-1], z)
    return lower, -turned


def _lower_difference(
    events_1: Float[np.ndarray, "*shape"],
    n_1: Float[np.ndarray, "*shape"],
    events_2: Float[np.ndarray, "*shape"],
    n_2: Float[np.ndarray, "*shape"],
    z: float,
) -> Float[np.ndarray, "*shape"]:
    """The difference below which the score is above `z`."""
    observed = events_1 / n_1 - events_2 / n_2
    low, high = np.full(observed.shape, -1.0), observed.copy()
    for _ in range(_FEWER_HALVINGS):
        middle = (low + high) / 2
        first, second = _likeliest(events_1 / n_1, events_2 / n_2, n_2 / n_1, middle)
        parts = first * (1 - first) / n_1, second * (1 - second) / n_2
        variance = np.maximum(parts[0] + parts[1], _SMALLEST)
        third = parts[0] * (1 - 2 * first) / n_1 - parts[1] * (1 - 2 * second) / n_2
        rejected = (observed - middle) / np.sqrt(variance) - third / variance**1.5 * (z**2 - 1) / 6 > z
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    return low


def _likeliest(
    p_1: Float[np.ndarray, "*shape"], p_2: Float[np.ndarray, "*shape"], sizes: Float[np.ndarray, "*shape"], d: Float[np.ndarray, "*shape"]
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """The most likely two rates that differ by `d`: a root of a cubic; `sizes` is n_2 / n_1 (Farrington and Manning 1990)."""
    a, b = 1 + sizes, -(1 + sizes + p_1 + sizes * p_2 + d * (sizes + 2))
    c, constant = d**2 + d * (2 * p_1 + sizes + 1) + p_1 + sizes * p_2, -p_1 * d * (1 + d)
    turn = (b / (3 * a)) ** 3 - b * c / (6 * a**2) + constant / (2 * a)
    scale = np.copysign(np.sqrt(np.maximum((b / (3 * a)) ** 2 - c / (3 * a), _SMALLEST)), turn)
    angle = (np.pi + np.arccos(np.clip(turn / scale**3, -1, 1))) / 3
    first = np.clip(2 * scale * np.cos(angle) - b / (3 * a), np.maximum(d, 0.0), np.minimum(1 + d, 1.0))
    return first, np.clip(first - d, 0.0, 1.0)


def difference_limits(events_1: Counts, n_1: Counts, events_2: Counts, n_2: Counts, alpha: float) -> Interval:
    """Newcombe's interval of a difference; if either group expects under 5 events (or other images), the wider of two intervals.

    Newcombe's combines two groups' limits as if the difference were symmetric. In small groups near 0 or 100 % it is skewed: at the level
    for 190 pairs, the interval for 30 and 3,000 images at .998 excludes 0 forty times as often as stated. Then each limit is the farther
    one of Newcombe's and the skewness-corrected score interval's. Otherwise nothing changes.

    Examples
    --------
    1 of 40 against 16 of 4,000: Newcombe's lower limit is just above 0.

    >>> [round(float(end), 4) for end in newcombe(1, 40, 16, 4000, 0.05)]
    [0.0003, 0.1248]
    >>> [round(float(end), 4) for end in difference_limits(1, 40, 16, 4000, 0.05)]
    [-0.0031, 0.1248]
    """
    one, n_one, two, n_two = (np.asarray(counts, float) for counts in np.broadcast_arrays(events_1, n_1, events_2, n_2))
    low, high = newcombe(events_1, n_1, events_2, n_2, alpha)
    events, trials = one + two, n_one + n_two
    thin = np.minimum(n_one, n_two) * np.minimum(events, trials - events) / trials < FEWEST_EXPECTED
    if not thin.any():
        return low, high
    lower, upper = np.array(low, float), np.array(high, float)
    ends = score_difference(one[thin], n_one[thin], two[thin], n_two[thin], alpha)
    lower[thin], upper[thin] = np.minimum(lower[thin], ends[0]), np.maximum(upper[thin], ends[1])
    return lower, upper


def score_ratio(events_1: Counts, n_1: Counts, events_2: Counts, n_2: Counts, alpha: float, skewness: bool = False) -> Interval:
    """Score interval of the ratio of two independent rates, first divided by second: the ratios that a score test does not reject.

    Parameters
    ----------
    events_1, n_1, events_2, n_2 : int[...]
        Events out of trials on disjoint images; every `n` at least 1.
    alpha : float
        One minus the level, two-sided.
    skewness : bool
        Correct the score for its skewness: each limit is then missed as often as stated, even if one group is far larger.

    Returns
    -------
    low, high : float[...]
        `low` is 0 if the first has no event, `high` infinite if the second has none: [0, inf] for two rates without any.

    References
    ----------
    Koopman 1984, https://doi.org/10.2307/2531405; with the correction Gart and Nam 1988, https://doi.org/10.2307/2531848

    Examples
    --------
    Twice as often, with 100 images each.

    >>> low, high = score_ratio(20, 100, 10, 100, 0.05)
    >>> round(float(low), 3), round(float(high), 3)
    (1.007, 4.024)
    """
    # Both limits are computed at once: the lower one is the inverse of the other ratio's upper one.
    sides = np.stack(np.broadcast_arrays(events_1, n_1, events_2, n_2))
    one, n_one, two, n_two = np.stack([sides, sides[[2, 3, 0, 1]]], axis=1)
    upper, inverse = _upper_ratio(one, n_one, two, n_two, float(ndtri(1 - alpha / 2)), skewness)
    return np.asarray(1 / inverse), np.asarray(upper)


def _upper_ratio(events_1: Counts, n_1: Counts, events_2: Counts, n_2: Counts, z: float, skewness: bool) -> Float[np.ndarray, "*shape"]:
    """The ratio above which the score is below ``-z``; infinite if the second rate has no event."""
    some = np.maximum(events_2, 1)
    p_1, p_2 = np.asarray(events_1 / np.asarray(n_1)), np.asarray(some / n_2)
    score = _ratio_score(p_1, n_1, p_2, n_2, z if skewness else None)
    # The score falls with the ratio, from above -z just below the observed ratio. Bisection needs no derivative and stays in the bracket.
    low = np.log(np.maximum(events_1, 1e-3) / n_1) - np.log(p_2) - 1e-9
    high = low + _WIDEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = score(np.exp(middle)) > -z
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.where(np.equal(events_2, 0), np.inf, np.exp(low))


def _ratio_score(
    p_1: Float[np.ndarray, "*shape"], n_1: Counts, p_2: Float[np.ndarray, "*shape"], n_2: Counts, z: float | None
) -> Callable[[Float[np.ndarray, "*shape"]], Float[np.ndarray, "*shape"]]:
    """The standardised difference ``p_1 - ratio p_2`` under the most likely rates for a ratio; with `z`, minus its skewness there."""
    both, c = n_1 + n_2, n_1 * p_1 + n_2 * p_2

    def score(ratio: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        a, b = both * ratio, n_1 * (ratio + p_1) + n_2 * (1 + ratio * p_2)
        # The smaller root of a q^2 - b q + c, in a form that loses no digits for small c.
        second = np.minimum(2 * c / (b + np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))), np.minimum(1.0, 1 / ratio))
        first = second * ratio
        parts = first * (1 - first) / n_1, ratio**2 * second * (1 - second) / n_2
        variance = np.maximum(parts[0] + parts[1], _SMALLEST)
        standardized = (p_1 - ratio * p_2) / np.sqrt(variance)
        if z is None:
            return np.asarray(standardized)
        third = parts[0] * (1 - 2 * first) / n_1 - parts[1] * ratio * (1 - 2 * second) / n_2
        return np.asarray(standardized - third / variance**1.5 * (z**2 - 1) / 6)

    return score
