"""Intervals of a rate, of a difference of rates, and of a paired difference. All are vectorised; none is a Wald interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Counts = Int[np.ndarray, "*shape"] | int
    Interval = tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]


def wilson(events: Counts, n: Counts, alpha: float, continuity: bool = False) -> Interval:
    """Wilson's score interval of a rate.

    Parameters
    ----------
    events, n : int[...]
        Events out of trials, ``0 <= events <= n``.
    alpha : float
        One minus the level, two-sided.
    continuity : bool
        Widen it by the correction for continuity: it then covers the rate at least as often as it says (nearly everywhere), not on average.

    Returns
    -------
    low, high : float[...]
        Exactly 0 where there is no event and exactly 1 where all are; [0, 1] where `n` is 0, since nothing is known.

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
    # The limits solve |rate - observed| = z standard errors of the rate; corrected, from half an event further out.
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
        Take Wilson's intervals with the correction for continuity.

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


def agresti_min(only_first: float, only_second: float, n: float, alpha: float) -> tuple[float, float]:
    """Agresti and Min's interval of a paired difference of rates, ``(only_first - only_second) / n``.

    Parameters
    ----------
    only_first, only_second : int
        Pairs in which only the first, only the second member is an event.
    n : int
        Pairs.
    alpha : float
        One minus the level, two-sided.

    Returns
    -------
    low, high : float
        Within [-1, 1].

    References
    ----------
    Agresti and Min 2005, https://doi.org/10.1002/sim.1781

    Examples
    --------
    >>> low, high = agresti_min(25, 10, 1556, 0.05)
    >>> round(low, 5), round(high, 5)
    (0.00209, 0.01716)
    """
    total = n + 2
    net = only_first - only_second
    error = float(ndtri(1 - alpha / 2)) * float(np.sqrt(only_first + only_second + 1 - net**2 / total)) / total
    return max(-1.0, net / total - error), min(1.0, net / total + error)
