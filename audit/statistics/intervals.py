"""Intervals of a rate, of a difference of rates, and of a paired difference. All are vectorised; none is a Wald interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Counts = Int[np.ndarray, "*shape"] | int
    Interval = tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]


def wilson(events: Counts, n: Counts, alpha: float) -> Interval:
    """Wilson's score interval of a rate.

    Parameters
    ----------
    events, n : int[...]
        Events out of trials, ``0 <= events <= n``.
    alpha : float
        One minus the level, two-sided.

    Returns
    -------
    low, high : float[...]
        Exactly 0 where there is no event and exactly 1 where all are; [0, 1] where `n` is 0, since nothing is known.

    References
    ----------
    Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953

    Examples
    --------
    >>> low, high = wilson(14, 100, 0.05)
    >>> round(float(low), 7), round(float(high), 7)
    (0.0852634, 0.2213719)
    """
    events, n = np.asarray(events), np.asarray(n)
    z2 = float(ndtri(1 - alpha / 2)) ** 2
    trials = np.maximum(n, 1)
    p = events / trials
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2) / (1 + z2 / trials) * np.sqrt(p * (1 - p) / trials + z2 / (4 * trials**2.0))
    return np.where(events == 0, 0.0, centre - half), np.where(events == n, 1.0, centre + half)


def newcombe(events_1: Counts, n_1: Counts, events_2: Counts, n_2: Counts, alpha: float) -> Interval:
    """Newcombe's hybrid score interval of the difference of two independent rates, first minus second.

    Parameters
    ----------
    events_1, n_1, events_2, n_2 : int[...]
        Events out of trials on disjoint images; every `n` at least 1.
    alpha : float
        One minus the level, two-sided.

    References
    ----------
    Newcombe 1998, method 10, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I

    Examples
    --------
    >>> low, high = newcombe(56, 70, 48, 80, 0.05)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3339)
    """
    p_1, p_2 = np.asarray(events_1) / n_1, np.asarray(events_2) / n_2
    low_1, high_1 = wilson(events_1, n_1, alpha)
    low_2, high_2 = wilson(events_2, n_2, alpha)
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
