"""The most significant pair of groups: differences in units of their standard error under the null.

The pair with the largest difference need not be the most significant. With groups of 5,000, 5,000 and 30 images, the small one deviates
far in nearly every shuffle: a test of the largest difference would see only that, and miss ten points between the large ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.ties import first_largest, least_equal

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_TILTS = np.linspace(0.3, 1.0, 8)
"""Multiples of the tilt that is optimal for large counts: each gives a valid bound, and the best of few is near the optimum."""
_NOTHING = 1e-12
"""A pair that no shuffle separates by more differs only by rounding, and is ignored."""
_CELLS = 1 << 17
"""Rates evaluated per block: they fit in a core's cache, which for 126 groups is five times as fast as all at once."""


def sampling_errors(n: Int[np.ndarray, "g"]) -> Float[np.ndarray, "g g"]:
    """The standard error of each pair's difference under shuffled labels, up to a factor that all pairs share.

    The factor is the square root of p (1 - p) N / (N - 1) with the rate p of all N images, which a shuffle does not change.
    """
    return np.asarray(np.sqrt(1 / n[:, None] + 1 / n[None]))


def stratified_errors(events: Int[np.ndarray, "s"], n: Int[np.ndarray, "s g"]) -> Float[np.ndarray, "g g"]:
    """The standard error of each pair's difference when labels are shuffled within strata with fixed numbers of events.

    Computed from the hypergeometric distribution, not from draws: these would break ties between equally extreme shuffles.
    """
    images = n.sum(axis=1)
    per_stratum = events * (images - events) / np.maximum(images**2 * (images - 1), 1)
    covariance = np.diag((per_stratum * images) @ n) - n.T @ (per_stratum[:, None] * n)
    covariance = covariance / np.outer(n.sum(axis=0), n.sum(axis=0))
    own = np.diag(covariance)
    return np.asarray(np.sqrt(np.maximum(own[:, None] + own[None] - 2 * covariance, 0.0)))


def max_standardized_difference(rates: Float[np.ndarray, "*b g"], errors: Float[np.ndarray, "g g"]) -> Float[np.ndarray, "*b"]:
    """The largest difference of any two groups in its standard errors; undefined rates (NaN) are ignored.

    If all pairs have the same error, this is the largest minus the smallest rate divided by it: tests of either are equal.

    Examples
    --------
    >>> round(float(max_standardized_difference(np.array([0.9, 0.8, 0.87]), sampling_errors(np.array([50, 50, 8])))), 3)
    0.5
    """
    scale = np.where(errors > _NOTHING, 1 / np.maximum(errors, _NOTHING), 0.0)
    tables = rates.reshape(-1, rates.shape[-1])
    largest, at_once = np.zeros(len(tables)), _CELLS // len(errors) + 1
    for start in range(0, len(tables), at_once):
        by_group = np.ascontiguousarray(tables[start : start + at_once].T)
        widest, room = largest[start : start + at_once], np.empty_like(by_group)
        for i in range(len(by_group) - 1):
            others = room[i + 1 :]
            np.abs(np.subtract(by_group[i + 1 :], by_group[i], out=others), out=others)
            others *= scale[i, i + 1 :, None]
            np.fmax(widest, np.fmax.reduce(others, axis=0), out=widest)
    return largest.reshape(rates.shape[:-1])


def most_significant_pair(rates: Float[np.ndarray, "g"], errors: Float[np.ndarray, "g g"]) -> tuple[int, int]:
    """The two groups of `max_standardized_difference`, the one with the higher rate first.

    Examples
    --------
    >>> most_significant_pair(np.array([0.8, 0.9, 0.6]), sampling_errors(np.array([5000, 5000, 5])))
    (1, 0)
    """
    first, second = np.triu_indices(len(rates), 1)
    scaled = np.abs(rates[first] - rates[second]) / np.maximum(errors[first, second], _NOTHING)
    at = first_largest(np.where(errors[first, second] > _NOTHING, scaled, 0.0))
    i, j = int(first[at]), int(second[at])
    return (i, j) if rates[i] >= least_equal(rates[j]) else (j, i)


def difference_chance(
    least: Float[np.ndarray, "p"] | float, events: Int[np.ndarray, "m"], n: Int[np.ndarray, "g"], images: int
) -> Float[np.ndarray, "m"]:
    """Upper bound for the probability that shuffled group labels separate any two groups this far, computed without shuffling.

    Parameters
    ----------
    least : float[p] or float
        A difference of rates, above 0, for each pair of groups, in the order of `np.triu_indices`.
    events : int[m]
        Events of each question among all images.
    n : int[g]
        Images of each group that is compared, at least 1.
    images : int
        Number of images among which labels are shuffled.

    Returns
    -------
    float[m]
        Never less than the probability; may exceed 1. About the normal tail of each pair with p instead of p (1 - p), summed over pairs and
        directions, for the rarer of events and other images.

    References
    ----------
    Hoeffding 1963, https://doi.org/10.1080/01621459.1963.10500830, theorem 4: the difference is a sum over the events of 1 / n in one
    group, -1 / n in the other and 0 elsewhere, drawn without replacement, whose exponential is on average at most that with replacement.

    Examples
    --------
    90 and 50 of 100 each. The exact probability is 6e-10.

    >>> difference_chance(0.4, np.array([140]), np.array([100, 100]), 200).round(6).tolist()
    [1e-06]
    """
    drawn = np.maximum(np.minimum(events, images - events), 1)[:, None]
    chance = np.zeros(len(events))
    first, second = (n[triu_index].astype(float) for triu_index in np.triu_indices(len(n), 1))
    for up, down in ((first, second), (second, first)):
        best = least * images / (drawn * (1 / up + 1 / down))
        with np.errstate(over="ignore"):  # a tilt that is far too large gives an infinite bound, which is never the smallest
            logs = [
                drawn * np.log1p((up * np.expm1(tilt * best / up) + down * np.expm1(-tilt * best / down)) / images) - tilt * best * least
                for tilt in _TILTS
            ]
        chance += np.exp(np.minimum(np.min(logs, axis=0), 0.0)).sum(axis=1)
    return chance
