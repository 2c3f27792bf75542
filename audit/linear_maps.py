"""Linear maps of embeddings that remove what is known about an attribute: matrices ``P``, by which an embedding ``z`` becomes ``P z``.

Similarities are cosines, so lengths do not matter: every map is fitted on embeddings of length 1 (`unit`), and since it is linear, it maps
the raw embeddings to the same directions. Every map changes few directions of many, and is kept as such (`LinearMap`). What-ifs try these
maps; a mitigation folds one into the weights of a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def unit(vectors: Float[np.ndarray, "k d"]) -> Float[np.ndarray, "k d"]:
    """Normalise vectors to length 1, in double precision."""
    double: np.ndarray = np.asarray(vectors, float)
    return np.asarray(double / np.linalg.norm(double, axis=-1, keepdims=True))


@dataclass(frozen=True)
class LinearMap:
    """``P = I - LR``, where L has few columns and R few rows: thousands of embeddings are mapped without a product with all of P."""

    left: Float[np.ndarray, "d k"]
    right: Float[np.ndarray, "k d"]

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""
        return len(self.left)

    @property
    def matrix(self) -> Float[np.ndarray, "d d"]:
        """P."""
        return np.asarray(np.eye(self.dimensions) - self.left @ self.right)

    def mapped(self, vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """``P z`` of every vector.

        Examples
        --------
        >>> LinearMap(np.array([[1.0], [0.0]]), np.array([[1.0, -0.8]])).mapped(np.array([[1.0, 0.0], [1.0, 1.0]])).round(3).tolist()
        [[0.0, 0.0], [0.8, 1.0]]
        """
        return np.asarray(vectors - (vectors @ self.right.T) @ self.left.T)

    @property
    def transposed(self) -> LinearMap:
        """The map with the matrix ``P'``."""
        return LinearMap(self.right.T, self.left.T)

    def lengths(self, units: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n"]:
        """The length of ``P z`` for every ``z`` of length 1; never 0, as rounding leaves some of an embedding that is removed."""
        along, against = units @ self.left, units @ self.right.T
        squares = 1 - 2 * (along * against).sum(axis=1) + (against @ (self.left.T @ self.left) * against).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squares, np.finfo(float).eps)))


# ---- from prompts --------------------------------------------------------------------------------------------------------------------


def contrast(first: Float[np.ndarray, "r d"], second: Float[np.ndarray, "r d"]) -> Float[np.ndarray, "r d"]:
    """The directions from the second to the first prompts of pairs ("a photo of a man", "a photo of a woman").

    Differences remove only the contrast; the prompts themselves would also remove "a photo of a person".
    """
    return np.asarray(unit(first) - unit(second))


def orthogonal_projection(directions: Float[np.ndarray, "r d"]) -> LinearMap:
    """Projection onto the orthogonal complement of some directions: ``I - V (V'V)^+ V'``; directions may be linearly dependent.

    Examples
    --------
    >>> orthogonal_projection(np.array([[0.0, 2.0, 0.0], [0.0, 1.0, 0.0]])).matrix.diagonal().tolist()
    [1.0, 0.0, 1.0]
    """
    _, lengths, basis = np.linalg.svd(np.asarray(directions, float), full_matrices=False)
    basis = basis[lengths > max(directions.shape) * np.finfo(float).eps * lengths.max(initial=0.0)]
    return LinearMap(basis.T, basis)


def calibrated_projection(
    directions: Float[np.ndarray, "r d"], first: Float[np.ndarray, "s d"], second: Float[np.ndarray, "s d"], strength: float
) -> LinearMap:
    """Orthogonal projection that also aligns pairs of prompts that should mean the same.

    ``P = P0 (I + strength M)^-1`` with ``M = 1/|S| sum (z_i - z_j)(z_i - z_j)'``; at strength 0 it is `orthogonal_projection`. `first` and
    `second` are the embeddings of the paired prompts ("a photo of a male doctor", "a photo of a female doctor"). Chuang et al. 2023,
    https://arxiv.org/abs/2302.00070

    Examples
    --------
    Directions along x, one pair that differs along y: y shrinks by 1 + 3.

    >>> pair = np.array([[0.0, 0.6, 0.8]]), np.array([[0.0, -0.6, 0.8]])
    >>> calibrated_projection(np.array([[1.0, 0.0, 0.0]]), *pair, 3 / 1.44).matrix.diagonal().round(3).tolist()
    [0.0, 0.25, 1.0]
    """
    apart = contrast(first, second)
    each, projection = strength / len(apart), orthogonal_projection(directions)
    # (I + c A'A)^-1 = I - A' (I + c AA')^-1 c A: a matrix of pairs is inverted, not one of dimensions.
    shrunk = each * np.linalg.solve(np.eye(len(apart)) + each * apart @ apart.T, apart)
    return LinearMap(np.hstack([projection.left, projection.mapped(apart).T]), np.vstack([projection.right, shrunk]))


def removed_share(directions: Float[np.ndarray, "r d"], texts: Float[np.ndarray, "k d"]) -> Float[np.ndarray, "k"]:
    """The share of each text's squared length that lies along the directions."""
    kept = orthogonal_projection(directions).mapped(unit(texts))
    return np.asarray(1 - (kept**2).sum(axis=1))


# ---- from images whose groups are known ----------------------------------------------------------------------------------------------


