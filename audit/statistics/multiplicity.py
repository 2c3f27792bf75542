"""Adjusted p-values: among many tests, the smallest p is small even if no group differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float


def holm(p: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """Holm's step-down adjustment: bounds the probability of any false positive, under any dependence.

    ``adjusted_(i) = max over j <= i of min(1, (m - j + 1) p_(j))``, p sorted ascending.

    References
    ----------
    Holm 1979, https://www.jstor.org/stable/4615733

    Examples
    --------
    >>> holm(np.array([0.04, 0.01, 0.5])).tolist()
    [0.08, 0.03, 0.5]
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.arange(len(p), 0, -1) * np.asarray(p, float)[order]))
    return adjusted


def benjamini_hochberg(p: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """Benjamini and Hochberg's step-up adjustment: bounds the expected share of false positives among the positives.

    ``adjusted_(i) = min over j >= i of min(1, m p_(j) / j)``, p sorted ascending.

    References
    ----------
    Benjamini and Hochberg 1995, https://www.jstor.org/stable/2346101

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.04, 0.01, 0.5])).round(3).tolist()
    [0.06, 0.03, 0.5]
    """
    order = np.argsort(p, kind="stable")
    scaled = len(p) * np.asarray(p, float)[order] / np.arange(1, len(p) + 1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted
