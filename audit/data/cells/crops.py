"""Crops images by boxes, each on demand.

An image is decoded like any other: in a separate process with limits of time and memory, and upright. The crop is encoded losslessly, and
its bytes are hashed, so that the cache key of an embedding depends on what the model saw.
"""

from __future__ import annotations

import io
import math
import os
import weakref
from collections.abc import Callable, Sequence
from threading import Lock

from PIL import Image

from audit.data.cells.boxes import OUTSIDE, Box, Region
from strictio.images.decode import UnreadableImage
from strictio.images.decoders import Decoders
from strictio.images.lazy import LazyImages

_DIGITS = 6
"""Decimal digits of a pixel coordinate that count: 0.3 times 10 is slightly more than 3."""


def crops(read: Callable[[int], bytes], names: Sequence[str], regions: Sequence[Region], box: Box) -> LazyImages:
    """The crop of each row: `read` returns the encoded image of a row, `names` says which rows share one."""
    pictures = _Pictures(read, names)

    def crop(row: int) -> bytes:
        image = pictures.decoded(row)
        buffer = io.BytesIO()
        image.crop(edges(regions[row], image.size, box)).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    return LazyImages(len(names), crop)


def edges(region: Region, size: tuple[int, int], box: Box) -> tuple[int, int, int, int]:
    """The pixels of a box in an image of this size, with its margin, clipped to the image.

    Every pixel that the box touches belongs to it. Raises UnreadableImage if the box itself, without its margin, is outside the image.

    Examples
    --------
    >>> edges((0.5, 0.0, 1.0, 0.5), (100, 40), Box(("box",), shares=True, margin=0.1))
    (45, 0, 100, 22)
    """
    width, height = size
    across, down = (width, height) if box.shares else (1, 1)
    left, top, right, bottom = region[0] * across, region[1] * down, region[2] * across, region[3] * down
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        raise UnreadableImage(OUTSIDE)
    x, y = box.margin * (right - left), box.margin * (bottom - top)
    return (
        max(math.floor(round(left - x, _DIGITS)), 0), max(math.floor(round(top - y, _DIGITS)), 0),
        min(math.ceil(round(right + x, _DIGITS)), width), min(math.ceil(round(bottom + y, _DIGITS)), height),
    )  # fmt: skip


class _Pictures:
    """Decodes images, and caches the last one: the boxes of one image are mostly adjacent."""

    def __init__(self, read: Callable[[int], bytes], names: Sequence[str]):
        self._read, self._names = read, names
        self._decoders = Decoders(min(8, os.cpu_count() or 1))
        self._last: tuple[str, Image.Image] | None = None
        self._lock = Lock()
        weakref.finalize(self, self._decoders.close)  # stops the processes when the data set is collected

    def decoded(self, row: int) -> Image.Image:
        """The image of a row; raises `UnreadableImage`. Thread-safe."""
        name = self._names[row]
        with self._lock:
            last = self._last
        if last is not None and last[0] == name:
            return last[1]
        image = self._decoders.decode(self._read(row)).image
        with self._lock:
            self._last = name, image
        return image
