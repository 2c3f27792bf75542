"""The pairs of each step, and all random draws for them, as pure functions of seed, epoch and index.

No generator state is kept between steps. The seed and the step determine the batch, which is what makes exact resuming possible,
regardless of where a run was stopped. Philox (Salmon et al. 2011) is a keyed function of a counter: streams are selected, not advanced.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Purpose = Literal["order", "held out", "augmentation", "image", "model", "intervention"]
_PURPOSES: dict[Purpose, int] = {"order": 1, "held out": 2, "augmentation": 3, "image": 4, "model": 5, "intervention": 6}
"""Part of the key, so that two purposes never share random numbers."""


def stream(seed: int, purpose: Purpose, epoch: int = 0, index: int = 0) -> np.random.Generator:
    """Return the generator for a purpose, epoch and index.

    Streams never overlap: epoch and index are the upper half of the counter, so it takes 2^128 blocks to reach the next stream.
    """
    key = np.array([seed, _PURPOSES[purpose]], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, index, epoch], np.uint64)))


@lru_cache(maxsize=1)  # drawing the order of twelve million pairs takes as long as a training step
def permutation(seed: int, epoch: int, n: int) -> NDArray[np.integer]:
    """Return the order of an epoch: a permutation of ``range(n)``, drawn once per epoch. It is read-only, and int32 where that suffices."""
    order: NDArray[np.integer] = stream(seed, "order", epoch).permutation(n)
    order = order.astype(np.int32) if n < 2**31 else order
    order.flags.writeable = False  # it stays in the cache
    return order


def split(seed: int, groups: NDArray[np.int64], share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions for training and the held-out ones, both increasing; a group is never on both sides.

    `groups`: int[n], the group of each position. At most ``round(share * n)`` are held out (exactly that many if every group has one
    member): groups are taken in random order, skipping those that would exceed it.

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
    """Return the epoch of a step and its first position in the epoch's order. The incomplete last batch of an epoch is dropped.

    >>> [place(step, n=10, batch=4) for step in range(4)]
    [(0, 0), (0, 4), (1, 0), (1, 4)]
    """
    epoch, within = divmod(step, n // batch)
    return epoch, within * batch


@dataclass(frozen=True)
class Stream:
    """Data that are read sequentially, block by block, and shuffled in a buffer."""

    sizes: tuple[int, ...]
    """Number of pairs in each block."""
    buffer: int
    """Capacity of the shuffle buffer, in pairs."""


@lru_cache(maxsize=2)
def streamed(seed: int, epoch: int, stream_: Stream) -> NDArray[np.int64]:
    """Return the order of an epoch with a shuffle buffer: blocks in random order, each read from its beginning.

    The next pair replaces a random one in the buffer, which is emitted. So the pairs of a step are known without reading data, and no pair
    is emitted more than `buffer` positions before it is read.

    >>> streamed(0, 0, Stream((3, 2), buffer=1)).tolist()
    [3, 4, 0, 1, 2]
    """
    rng = stream(seed, "order", epoch)
    starts = np.concatenate([[0], np.cumsum(stream_.sizes)])
    read = np.concatenate([np.arange(starts[block], starts[block + 1]) for block in rng.permutation(len(stream_.sizes))])
    buffer, rest = read[: stream_.buffer].tolist(), read[stream_.buffer :]
    order = np.empty(len(read), np.int64)
    for at, (slot, pair) in enumerate(zip(rng.integers(0, len(buffer), len(rest)).tolist(), rest.tolist(), strict=True)):
        order[at], buffer[slot] = buffer[slot], pair
    order[len(rest) :] = rng.permutation(buffer)
    order.flags.writeable = False  # it stays in the buffer
    return order


def batch_positions(seed: int, step: int, n: int, batch: int, stream_: Stream | None = None) -> NDArray[np.int64]:
    """Return the positions in ``[0, n)`` of a step's batch. Needs ``batch <= n``."""
    epoch, start = place(step, n, batch)
    order = permutation(seed, epoch, n) if stream_ is None else streamed(seed, epoch, stream_)
    return order[start : start + batch].astype(np.int64)
