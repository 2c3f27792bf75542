"""How many more images of which groups would decide a question that is inconclusive because it has too few images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from audit.statistics.intervals import wilson
from audit.statistics.power import POWER, binomial_draws, detectable_difference, draw_orders

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Bool, Int

MOST_IMAGES = 10_000_000
"""More images of one group than this are not suggested."""
_DRAWS, _FEWEST_DRAWS, _MOST_PAIRS = 2000, 200, 2_000_000
_PRECISION = 1.005
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
    while high > low * _PRECISION:
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
            size *= _PRECISION
    return size


def _variance(n: Int[np.ndarray, "g"]) -> float:
    return float(1 / n.min() + 1 / (n.sum() - n.min()))


def _two_digits_up(images: float) -> int:
    step: int = 10 ** max(len(str(int(np.ceil(images)))) - 2, 0)
    return int(np.ceil(images / step)) * step
