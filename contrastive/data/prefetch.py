"""Batches made ready while the step before them is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def prefetched(make: Callable[[int], T], steps: Iterable[int], depth: int) -> Generator[T, None, None]:
    """Yield ``make(step)`` for each step in order, up to `depth` of them made in advance by a thread; 0 makes each when it is asked for.

    `make` is called once for each step, never twice at a time; what it raises is raised at its step. Closing it ends the thread.

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
