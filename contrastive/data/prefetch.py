"""Prepares batches while the previous step is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def prefetched(make: Callable[[int], T], steps: Iterable[int], depth: int) -> Generator[T, None, None]:
    """Yield ``make(step)`` for each step in order, up to `depth` of them made in advance by a thread; with 0, each on demand.

    `make` is called once per step, never concurrently; its exceptions are raised at their step. Closing the iterator ends the thread.

    >>> list(prefetched(lambda step: step**2, range(4), depth=2))
    [0, 1, 4, 9]
    """
    if depth == 0:
        yield from map(make, steps)
        return
    coming = iter(steps)
    pool = ThreadPoolExecutor(1, "batches")
    try:
        waiting: deque[Future[T]] = deque(pool.submit(make, step) for step in islice(coming, depth))
        while waiting:
            ready = waiting.popleft().result()
            waiting.extend(pool.submit(make, step) for step in islice(coming, 1))
            yield ready
    finally:
        pool.shutdown(cancel_futures=True)
