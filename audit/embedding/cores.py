"""How the cores of a machine are shared between decoding images and computing with them."""

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
"""What a container may take of the processor (cgroup v2): microseconds, or max, of a period."""
Item = TypeVar("Item")
Done = TypeVar("Done")
MOST_DECODERS, MOST_FOR_ACCELERATOR = 8, 32


class Shares(NamedTuple):
    """Who gets how much."""

    decoders: int
    """Processes that decode, and threads that read and prepare."""
    computing: int
    """Threads of torch."""


def cores() -> int:
    """Return the cores that this process may use: a container often sees many more.

    torch itself counts all that the process may run on, whatever a container's quota: with 2 of 64 its threads wait for each other.
    """
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
        return max(1, min(seen, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # another system, or "max": no limit
        return seen


def on_all_cores(work: Callable[[Item], Done], items: Iterable[Item]) -> Iterator[Done]:
    """Give what `work` makes of each item, in their order; as many are worked on, and taken, ahead as there are cores.

    For work that numpy does without Python's lock. Its products should keep to one thread.
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
    """Share `free` cores.

    On a processor both get all of them: images are decoded ahead, into what the computing leaves idle, and wait once a batch of them is
    ready. An accelerator computes by itself and eats many more images: then all cores decode, and torch keeps one thread.

    Examples
    --------
    >>> shared(2, accelerator=False), shared(64, accelerator=True)
    (Shares(decoders=2, computing=2), Shares(decoders=32, computing=1))
    """
    return Shares(min(MOST_FOR_ACCELERATOR, free), 1) if accelerator else Shares(min(MOST_DECODERS, free), free)


@contextmanager
def computing_with(threads: int) -> Iterator[int]:
    """Let torch compute with at most so many threads, and yield how many it has; fewer that somebody set before are left as they are.

    The rows do not depend on it: a product is cut between threads where no sum is cut.
    """
    torch: Any = sys.modules.get("torch")  # an encoder without torch does not import it for this
    before = torch.get_num_threads() if torch else threads
    if threads >= before:
        yield before
        return
    torch.set_num_threads(threads)
    try:
        yield threads
    finally:
        torch.set_num_threads(before)
