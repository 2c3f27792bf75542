"""Retrieval by group: the group shares among the first `k` images of a query, compared with a target.

The metrics of image retrieval and of ranked lists. Random rankings do not give 0: see `audit.measure.random_rankings`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Shaped


def top_k(scores: Float[np.ndarray, "n"], k: int) -> Int[np.ndarray, "k"]:
    """Indices of the first `k` images, the best first: exactly `k`, and tied scores keep input order.

    Raises ValueError if `k` is not below n: with all images retrieved, every metric is a property of the gallery and not of the model.

    Examples
    --------
    >>> top_k(np.array([0.1, 0.9, 0.9, 0.5]), 2).tolist()
    [1, 2]
    """
    if not 1 <= k < len(scores):
        raise ValueError(f"k = {k} of a gallery of {len(scores)}: k must lie within 1 and {len(scores) - 1}")
    return np.asarray(np.argsort(-np.asarray(scores), kind="stable")[:k])


def best_first(scores: Float[np.ndarray, "n"], names: Iterable[object]) -> Int[np.ndarray, "n"]:
    """Indices of all images, the best first; tied scores are ordered by a hash of the images' names, regardless of their groups.

    In input order, a table sorted by group would put one group first among images with the same score.

    Examples
    --------
    >>> best_first(np.array([0.1, 0.9, 0.5]), "abc").tolist()
    [1, 2, 0]
    >>> [sorted(best_first(np.zeros(3), names).tolist()) for names in ("abc", "cab")]
    [[0, 1, 2], [0, 1, 2]]
    """
    by_name = np.argsort([hashlib.blake2b(str(name).encode(), digest_size=8).hexdigest() for name in names], kind="stable")
    return np.asarray(by_name[np.argsort(-np.asarray(scores)[by_name], kind="stable")])


def skew_at_k(scores: Float[np.ndarray, "n"], in_group: Bool[np.ndarray, "n"], k: int, target: float | None = None) -> float:
    """Log-ratio of a group's share of the top `k` to the share that it should have.

    ``Skew@k = ln(q / p)``: q is the share of the group in the top `k`, p the target.

    Parameters
    ----------
    scores : float[n]
        Similarity of each image to one query. Unitless; higher ranks first; ties keep input order.
    in_group : bool[n]
        Whether each image shows a member of the group.
    k : int
        Images retrieved, ``1 <= k < n``.
    target : float, optional
        Share that the group should have; the default is its share of all images.

    Returns
    -------
    float
        In nats. 0 is proportional; below 0 under-represented. A group that is absent from the top `k` counts as ``q = 1 / k``. ``nan`` if
        the group is empty, or if the target is less than one of `k` images: then even the floor of 1 / k would count as too many.

    Raises
    ------
    ValueError
        If `k` is outside ``[1, n)``: at ``k = n`` the value does not depend on the model.

    References
    ----------
    Geyik, Ambler and Kenthapadi 2019, https://arxiv.org/abs/1905.01989

    Examples
    --------
    Both of the top two belong to a group that has half of the images: ln(1 / .5).

    >>> scores = np.array([0.9, 0.8, 0.2, 0.1])
    >>> round(skew_at_k(scores, np.array([True, True, False, False]), k=2), 3)
    0.693
    """
    shown = np.asarray(in_group, bool)
    count = int(shown[top_k(scores, k)].sum())
    share = float(shown.mean()) if target is None else target
    return float(skews(np.array([count]), k, np.array([share if shown.any() else 0.0]))[0])


def max_skew_at_k(scores: Float[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"], k: int, *, equal: bool = False) -> float:
    """Skew of the group that is most over-represented in the top `k`.

    ``MaxSkew@k = max over groups of ln(q / p)``, as `skew_at_k`.

    Parameters
    ----------
    scores, k
        As in `skew_at_k`.
    groups : str[n]
        Group of each image.
    equal : bool
        Whether every group should have the same share; the default is its share of all images.

    Returns
    -------
    float
        In nats, 0 if each group has its share, never below 0 under the population target. A random ranking gives more than 0. ``nan``
        if no group is estimable.

    References
    ----------
    Geyik, Ambler and Kenthapadi 2019, https://arxiv.org/abs/1905.01989; on CLIP: Berg et al. 2022, https://arxiv.org/abs/2203.11933

    Examples
    --------
    Three of the top four are "a", as are four of all eight: ln(.75 / .5). "b" has one: ln(.25 / .5).

    >>> scores, groups = np.arange(8.0)[::-1], np.array(list("aaabbbba"))
    >>> round(max_skew_at_k(scores, groups, 4), 3), round(min_skew_at_k(scores, groups, 4), 3)
    (0.405, -0.693)
    """
    return _extreme(_group_skews(scores, groups, k, equal), 1)


def min_skew_at_k(scores: Float[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"], k: int, *, equal: bool = False) -> float:
    """Skew of the group that is most under-represented in the top `k`; otherwise like `max_skew_at_k`.

    ``MinSkew@k = min over groups of ln(q / p)``. 0 if each group has its share, never above 0 under the population target.
    Geyik, Ambler and Kenthapadi 2019, https://arxiv.org/abs/1905.01989

    Examples
    --------
    "b" is absent from the top two of four and counts as one half of them: ln(.5 / .5).

    >>> min_skew_at_k(np.array([0.9, 0.8, 0.2, 0.1]), np.array(list("aabb")), 2)
    0.0
    """
    return _extreme(_group_skews(scores, groups, k, equal), -1)


def ndkl(
    scores: Float[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"], k: int | None = None, *, equal: bool = False, start: int = 1
) -> float:
    """Divergence of the group shares in every prefix of a ranking from the target, with more weight on early positions.

    ``NDKL = (1 / Z) sum over i of KL(D_i || D*) / log2(i + 1)``, ``Z = sum over i of 1 / log2(i + 1)``: D_i are the groups' shares of the
    first i, D* the target.

    Parameters
    ----------
    scores, groups, equal
        As in `max_skew_at_k`.
    k : int, optional
        Length of the ranked list; the default is all images.
    start : int
        First prefix that counts. A prefix of one image always diverges, so the value is above 0 even for the best possible ranking.

    Returns
    -------
    float
        In nats, at least 0; lower is more even. Compare it with the range under random rankings, never with 0.

    References
    ----------
    Geyik, Ambler and Kenthapadi 2019, https://arxiv.org/abs/1905.01989

    Examples
    --------
    Two equally large groups that alternate: the prefixes diverge by ln 2, 0, .057 and 0.

    >>> round(ndkl(np.array([0.4, 0.3, 0.2, 0.1]), np.array(list("abab"))), 4)
    0.2816
    """
    codes = np.unique(groups, return_inverse=True)[1]
    order = np.argsort(-np.asarray(scores), kind="stable")[: len(scores) if k is None else k]
    return float(divergence(codes[order][None], shares(np.bincount(codes), equal=equal), start=start)[0])


def bias_at_k(scores: Float[np.ndarray, "q n"], groups: Shaped[np.ndarray, "n"], k: int, first: str, second: str) -> float:
    """How many more of the top `k` belong to one group than to another, on average over queries.

    ``Bias@K = mean over queries of (N_first - N_second) / (N_first + N_second)``; 0 for a query that retrieves neither.

    Parameters
    ----------
    scores : float[q, n]
        Similarity of each image to each query.
    groups : str[n]
        Group of each image; images of other groups may be retrieved and count for neither.
    k : int
        Images retrieved for each query, ``1 <= k < n``.
    first, second : str
        The two groups; positive values favour the first.

    Returns
    -------
    float
        From -1 to 1. 0 is equally many of both over all queries; opposite biases of two queries cancel, which `abs_bias_at_k` shows.

    References
    ----------
    Wang, Liu and Wang 2021, https://arxiv.org/abs/2109.05433

    Examples
    --------
    One query retrieves two of "a", the other two of "b".

    >>> scores, groups = np.array([[4.0, 3, 2, 1], [1.0, 2, 3, 4]]), np.array(list("aabb"))
    >>> bias_at_k(scores, groups, 2, "a", "b"), abs_bias_at_k(scores, groups, 2, "a", "b")
    (0.0, 1.0)
    """
    return float(query_biases(_two_counts(scores, groups, k, (first, second))).mean())


def abs_bias_at_k(scores: Float[np.ndarray, "q n"], groups: Shaped[np.ndarray, "n"], k: int, first: str, second: str) -> float:
    """Mean over queries of the absolute `bias_at_k`: opposite biases do not cancel.

    From 0 to 1; 0 is equally many of both for every query, which random rankings do not give.
    Kong et al. 2023, https://arxiv.org/abs/2305.13925

    Examples
    --------
    >>> abs_bias_at_k(np.array([[4.0, 3, 2, 1]]), np.array(list("abab")), 2, "a", "b")
    0.0
    """
    return float(np.abs(query_biases(_two_counts(scores, groups, k, (first, second)))).mean())


def normalized_entropy_at_k(scores: Float[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"], k: int) -> float:
    """Entropy of the groups' shares of the top `k`, divided by that of equal shares.

    ``H / ln|A|``, ``H = -sum over groups of q ln q``: q is a group's share of the top `k`, A the groups of the gallery.

    Parameters
    ----------
    scores, groups, k
        As in `max_skew_at_k`.

    Returns
    -------
    float
        From 0, if all of the top `k` are of one group, to 1, if each group has the same share, regardless of its share of all images:
        compare it with the range under random rankings. ``nan`` if the gallery has a single group.

    Raises
    ------
    ValueError
        If `k` is outside ``[1, n)``.

    References
    ----------
    Hamidieh, Zhang, Gerych, Hartvigsen and Ghassemi 2024 (So-B-IT), https://arxiv.org/abs/2411.00997

    Examples
    --------
    Three of the top four are "a", with two groups: (.75 ln(4 / 3) + .25 ln 4) / ln 2.

    >>> round(normalized_entropy_at_k(np.arange(8.0)[::-1], np.array(list("aaabbbba")), 4), 3)
    0.811
    """
    names, codes = np.unique(groups, return_inverse=True)
    return float(entropies(np.bincount(codes[top_k(scores, k)], minlength=len(names))))


# ---- on counts: shared by the public metrics and their null distributions -------------------------------------------------------------


def shares(sizes: Int[np.ndarray, "g"], *, equal: bool = False) -> Float[np.ndarray, "g"]:
    """The target: each group's share of the gallery, or the same for every group that has images."""
    counted = (sizes > 0).astype(float) if equal else sizes.astype(float)
    return np.asarray(counted / counted.sum())


