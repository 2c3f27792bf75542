"""How far apart two groups may be: what a claim that they do not differ rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.intervals import newcombe

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from audit.statistics.intervals import Counts


def reach(events_1: Counts, n_1: Counts, events_2: Counts, n_2: Counts, alpha: float) -> Float[np.ndarray, "*shape"]:
    """Return how far from 0 the difference of two rates may be: the farther end of its 1 - 2 alpha interval.

    The interval is Newcombe's with the correction for continuity. Without it, at alpha = .05, a difference of exactly the tolerance of 5
    points is called smaller in up to 6.2 of 100 audits (300 and 2,000 images); with it in at most 5 for rates from 1 to 99 %, and in 5.2
    closer to the ends, where one group has ten times the images of the other (`benchmarks/coverage.py`: exact, over all outcomes).

    Parameters
    ----------
    events_1, n_1, events_2, n_2 : number[...]
        Events out of trials on disjoint images; every `n` above 0. Need not be whole: counts may be scaled.
    alpha : float
        Level of the claim, one-sided at either end.

    Examples
    --------
    >>> round(float(reach(900, 1000, 905, 1000, 0.05)), 4)
    0.0276
    """
    low, high = newcombe(events_1, n_1, events_2, n_2, 2 * alpha, continuity=True)
    return np.maximum(high, -low)


def equivalence_bound(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], alpha: float) -> float:
    """Return the reach of the widest pair of at least two groups.

    Below a tolerance, every pair differs by less: an intersection-union test, which needs no correction for their number.

    Examples
    --------
    >>> equivalence_bound(np.array([900, 905]), np.array([1000, 1000]), 0.05) < 0.05
    True
    >>> equivalence_bound(np.array([90, 90]), np.array([100, 100]), 0.05) < 0.05
    False
    """
    first, second = np.triu_indices(len(n), 1)
    return float(reach(events[first], n[first], events[second], n[second], alpha).max())
