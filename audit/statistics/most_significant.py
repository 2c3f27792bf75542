"""The most significant pair of groups: differences in units of what chance moves them by.

The widest pair need not be the most significant. Of groups of 5,000, 5,000 and 30 images, chance sets the small one far apart in nearly
every shuffle: a test of the largest difference would see only that, and overlook ten points between the large ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_NOTHING = 1e-12
"""A pair that no shuffle moves apart by more is rounding, and takes no part."""
_CELLS = 1 << 17
"""Rates that are looked at together: they stay in a core's own memory, which for 126 groups is five times as fast as all at once."""


def sampling_errors(n: Int[np.ndarray, "g"]) -> Float[np.ndarray, "g g"]:
    """Return the standard error of each pair's difference under shuffled labels, but for a factor that all pairs share.

    The factor is the root of p (1 - p) N / (N - 1) with the rate p of all N images, which a shuffle does not change.
    """
    return np.asarray(np.sqrt(1 / n[:, None] + 1 / n[None]))


def stratified_errors(events: Int[np.ndarray, "s"], n: Int[np.ndarray, "s g"]) -> Float[np.ndarray, "g g"]:
    """Return the standard error of each pair's difference when labels are shuffled within strata of so many events in all.

    Of the hypergeometric distribution, not of draws: these would break ties between shuffles that are equally extreme.
    """
    images = n.sum(axis=1)
    per_stratum = events * (images - events) / np.maximum(images**2 * (images - 1), 1)
    covariance = np.diag((per_stratum * images) @ n) - n.T @ (per_stratum[:, None] * n)
    covariance = covariance / np.outer(n.sum(axis=0), n.sum(axis=0))
    own = np.diag(covariance)
    return np.asarray(np.sqrt(np.maximum(own[:, None] + own[None] - 2 * covariance, 0.0)))


def max_standardized_difference(rates: Float[np.ndarray, "*b g"], errors: Float[np.ndarray, "g g"]) -> Float[np.ndarray, "*b"]:
    """Return the largest difference of any two groups in their standard errors; an undefined rate (NaN) takes no part.

    Where all pairs have one error, this is the largest minus the smallest rate over it: a test of either is the same.

    Examples
    --------
    >>> round(float(max_standardized_difference(np.array([0.9, 0.8, 0.87]), sampling_errors(np.array([50, 50, 8])))), 3)
    0.5
    """
    scale = np.where(errors > _NOTHING, 1 / np.maximum(errors, _NOTHING), 0.0)
    tables = rates.reshape(-1, rates.shape[-1])
    found, at_once = np.zeros(len(tables)), _CELLS // len(errors) + 1
    for start in range(0, len(tables), at_once):
        by_group = np.ascontiguousarray(tables[start : start + at_once].T)
        widest, room = found[start : start + at_once], np.empty_like(by_group)
        for i in range(len(by_group) - 1):
            others = room[i + 1 :]
            np.abs(np.subtract(by_group[i + 1 :], by_group[i], out=others), out=others)
            others *= scale[i, i + 1 :, None]
            np.fmax(widest, np.fmax.reduce(others, axis=0), out=widest)
    return found.reshape(rates.shape[:-1])


def most_significant_pair(rates: Float[np.ndarray, "g"], errors: Float[np.ndarray, "g g"]) -> tuple[int, int]:
    """Return the two groups of `max_standardized_difference`, the one with the higher rate first.

    Examples
    --------
    >>> most_significant_pair(np.array([0.8, 0.9, 0.6]), sampling_errors(np.array([5000, 5000, 5])))
    (1, 0)
    """
    first, second = np.triu_indices(len(rates), 1)
    scaled = np.abs(rates[first] - rates[second]) / np.maximum(errors[first, second], _NOTHING)
    at = int(np.where(errors[first, second] > _NOTHING, scaled, 0.0).argmax())
    i, j = int(first[at]), int(second[at])
    return (i, j) if rates[i] >= rates[j] else (j, i)