def skews(counts: Int[np.ndarray, "*b g"], k: int, target: Float[np.ndarray, "g"]) -> Float[np.ndarray, "*b g"]:
    """The skew of each group from its images among the first `k`; NaN if the target is under one image."""
    # Not `k * target < 1` alone: rounding may make the product of a share and k slightly less than a whole image.
    estimable = k * target > 1 - 1e-9
    values = np.log(np.maximum(counts, 1) / (k * np.where(estimable, target, 1.0)))
    return np.where(estimable, values, np.nan)


def divergence(ranked: Int[np.ndarray, "*b k"], target: Float[np.ndarray, "g"], *, start: int = 1) -> Float[np.ndarray, "*b"]:
    """The NDKL of rankings that are given as the group number at each position."""
    places = np.arange(1, ranked.shape[-1] + 1)
    weights = np.where(places >= start, 1 / np.log2(places + 1), 0.0)
    total = np.zeros(ranked.shape)
    # c ln c from a table: counts are integers, and a logarithm for each prefix of each draw would take most of the time.
    whole = np.arange(len(places) + 1)
    table = whole * np.log(np.maximum(whole, 1))
    for group, share in enumerate(target):
        if share > 0:
            total += (table - whole * np.log(share))[np.cumsum(ranked == group, axis=-1, dtype=np.int32)]
    return np.asarray((total / places - np.log(places)) @ weights / weights.sum())


