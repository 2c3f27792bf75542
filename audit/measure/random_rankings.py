"""Random rankings: draws of the groups among the first positions, from the sizes of the groups.

For a fixed gallery, the groups of the first `k` positions of a random ranking are drawn without replacement: the numbers of images per
group are multivariate hypergeometric for any query, so all queries share the draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.measure.ranking import divergence
from audit.ties import least_equal

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_BLOCK = 1 << 18
"""Labels held in memory at once: more would exceed the processor's cache."""


def drawn_counts(sizes: Int[np.ndarray, "g"], k: int, draws: int, rng: np.random.Generator) -> Int[np.ndarray, "b g"]:
    """Number of images of each group among the first `k` of random rankings."""
    return rng.multivariate_hypergeometric(sizes, k, size=draws, method="marginals")


def standard_errors(sizes: Int[np.ndarray, "g"], k: int) -> Float[np.ndarray, "g"]:
    """Standard deviation of the number of each group's images among the first `k` of random rankings.

    Examples
    --------
    Two groups of 50, the first 20: 20 · .5 · .5 · 80 / 99 is 4.04.

    >>> standard_errors(np.array([50, 50]), 20).round(2).tolist()
    [2.01, 2.01]
    """
    n = sizes.sum()
    share = sizes / n
    return np.asarray(np.sqrt(k * share * (1 - share) * (n - k) / (n - 1)))


def standardized(counts: Int[np.ndarray, "*b g"], sizes: Int[np.ndarray, "g"], k: int) -> Float[np.ndarray, "*b g"]:
    """Excess of each group among the first `k` over its share of the gallery, in standard errors."""
    return np.asarray((counts - k * sizes / sizes.sum()) / standard_errors(sizes, k))


def p_above(observed: Float[np.ndarray, "q"], drawn: Float[np.ndarray, "b"]) -> Float[np.ndarray, "q"]:
    """``(1 + draws at least as large) / (draws + 1)`` for each observed value; never 0.

    Examples
    --------
    >>> p_above(np.array([2.0, 0.5]), np.array([0.0, 1.0, 2.0])).tolist()
    [0.5, 0.75]
    """
    below = np.searchsorted(np.sort(drawn), least_equal(observed), side="left")
    return np.asarray((1 + len(drawn) - below) / (len(drawn) + 1))


def drawn_groups(sizes: Int[np.ndarray, "g"], places: int, draws: int, rng: np.random.Generator) -> Int[np.ndarray, "b p"]:
    """The groups of some positions of the gallery when groups are shuffled over all of it; other positions are not drawn."""
    ends = np.cumsum(drawn_counts(sizes, places, draws, rng), axis=1)
    groups = (np.arange(places) >= ends[:, :-1, None]).sum(axis=1, dtype=np.int8)
    return rng.permuted(groups, axis=1)


def shared_draws(
    retrieved: Int[np.ndarray, "q k"], sizes: Int[np.ndarray, "g"], target: Float[np.ndarray, "g"], draws: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "b q g"], Float[np.ndarray, "b q"]]:
    """Counts and NDKL of every query when groups are shuffled over the gallery: the null distribution of means over queries.

    `retrieved` has the images that each query retrieves, in order. Queries that retrieve the same images do so in every draw, so their
    values are as correlated as those of the model.
    """
    images, where = np.unique(retrieved, return_inverse=True)
    where = where.reshape(retrieved.shape)
    counts, diverged = [], []
    step = max(1, _BLOCK // max(retrieved.size, len(images) * len(sizes)))
    for start in range(0, draws, step):
        ranked = drawn_groups(sizes, len(images), min(step, draws - start), rng)[:, where]
        counts.append(np.stack([np.count_nonzero(ranked == group, axis=-1) for group in range(len(sizes))], axis=-1))
        diverged.append(divergence(ranked, target))
    return np.concatenate(counts), np.concatenate(diverged)
