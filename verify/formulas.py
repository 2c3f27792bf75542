"""Intervals and adjustments in closed form or by bisection, as `docs/method.md` states them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import bdtr, betaincinv, chdtrc, gammaln, ndtri

Ends = tuple[np.ndarray, np.ndarray]
FEW = 5.0
"""Expected events, or images without one, below which approximations for large counts are replaced."""
_STEPS = 70


def normal(alpha: float) -> float:
    """The two-sided quantile of the standard normal."""
    return float(ndtri(1 - alpha / 2))


def expected_fewest(k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray) -> np.ndarray:
    """The smaller group's expected number of events, or of images without one, if two groups have one rate."""
    events, images = k1 + k2, n1 + n2
    return np.asarray(np.minimum(n1, n2) * np.minimum(events, images - events) / images)


def wilson(k: np.ndarray, n: np.ndarray, alpha: float, *, continuity: bool = False) -> Ends:
    """Limits of a rate; with continuity correction, those of a rate half an event farther out on either side."""
    k, n = np.asarray(k, float), np.asarray(n, float)
    size, z = np.maximum(n, 1), normal(alpha)
    ends = []
    for side in (-1, 1):
        p = np.clip((k + side * 0.5 * continuity) / size, 0, 1)
        centre, half = p + z**2 / (2 * size), z * np.sqrt(p * (1 - p) / size + z**2 / (4 * size**2))
        ends.append((centre + side * half) / (1 + z**2 / size))
    return np.where(k == 0, 0.0, ends[0]), np.where(k == n, 1.0, ends[1])


def newcombe(k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray, alpha: float, *, continuity: bool = False) -> Ends:
    """Limits of a difference of two independent rates, from Wilson's of both."""
    p1, p2 = k1 / n1, k2 / n2
    return joined(p1, wilson(k1, n1, alpha, continuity=continuity), p2, wilson(k2, n2, alpha, continuity=continuity))


def joined(p1: np.ndarray, ends1: Ends, p2: np.ndarray, ends2: Ends, correlation: np.ndarray | float = 0.0) -> Ends:
    """Limits of ``p1 - p2`` from the limits of both, whose estimates may be correlated (Zou and Donner)."""
    down = _joint(p1 - ends1[0], ends2[1] - p2, correlation)
    up = _joint(ends1[1] - p1, p2 - ends2[0], correlation)
    return p1 - p2 - down, p1 - p2 + up


def below_one(correlation: np.ndarray, clusters: np.ndarray, alpha: float) -> np.ndarray:
    """A correlation of 1 in c clusters, lowered by what none of them rules out: Wilson's limit of a cluster that tells two rates apart."""
    z2 = normal(alpha) ** 2
    return np.where(correlation > 1 - 1e-9, np.maximum(1 - 2 * z2 / (clusters + z2), 0.0), correlation)


def _joint(one: np.ndarray, two: np.ndarray, correlation: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.sqrt(np.maximum(one**2 + two**2 - 2 * correlation * one * two, 0.0)))