def mean_differences(units: Float[np.ndarray, "n d"], codes: Int[np.ndarray, "n"]) -> Float[np.ndarray, "r d"]:
    """The mean of each group minus that of the last: they span all differences between groups, and also ``Cov(units, group)``.

    Projecting them out is fair PCA with all other dimensions kept (Kleindessner et al. 2023, https://arxiv.org/abs/2302.13319).

    Parameters
    ----------
    units : float[n, d]
        Image embeddings of length 1.
    codes : int[n]
        Group of each image, 0 to g - 1; every group has an image.

    Returns
    -------
    float[g - 1, d]

    Examples
    --------
    >>> mean_differences(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), np.array([0, 1, 1])).tolist()
    [[1.0, -1.0]]
    """
    counts = np.bincount(codes)
    if not counts.all():
        raise DataError("a group has no image that a map could be fitted on", fix="give more images, or choose another question")
    return _less_last(units, codes, 1 / counts[codes])


def mean_differences_within(
    units: Float[np.ndarray, "n d"], codes: Int[np.ndarray, "n"], classes: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "r d"]:
    """The mean over classes of `mean_differences` inside each class: what differs between groups among images of the same true answer.

    If a group has more images of one class, `mean_differences` contains that class; this does not. Every class with images of all groups
    counts once, the others cannot be used. Raises DataError if no class has images of all groups.

    Examples
    --------
    Group 0 is mostly class 0 (x), group 1 mostly class 1 (y); inside a class they differ along z alone:

    >>> x, y, z = np.eye(3)
    >>> units, codes, classes = np.stack([x, x, y, x - z, y - z, y - z]), np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 0, 1, 1])
    >>> mean_differences(units, codes).round(2).tolist(), mean_differences_within(units, codes, classes).tolist()
    ([[0.33, -0.33, 1.0]], [[0.0, 0.0, 1.0]])
    """
    groups, kinds = int(codes.max()) + 1, int(classes.max()) + 1
    counts = np.bincount(classes * groups + codes, minlength=kinds * groups).reshape(kinds, groups)
    complete = np.flatnonzero((counts > 0).all(axis=1))
    if not len(complete):
        raise DataError("no true answer has images of all groups", fix="choose a method that does not compare within true answers")
    weights = np.where(np.isin(classes, complete), 1 / (len(complete) * counts[classes, codes]), 0.0)
    return _less_last(units, codes, weights)


def _less_last(units: Float[np.ndarray, "n d"], codes: Int[np.ndarray, "n"], weights: Float[np.ndarray, "n"]) -> Float[np.ndarray, "r d"]:
    """The weighted sum of each group minus that of the last."""
    from scipy.sparse import csr_array

    # Sparse: a table of images by groups would take gigabytes for many of both.
    sums = csr_array((weights, (codes, np.arange(len(codes)))), shape=(int(codes.max()) + 1, len(codes))) @ units
    return np.asarray(sums[:-1] - sums[-1])


@dataclass(frozen=True)
class Whitening:
    """``W = S^(-1/2)`` of embeddings with covariance S, and its inverse. It does not depend on groups, so that many fits share it."""

    matrix: Float[np.ndarray, "d d"]
    inverse: Float[np.ndarray, "d d"]

    @classmethod
    def of(cls, units: Float[np.ndarray, "n d"], shrinkage: float | None = None) -> Whitening:
        """`shrinkage` moves S towards a multiple of the identity, by this share; None: by that of Ledoit and Wolf.

        Without it, n images in nearly as many dimensions have directions in which they hardly vary, which whitening would blow up.
        """
        from sklearn.covariance import ledoit_wolf_shrinkage, shrunk_covariance

        covariance = np.cov(np.asarray(units, float), rowvar=False, bias=True)
        share = float(ledoit_wolf_shrinkage(units)) if shrinkage is None else shrinkage
        values, vectors = np.linalg.eigh(shrunk_covariance(covariance, share))
        roots = np.sqrt(np.maximum(values, values[-1] * np.finfo(float).eps))
        return cls(np.asarray(vectors / roots @ vectors.T), np.asarray(vectors * roots @ vectors.T))


def linear_erasure(directions: Float[np.ndarray, "r d"], whitening: Whitening) -> LinearMap:
    """LEACE without its constant: the least change of embeddings after which no linear function of them covaries with the group.

    ``P = I - W^-1 A A' W``, where the columns of A are an orthonormal basis of W times the directions (`mean_differences`). Oblique: the
    part of an embedding along the directions is replaced by the best linear prediction from its other parts.
    The constant of the published method only moves the mean. Belrose et al. 2023, https://arxiv.org/abs/2306.03819

    Examples
    --------
    Groups differ along x. Embeddings vary by 1 along x and y, with a correlation of .8: x becomes its prediction .8 y.

    >>> whitening = Whitening(*(np.linalg.inv(root := np.array([[2.0, 1.0], [1.0, 2.0]]) / np.sqrt(5)), root))
    >>> linear_erasure(np.array([[1.0, 0.0]]), whitening).matrix.round(3).tolist()
    [[0.0, 0.8], [0.0, 1.0]]
    """
    basis = np.linalg.svd(directions @ whitening.matrix.T, full_matrices=False)[2]
    return LinearMap(whitening.inverse @ basis.T, basis @ whitening.matrix)


# ---- controls ------------------------------------------------------------------------------------------------------------------------


def random_projection(rank: int, dimensions: int, rng: np.random.Generator) -> LinearMap:
    """Orthogonal projection without `rank` random directions."""
    return orthogonal_projection(rng.standard_normal((rank, dimensions)))


def turned_at_random(changed: LinearMap, basis: Float[np.ndarray, "r d"], rng: np.random.Generator) -> LinearMap:
    """Apply a projection's effect on the space spanned by `basis` to a random space of the same dimension."""
    random, _ = np.linalg.qr(rng.standard_normal(basis.T.shape))
    return LinearMap(random @ (basis @ changed.left), (changed.right @ basis.T) @ random.T)
