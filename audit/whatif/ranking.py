"""What-if for retrieval: another order, in which every group keeps its share at every place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_SLACK = 1e-9


def rerank(scores: Float[np.ndarray, "n"], codes: Int[np.ndarray, "n"], shares: Float[np.ndarray, "g"], k: int) -> Int[np.ndarray, "k"]:
    """Order the first `k` images so that each group has its share of the first `i`, for every `i`, within one place.

    At place `i` the best image of the groups below ``floor(share i)``; if none is below, the best of those below ``ceil(share i)``. Tied
    scores keep input order; a group that runs out leaves its places to the best of the others. With true labels as `codes` the result is
    a bound that no system reaches: say so.

    References
    ----------
    Geyik, Ambler and Kenthapadi 2019, algorithm DetGreedy, https://arxiv.org/abs/1905.01989

    Examples
    --------
    >>> rerank(np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 1, 1]), np.array([0.5, 0.5]), 4).tolist()
    [0, 2, 1, 3]
    """
    if not (1 <= k <= len(scores)):
        raise ValueError(f"k must lie within 1 and {len(scores)}, not {k}")
    if not np.isclose(np.sum(shares), 1):
        raise ValueError("the shares of the groups must sum to 1")
    order = np.argsort(-scores, kind="stable")
    queues = [order[codes[order] == group][::-1].tolist() for group in range(len(shares))]
    taken, chosen = np.zeros(len(shares), int), []
    for place in range(1, k + 1):
        left = np.array([bool(queue) for queue in queues])
        below = left & (taken < np.floor(place * shares + _SLACK))
        if not below.any():
            below = left & (taken < np.ceil(place * shares - _SLACK))
        candidates = np.flatnonzero(below if below.any() else left)
        # The first of equals in score is the one that came first.
        best = min(candidates, key=lambda group: (-scores[queues[group][-1]], queues[group][-1]))
        chosen.append(queues[best].pop())
        taken[best] += 1
    return np.array(chosen)


def ndcg(order: Int[np.ndarray, "k"], gains: Float[np.ndarray, "n"]) -> float:
    """Normalised discounted cumulative gain: 1 where no order of `k` images gathers more; NaN where nothing can be gained.

    References
    ----------
    Järvelin and Kekäläinen 2002, https://doi.org/10.1145/582415.582418

    Examples
    --------
    Gains 1, 0, 1 where 1, 1, 0 was possible: (1 + 1/2) / (1 + 1/log2(3)).

    >>> round(ndcg(np.array([0, 1, 2]), np.array([1.0, 0.0, 1.0])), 4)
    0.9197
    """
    discounts = 1 / np.log2(np.arange(2, len(order) + 2))
    best = float(np.sort(gains)[::-1][: len(order)] @ discounts)
    return float(gains[order] @ discounts) / best if best > 0 else float("nan")
