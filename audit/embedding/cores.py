"""Divides the cores of a machine between decoding images and computing on them."""

from __future__ import annotations

import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""CPU limit of a container (cgroup v2): microseconds, or max, per period."""
Item = TypeVar("Item")
Done = TypeVar("Done")
MOST_DECODERS, MOST_FOR_ACCELERATOR = 8, 32


class Shares(NamedTuple):
    """Number of processes and threads for each purpose."""

    decoders: int
    """Processes for decoding, and threads for reading and preparing."""
    computing: int
    """Threads of torch."""


def cores() -> int:
    """Number of cores that this process may use, which in a container is often less than the machine has.

    torch itself ignores a container's quota: with 2 of 64 cores its threads would wait for each other.
    """
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, min(seen, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # another system, or "max": no limit
        return seen


def on_all_cores(work: Callable[[Item], Done], items: Iterable[Item]) -> Iterator[Done]:
    """Yield the result of `work` for each item, in order, computed in parallel on all cores with bounded lookahead.

    For work in numpy that releases the GIL. Its matrix products should use one thread.
    """
    waiting: deque[Future[Done]] = deque()
    ahead = cores()
    with ThreadPoolExecutor(ahead) as threads:
        for item in items:
            waiting.append(threads.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def shared(free: int, *, accelerator: bool) -> Shares:
    """Divide `free` cores.

    On a CPU both get all cores: images are decoded ahead while computing leaves cores idle, and wait once a batch is
    ready. An accelerator computes by itself and needs many more images: then all cores decode, and torch gets one thread.

    Examples
    --------
    >>> shared(2, accelerator=False), shared(64, accelerator=True)
    (Shares(decoders=2, computing=2), Shares(decoders=32, computing=1))
    """
    return Shares(min(MOST_FOR_ACCELERATOR, free), 1) if accelerator else Shares(min(MOST_DECODERS, free), free)


@contextmanager
def computing_with(threads: int) -> Iterator[int]:
    """Limit torch to this number of threads, and yield the actual number; a lower existing limit stays.

    The rows do not depend on it: products are divided between threads, but sums are not.
    """
    torch: Any = sys.modules.get("torch")  # do not import torch only for this
    before = torch.get_num_threads() if torch else threads
    if threads >= before:
        yield before
        return
    torch.set_num_threads(threads)
    try:
        yield threads
    finally:
        torch.set_num_threads(before)
