"""Random draws that are the same under every version of numpy, and of the library for linear algebra that it uses.

A `Generator` may draw other numbers from the same stream in a later version: that of numpy 2.5 corrects its binomial draws. `RandomState`
never does (https://numpy.org/neps/nep-0019-rng-policy.html), and can draw from the stream of a `Generator`. Its uncorrected binomial draws
are right to a few hundredths of the chance of a value that is at least 20 from the mean, and as good as exact nearer to it
(https://github.com/numpy/numpy/pull/31238).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_NOTHING = 1e-12
"""An eigenvalue of a correlation matrix that is smaller is 0 but for rounding."""


def binomial(
    n: Int[np.ndarray, "*o"] | int, p: Float[np.ndarray, "*o"] | float, size: tuple[int, ...], rng: np.random.Generator
) -> Int[np.ndarray, "*b"]:
    """Number of successes in `n` trials.

    Examples
    --------
    >>> binomial(np.array([10, 1000]), 0.5, (3, 2), np.random.default_rng(0)).tolist()
    [[6, 511], [2, 504], [5, 472]]
    """
    return np.asarray(np.random.RandomState(rng.bit_generator).binomial(n, p, size), np.int64)


def multinomial(
    n: Int[np.ndarray, "*b"] | int, shares: Float[np.ndarray, "c"], size: tuple[int, ...], rng: np.random.Generator
) -> Int[np.ndarray, "*b c"]:
    """Number of trials, out of `n`, with each outcome, one after the other from the trials that are left; `shares` sum to 1.

    Examples
    --------
    >>> drawn = multinomial(100, np.array([0.5, 0.2, 0.3]), (1000,), np.random.default_rng(0))
    >>> drawn.shape, sorted(set(drawn.sum(axis=1).tolist())), drawn.mean(axis=0).round().tolist()
    ((1000, 3), [100], [50.0, 20.0, 30.0])
    """
    drawn = np.zeros((*size, len(shares)), np.int64)
    left = np.broadcast_to(n, size)
    rest = np.cumsum(shares[::-1])[::-1]
    for outcome, (share, together) in enumerate(zip(shares[:-1].tolist(), rest[:-1].tolist(), strict=True)):
        if share > 0:
            drawn[..., outcome] = binomial(left, share / together, size, rng)
            left = left - drawn[..., outcome]
    drawn[..., -1] = left
    return drawn


def correlated_normal(correlation: Float[np.ndarray, "g g"], draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b g"]:
    """Standard normal draws with these correlations.

    Made with the symmetric root of the matrix: there is one, while eigenvectors may have either sign and, if groups are alike, any
    direction. A matrix that is not positive semi-definite is replaced by its positive part.

    Examples
    --------
    >>> drawn = correlated_normal(np.array([[1.0, 0.6], [0.6, 1.0]]), 4000, np.random.default_rng(0))
    >>> np.corrcoef(drawn.T).round(1).tolist()
    [[1.0, 0.6], [0.6, 1.0]]
    """
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.where(values > _NOTHING, values, 0.0))) @ vectors.T
    return np.asarray(rng.standard_normal((draws, len(correlation))) @ root)
