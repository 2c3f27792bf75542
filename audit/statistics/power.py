"""What this many images could have found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from jaxtyping import Int

POWER = 0.8


def minimum_detectable(rate: float, n_1: int, n_2: int, comparisons: int, alpha: float) -> float:
    """Smallest difference of two rates that is found with power 0.8 after correcting for `comparisons`.

    Parameters
    ----------
    rate : float
        Pooled base rate, strictly between 0 and 1.
    n_1, n_2 : int
        Images of the two groups.
    comparisons : int
        Comparisons in the family.
    alpha : float
        Two-sided level of the family.

    Returns
    -------
    float
        As a fraction, at most 1 (which says: not even a complete separation). Normal approximation: indicative only for small groups.

    Examples
    --------
    >>> round(minimum_detectable(0.05, 1209, 2085, 21, 0.05), 3)
    0.031
    """
    z = float(ndtri(1 - alpha / (2 * comparisons)) + ndtri(POWER))
    return float(min(1.0, z * np.sqrt(rate * (1 - rate) * (1 / n_1 + 1 / n_2))))


def detectable_in_any_pair(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], alpha: float) -> float:
    """Smallest difference that *any* pair of these groups would show with power 0.8: that of the two smallest groups.

    Where no image or every image is an event, the pooled rate would promise to detect anything; its Wilson limit stands in for it.

    Examples
    --------
    >>> round(detectable_in_any_pair(np.array([60, 104, 78]), np.array([1209, 2085, 1556]), 0.05), 3)
    0.027
    """
    small, next_small = np.sort(n)[:2]
    total, trials = int(events.sum()), int(n.sum())
    z2 = float(ndtri(1 - alpha / 2)) ** 2
    rate = total / trials if 0 < total < trials else z2 / (trials + z2)
    pairs = len(n) * (len(n) - 1) // 2
    return minimum_detectable(rate, int(small), int(next_small), pairs, alpha)
