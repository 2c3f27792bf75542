"""The pairs of each step, and all random draws for them, as pure functions of seed, epoch and index.

No generator state is kept between steps. The seed and the step determine the batch, which is what makes exact resuming possible,
regardless of where a run was stopped. Philox (Salmon et al. 2011) is a keyed function of a counter: streams are selected, not advanced.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Purpose = Literal["order", "held out", "augmentation", "image", "model", "intervention", "sampling"]
_PURPOSES: dict[Purpose, int] = {
    "order": 1, "held out": 2, "augmentation": 3, "image": 4, "model": 5, "intervention": 6, "sampling": 7,
}  # fmt: skip
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


@dataclass(frozen=True, eq=False)  # compared by identity, so that it can be the key of a cache
class Subset:
    """n pairs that are left of a larger number, and are drawn in the order that they have among all of them."""

    position_n: NDArray[np.int64]
    """Positions among all, increasing."""
    whole: int
    """How many all are."""


@lru_cache(maxsize=2)
def left_of(seed: int, epoch: int, subset: Subset) -> NDArray[np.int64]:
    """Return the order of an epoch of a subset: a permutation of ``range(n)``.

    >>> left_of(0, 0, Subset(np.array([0, 2, 3]), 5)).tolist() == [
    ...     [0, 2, 3].index(pair) for pair in permutation(0, 0, 5).tolist() if pair in (0, 2, 3)
    ... ]
    True
    """
    number = np.full(subset.whole, -1)
    number[subset.position_n] = np.arange(len(subset.position_n))
    order: NDArray[np.int64] = number[permutation(seed, epoch, subset.whole)]
    order = order[order >= 0]
    order.flags.writeable = False  # it stays in the cache
    return order


@dataclass(frozen=True, eq=False)  # compared by identity, so that it can be the key of a cache
class Sampling:
    """How often each of n pairs is drawn in an epoch of n draws."""

    expected_n: NDArray[np.float64]
    """Mean number of draws of each pair; the sum is the number of draws in an epoch."""
    group_n: NDArray[np.int64]
    """Group of each pair: the number of its draws is exact up to rounding, too."""
    replacement: bool = False
    """Whether pairs are drawn independently of each other, so that counts vary as chance has it."""

    @cached_property
    def draws(self) -> int:
        """Number of draws in an epoch."""
        return round(float(self.expected_n.sum()))

    @classmethod
    def balanced(cls, group_n: NDArray[np.int64], draws: int = 0) -> Sampling:
        """Every group is drawn equally often, and so is every pair of a group.

        >>> Sampling.balanced(np.array([0, 0, 0, 1])).expected_n.round(3).tolist()
        [0.667, 0.667, 0.667, 2.0]
        """
        _, number_n, counts_g = np.unique(group_n, return_inverse=True, return_counts=True)
        return cls.weighted(1 / counts_g[number_n], group_n, draws)

    @classmethod
    def weighted(
        cls, weight_n: NDArray[np.float64], group_n: NDArray[np.int64] | None = None, draws: int = 0, replacement: bool = False
    ) -> Sampling:
        """Pairs are drawn in proportion to their weights, which are not negative, with a positive sum. `draws`: 0 for as many as pairs."""
        relative_n = weight_n / weight_n.max()  # their sum is neither infinite nor almost 0
        expected_n = relative_n * ((draws or len(weight_n)) / relative_n.sum())
        return cls(expected_n, np.zeros(len(weight_n), np.int64) if group_n is None else group_n, replacement)


@lru_cache(maxsize=2)
def drawn(seed: int, epoch: int, sampling: Sampling) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions drawn in an epoch, increasing, and how often each was drawn before in the epoch (0, 1, 2 for equal ones).

    A systematic sample (Madow 1949, https://doi.org/10.1214/aoms/1177730208): the expected draws are laid end to end, the pairs of a group
    in random order next to each other, and cut by a ruler of step 1 with a random start. So a pair with 2.4 expected draws is drawn 2 or
    3 times, a group with 100 expected draws 100 times.

    >>> [part.tolist() for part in drawn(0, 0, Sampling(np.array([1.0, 0.0, 3.0, 0.0]), np.zeros(4, int)))]
    [[0, 2, 2, 2], [0, 0, 1, 2]]
    """
    rng, n = stream(seed, "sampling", epoch), sampling.draws
    positions = _independent(rng, sampling) if sampling.replacement else _systematic(rng, sampling)
    before = np.arange(n) - np.searchsorted(positions, positions)
    for array in (positions, before):
        array.flags.writeable = False  # they stay in the cache
    return positions, before


def _independent(rng: np.random.Generator, sampling: Sampling) -> NDArray[np.int64]:
    ends = np.cumsum(sampling.expected_n)
    return np.sort(np.searchsorted(ends, rng.random(sampling.draws) * ends[-1], side="right"))


def _systematic(rng: np.random.Generator, sampling: Sampling) -> NDArray[np.int64]:
    n = sampling.draws
    pairs = rng.permutation(len(sampling.expected_n))
    pairs = pairs[np.argsort(sampling.group_n[pairs], kind="stable")]
    ends = np.minimum(np.cumsum(sampling.expected_n[pairs]), n)  # rounding of the sum must not add a draw
    ends[-1] = n
    times = np.diff(np.floor(ends + rng.random()), prepend=0.0).astype(np.int64)
    return np.sort(np.repeat(pairs, times))


def _order(seed: int, epoch: int, n: int, source: Stream | Subset | None) -> NDArray[np.integer]:
    if source is None:
        return permutation(seed, epoch, n)
    return streamed(seed, epoch, source) if isinstance(source, Stream) else left_of(seed, epoch, source)


def batch_positions(
    seed: int, step: int, n: int, batch: int, source: Stream | Subset | None = None, sampling: Sampling | None = None
) -> NDArray[np.int64]:
    """Return the positions in ``[0, n)`` of a step's batch. Needs ``batch <= n``."""
    return batch_draws(seed, step, n, batch, source, sampling)[0]


def batch_draws(
    seed: int, step: int, n: int, batch: int, source: Stream | Subset | None = None, sampling: Sampling | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of a step's batch, and how often each was drawn before in its epoch."""
    epoch, start = place(step, n, batch)
    positions, before = (None, None) if sampling is None else drawn(seed, epoch, sampling)
    if positions is not None and isinstance(source, Stream):  # of each block, what was drawn of it is read
        source = Stream(tuple(np.diff(np.searchsorted(positions, np.cumsum([0, *source.sizes]))).tolist()), source.buffer)
    order = _order(seed, epoch, n, source)
    chosen = order[start : start + batch].astype(np.int64)
    if positions is None or before is None:
        return chosen, np.zeros(batch, np.int64)
    return positions[chosen], before[chosen]
