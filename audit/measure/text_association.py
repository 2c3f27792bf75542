"""Random sets of neutral texts in, how large an association they have with two lists of words out: what d is worth without a meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.measure.association import associations

if TYPE_CHECKING:
    from jaxtyping import Float, Float64


def random_concept_effects(
    concepts: Float[np.ndarray, "c d"],
    sizes: tuple[int, int],
    attributes: tuple[Float[np.ndarray, "p d"], Float[np.ndarray, "q d"]],
    rng: np.random.Generator,
    *,
    draws: int = 999,
) -> Float64[np.ndarray, "b"]:
    """Return the effect sizes (WEAT's d) of random pairs of disjoint sets of concepts.

    A permutation test asks whether the targets of two sets could have been dealt out otherwise; it finds any two topics apart. This asks
    whether two sets of texts that have nothing to do with the words would be as far apart.

    Parameters
    ----------
    concepts : float[c, d]
        Embeddings of neutral texts, at least as many as both sets have.
    sizes : (int, int)
        Members of each set, two at least.
    attributes : (float[p, d], float[q, d])
        Embeddings of the two lists of words.
    rng : Generator
        Source of the sets.
    draws : int
        Pairs of sets.

    Returns
    -------
    float[b]
        0 without an association and where nothing varies; at most 2 in size.

    Raises
    ------
    ValueError
        If there are too few concepts, or a set has fewer than two.

    Examples
    --------
    Concepts on a circle, and words at two of its ends:

    >>> angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    >>> circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> found = random_concept_effects(circle, (4, 4), (circle[:1], circle[12:13]), np.random.default_rng(0), draws=999)
    >>> abs(round(float(found.mean()), 1)), bool(np.abs(found).max() < 2)
    (0.0, True)
    """
    first, second = sizes
    if min(sizes) < 2 or first + second > len(concepts):
        raise ValueError(f"sets of {first} and {second} of {len(concepts)} concepts: two at least, and no more than there are")
    nearer = associations(concepts, *attributes)
    chosen = rng.permuted(np.tile(nearer, (draws, 1)), axis=1)[:, : first + second]
    difference = chosen[:, :first].mean(axis=1) - chosen[:, first:].mean(axis=1)
    deviation = chosen.std(axis=1, ddof=1)
    return np.asarray(difference / np.where(deviation > 1e-13, deviation, np.inf))
