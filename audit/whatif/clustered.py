"""Before and after where images come in clusters: whole clusters are drawn, since the images of one are not as many cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

BLOCK = 512
"""Draws at a time: ten thousand clusters would not fit all at once."""


def cells_by_cluster(
    owner: pd.Series, cell: Int[np.ndarray, "n"], counted: Bool[np.ndarray, "n"], used: Bool[np.ndarray, "g"]
) -> Int[np.ndarray, "c g 4"]:
    """Count the images of each cluster by group and by event before x event after."""
    number, names = pd.factorize(owner)
    width = 4 * len(used)
    counts = np.bincount((number * width + cell)[counted], minlength=width * len(names))
    return counts.reshape(len(names), len(used), 4)[:, used]


def resample_whole(by_cluster: Int[np.ndarray, "c g 4"], draws: int, rng: np.random.Generator) -> Int[np.ndarray, "b g 4"]:
    """Draw whole clusters anew; a draw without an image of some group says nothing about it and is left out."""
    clusters = len(by_cluster)
    drawn = []
    for start in range(0, draws, BLOCK):
        weights = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=min(BLOCK, draws - start))
        drawn.append(np.tensordot(weights, by_cluster, axes=(1, 0)))
    cells = np.concatenate(drawn)
    return np.asarray(cells[(cells.sum(axis=2) > 0).all(axis=1)])
