"""Times a 16-bit dtype against float32 on the first images of a long run, because some processors compute it more slowly.

A processor without matrix units for 16 bits converts them for every product. The user's choice is not changed; one line of the log names
the factor. It depends on the machine and its load, so results do not contain it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from audit.models.runtime import out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger("audit")
Start = Callable[[Sequence["Tensor"], int], Any]
"""Starts a batch of prepared images that is padded to a size; the result's method ``rows`` waits for it."""
IMAGES = 8
"""Images in a timed batch."""
REPEATS = 2
"""Timed batches of each dtype, after one that is not counted. The trial takes as long as about 50 images."""
FROM_IMAGES = 500
"""Images from which a run is worth the trial."""
MOST_PARAMETERS = 500_000_000
"""Larger models are not copied: in float32 this many take 2 GB."""


def is_worth_a_trial(images: int, parameters: int) -> bool:
    """Whether a run over so many images is timed."""
    return images >= FROM_IMAGES and parameters <= MOST_PARAMETERS


def compare_with_float32(dtype: str, start: Start, in_float32: Callable[[], Start], prepared: Sequence[Tensor]) -> None:
    """Log how fast `start` computes prepared images in a 16-bit dtype, compared with what `in_float32` returns: the same in float32."""
    images = prepared[:IMAGES]
    try:
        start_wide = in_float32()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        log.debug("%s was not timed against float32: memory does not suffice for both", dtype)
        return
    speed = relative_speed(lambda: start(images, IMAGES).rows(), lambda: start_wide(images, IMAGES).rows())
    if speed < 1:
        log.warning("%s is %.2f times as fast as float32 on this processor: without --dtype, the run is faster and exact", dtype, speed)
    else:
        log.info("%s is %.2f times as fast as float32 on this processor", dtype, speed)


def relative_speed(first: Callable[[], object], second: Callable[[], object]) -> float:
    """How many times as fast `first` is as `second`: the shortest time of each, in turn."""
    seconds: dict[Callable[[], object], list[float]] = {first: [], second: []}
    for _ in range(REPEATS + 1):
        for call, taken in seconds.items():
            started = time.perf_counter()
            call()
            taken.append(time.perf_counter() - started)
    return min(seconds[second][1:]) / min(seconds[first][1:])