def entropies(counts: Int[np.ndarray, "*b g"]) -> Float[np.ndarray, "*b"]:
    """The normalised entropy of counts of groups; NaN for a single group."""
    share = counts / counts.sum(axis=-1, keepdims=True)
    surprise = np.log(1 / np.where(share > 0, share, 1.0))
    groups = counts.shape[-1]
    return np.asarray((share * surprise).sum(axis=-1) / (np.log(groups) if groups > 1 else np.nan))


def query_biases(counts: Int[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b"]:
    """The signed bias of each query from its numbers of images of both groups; 0 if it retrieves neither."""
    return np.asarray((counts[..., 0] - counts[..., 1]) / np.maximum(counts.sum(axis=-1), 1))


def _two_counts(scores: Float[np.ndarray, "q n"], groups: Shaped[np.ndarray, "n"], k: int, pair: tuple[str, str]) -> Int[np.ndarray, "q 2"]:
    return np.array([[(groups[top_k(query, k)] == group).sum() for group in pair] for query in scores])


def _group_skews(scores: Float[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"], k: int, equal: bool) -> Float[np.ndarray, "g"]:
    names, codes = np.unique(groups, return_inverse=True)
    return skews(np.bincount(codes[top_k(scores, k)], minlength=len(names)), k, shares(np.bincount(codes), equal=equal))


def _extreme(values: Float[np.ndarray, "g"], sign: int) -> float:
    known = values[np.isfinite(values)]
    return float(sign * (sign * known).max()) if len(known) else float("nan")
