"""Intervals of a paired difference of rates: the same images, or pairs of images, under two conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from jaxtyping import Float

    Number = Float[np.ndarray, "*shape"] | float
    Interval = tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]

_HALVINGS, _SMALLEST = 56, 1e-200


def agresti_min(only_first: float, only_second: float, n: float, alpha: float) -> tuple[float, float]:
    """Agresti and Min's interval of a paired difference of rates, ``(only_first - only_second) / n``.

    Parameters
    ----------
    only_first, only_second : int
        Pairs in which only the first, or only the second, member is an event.
    n : int
        Number of pairs.
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


def tango(only_first: Number, only_second: Number, n: Number, alpha: float, continuity: bool = False) -> Interval:
    """Tango's score interval of a paired difference of rates, ``(only_first - only_second) / n``.

    Parameters
    ----------
    only_first, only_second : number[...]
        Pairs in which only the first, or only the second, member is an event. May be fractions: counts may be scaled.
    n : number[...]
        Number of pairs, above 0.
    alpha : float
        One minus the level, two-sided.
    continuity : bool
        Widen it by half a pair on either side: it then covers the difference at least as often as stated, not just on average.

    Returns
    -------
    low, high : float[...]
        Within [-1, 1].

    References
    ----------
    Tango 1998, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B

    Examples
    --------
    >>> low, high = tango(12, 9, 44, 0.05)
    >>> round(float(low), 4), round(float(high), 4)
    (-0.138, 0.2686)
    """
    first, second, n = (np.asarray(counts, float) for counts in np.broadcast_arrays(only_first, only_second, n))
    z, shift = float(ndtri(1 - alpha / 2)), 0.5 / n if continuity else np.zeros(n.shape)
    # Both limits are computed at once: the lower one is minus the other difference's upper one.
    upper, turned = _upper_paired(np.stack([first, second]), np.stack([second, first]), n, z, shift)
    return -turned, upper


def _upper_paired(
    first: Float[np.ndarray, "*shape"],
    second: Float[np.ndarray, "*shape"],
    n: Float[np.ndarray, "*shape"],
    z: float,
    shift: Float[np.ndarray, "*shape"],
) -> Float[np.ndarray, "*shape"]:
    """The difference above which its score is below ``-z``."""
    observed = np.minimum((first - second) / n + shift, 1.0)
    low, high = observed - 1e-12, np.ones(observed.shape)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        # The most likely share of pairs in which only the second is an event, for rates with this difference.
        b, c = (2 * n - first + second) * middle - first - second, -second * middle * (1 - middle)
        share = (np.sqrt(np.maximum(b**2 - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = np.maximum((2 * share + middle * (1 - middle)) / n, _SMALLEST)
        above = (observed - middle) / np.sqrt(variance) > -z
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.minimum(low, 1.0))