def bisect(low: np.ndarray, high: np.ndarray, is_low: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The point between `low` and `high` at which a condition that holds at `low` stops to hold."""
    low, high = np.array(low, float), np.array(high, float)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        below = is_low(middle)
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low


def gart_nam(k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray, alpha: float) -> Ends:
    """Score limits of a difference of two independent rates, corrected for skewness."""
    low = _lowest_difference(k1, n1, k2, n2, normal(alpha))
    return low, -_lowest_difference(k2, n2, k1, n1, normal(alpha))


def _lowest_difference(k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray, z: float) -> np.ndarray:
    """The difference below which the corrected score exceeds `z`."""
    observed = k1 / n1 - k2 / n2

    def rejected(d: np.ndarray) -> np.ndarray:
        p2 = _second_rate(k1, n1, k2, n2, d)
        p1 = np.clip(p2 + d, 0, 1)
        one, two = p1 * (1 - p1) / n1, p2 * (1 - p2) / n2
        return np.asarray(_skewed(observed - d, one + two, one * (1 - 2 * p1) / n1 - two * (1 - 2 * p2) / n2, z) > z)

    return bisect(np.full(observed.shape, -1.0), observed, rejected)


def _skewed(distance: np.ndarray, variance: np.ndarray, third: np.ndarray, z: float) -> np.ndarray:
    """A score minus a sixth of its skewness times z² - 1."""
    variance = np.maximum(variance, 1e-200)
    return np.asarray(distance / np.sqrt(variance) - third / variance**1.5 * (z**2 - 1) / 6)


def _second_rate(k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray, d: np.ndarray) -> np.ndarray:
    """The most likely second rate if the first is higher by `d`: a root of a cubic (Miettinen and Nurminen)."""
    n, k = n1 + n2, k1 + k2
    a, b, c, e = n, (n1 + 2 * n2) * d - n - k, (n2 * d - n - 2 * k2) * d + k, k2 * d * (1 - d)
    turn = b**3 / (27 * a**3) - b * c / (6 * a**2) + e / (2 * a)
    scale = np.copysign(np.sqrt(np.maximum(b**2 / (9 * a**2) - c / (3 * a), 1e-200)), turn)
    angle = (np.pi + np.arccos(np.clip(turn / scale**3, -1, 1))) / 3
    return np.asarray(np.clip(2 * scale * np.cos(angle) - b / (3 * a), np.maximum(0.0, -d), np.minimum(1.0, 1 - d)))


def difference(k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray, alpha: float) -> Ends:
    """Newcombe's limits; the farther one of them and Gart and Nam's if either group has few expected events."""
    k1, n1, k2, n2 = (np.asarray(part, float) for part in np.broadcast_arrays(k1, n1, k2, n2))
    low, high = newcombe(k1, n1, k2, n2, alpha)
    few = expected_fewest(k1, n1, k2, n2) < FEW
    if few.any():
        lower, upper = gart_nam(k1[few], n1[few], k2[few], n2[few], alpha)
        low[few], high[few] = np.minimum(low[few], lower), np.maximum(high[few], upper)
    return low, high


def ratio(k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray, alpha: float) -> Ends:
    """Gart and Nam's score limits of a ratio of two independent rates; 0 or infinite if a rate may be 0."""
    k1, n1, k2, n2 = (np.asarray(part, float) for part in np.broadcast_arrays(k1, n1, k2, n2))
    return 1 / _highest_ratio(k2, n2, k1, n1, normal(alpha)), _highest_ratio(k1, n1, k2, n2, normal(alpha))


def _highest_ratio(k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray, z: float) -> np.ndarray:
    """The ratio above which the corrected score is below ``-z``."""
    p1, p2 = k1 / n1, np.maximum(k2, 1) / n2

    def accepted(log: np.ndarray) -> np.ndarray:
        r = np.exp(log)
        a, b, c = (n1 + n2) * r, n1 * (r + p1) + n2 * (1 + r * p2), n1 * p1 + n2 * p2
        # The smaller root of a q^2 - b q + c: the most likely second rate if the first is r times it.
        second = np.minimum(2 * c / (b + np.sqrt(np.maximum(b**2 - 4 * a * c, 0.0))), np.minimum(1.0, 1 / r))
        first = second * r
        one, two = first * (1 - first) / n1, r**2 * second * (1 - second) / n2
        return _skewed(p1 - r * p2, one + two, one * (1 - 2 * first) / n1 - r * two * (1 - 2 * second) / n2, z) > -z

    low = np.log(np.maximum(k1, 1e-3) / n1) - np.log(p2) - 1e-9
    return np.where(k2 == 0, np.inf, np.exp(bisect(low, low + 60, accepted)))


def farther(low: np.ndarray, high: np.ndarray) -> float:
    """The largest factor that limits of ratios allow in either direction."""
    with np.errstate(divide="ignore"):
        return float(np.maximum(high, 1 / np.maximum(low, 0.0)).max())


def upper_limit(k: np.ndarray, n: np.ndarray, alpha: float) -> np.ndarray:
    """Clopper and Pearson's one-sided upper limit of a rate."""
    return np.asarray(betaincinv(k + 1, np.maximum(n - k, np.finfo(float).tiny), 1 - alpha))


def agresti_min(gained: float, lost: float, n: float, alpha: float) -> tuple[float, float]:
    """Limits of a paired difference of rates: half a pair is added to each of the four cells."""
    size, net = n + 2, gained - lost
    half = normal(alpha) * float(np.sqrt(gained + lost + 1 - net**2 / size)) / size
    return max(-1.0, net / size - half), min(1.0, net / size + half)


def two_rates_p(k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray) -> np.ndarray:
    """Two-sided p of a difference: chi-square without correction, Fisher's exact test if few events are expected."""
    k1, n1, k2, n2 = (np.atleast_1d(np.asarray(part, np.int64)) for part in (k1, n1, k2, n2))
    rate = (k1 + k2) / (n1 + n2)
    variance = rate * (1 - rate) * (1 / n1 + 1 / n2)
    p = np.asarray(chdtrc(1, (k1 / n1 - k2 / n2) ** 2 / np.where(variance > 0, variance, 1.0)), float)
    for at in np.flatnonzero(expected_fewest(k1, n1, k2, n2) < FEW):
        p[at] = _fisher(int(k1[at]), int(n1[at]), int(k2[at]), int(n2[at]))
    return p


def _fisher(k1: int, n1: int, k2: int, n2: int) -> float:
    """Sum the probabilities of all tables with these margins that are at most as likely as the observed one."""
    x = np.arange(max(0, k1 + k2 - n2), min(k1 + k2, n1) + 1)
    mass = np.exp(_choose(n1, x) + _choose(n2, k1 + k2 - x) - _choose(n1 + n2, np.array(k1 + k2)))
    observed = mass[k1 - x[0]]
    return float(min(1.0, mass[mass <= observed * (1 + 1e-7)].sum()))


def _choose(n: int, k: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def mcnemar(b: int, c: int) -> float:
    """Exact two-sided p that b and c discordant pairs are equally likely."""
    return min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5)))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p.

    >>> holm(np.array([0.04, 0.01, 0.5])).tolist()
    [0.08, 0.03, 0.5]
    """
    order, adjusted = np.argsort(p, kind="stable"), np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p.

    >>> benjamini_hochberg(np.array([0.04, 0.01, 0.5])).round(3).tolist()
    [0.06, 0.03, 0.5]
    """
    order, adjusted = np.argsort(p, kind="stable"), np.empty(len(p))
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted
