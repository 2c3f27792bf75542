"""Which pairs a step sees, and every draw made for one of them: pure functions of seed, epoch and index.

No generator lives from one step to the next. Whoever knows the seed and the step knows the batch, whenever and wherever the run was
stopped: that is all of exact resume. Philox (Salmon et al. 2011) is a keyed function of a counter: streams are chosen, not advanced.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Purpose = Literal["order", "held out", "augmentation", "image", "model"]
_PURPOSES: dict[Purpose, int] = {"order": 1, "held out": 2, "augmentation": 3, "image": 4, "model": 5}
"""Part of the key, so that no purpose ever sees the numbers of another."""


def stream(seed: int, purpose: Purpose, epoch: int = 0, index: int = 0) -> np.random.Generator:
    """Return the generator for one purpose, epoch and index.

    Two never overlap: epoch and index are the upper half of the counter; a stream would have to draw 2^128 blocks to reach its neighbour.
    """
    key = np.array([seed, _PURPOSES[purpose]], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, index, epoch], np.uint64)))


def permutation(seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """Return the order of one epoch: every number below `n` once."""
    return stream(seed, "order", epoch).permutation(n)


def split(seed: int, groups: NDArray[np.int64], share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions for training and the held-out ones, both increasing; a group is never on both sides.

    `groups`: int[n], the group of each position. Up to ``round(share * n)`` are held out, so many where every group has one member:
    groups are taken in a random order, those that would be too many left out.

    >>> split(0, np.array([7, 7, 7, 7, 3, 3]), share=0.4)
    (array([0, 1, 2, 3]), array([4, 5]))
    """
    most, members = round(share * len(groups)), np.argsort(groups, kind="stable")
    _, first, sizes = np.unique(groups[members], return_index=True, return_counts=True)
    number = np.empty(len(groups), np.int64)
    number[members] = np.repeat(np.arange(len(sizes)), sizes)
    held_out, count = np.zeros(len(groups), bool), 0
    for group in number[stream(seed, "held out").permutation(len(groups))] if most else ():
        own = members[first[group] : first[group] + sizes[group]]
        if count + len(own) <= most and not held_out[own[0]]:
            held_out[own] = True
            count += len(own)
            if count == most:
                break
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def place(step: int, n: int, batch: int) -> tuple[int, int]:
    """Return the epoch of a step and its first position in that epoch's order. The last, incomplete batch of an epoch is dropped.

    >>> [place(step, n=10, batch=4) for step in range(4)]
    [(0, 0), (0, 4), (1, 0), (1, 4)]
    """
    epoch, within = divmod(step, n // batch)
    return epoch, within * batch


def batch_positions(seed: int, step: int, n: int, batch: int) -> NDArray[np.int64]:
    """Return the positions in ``[0, n)`` that a step sees. Needs ``batch <= n``."""
    epoch, start = place(step, n, batch)
    return permutation(seed, epoch, n)[start : start + batch]
