"""Crops images by boxes, each on demand.

An image is decoded like any other: in a separate process with limits of time and memory, and upright. The crop is encoded losslessly, and
its bytes are hashed, so that the cache key of an embedding depends on what the model saw.
"""

from __future__ import annotations

import math
import os
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock

from PIL import Image

from audit.data.cells.boxes import OUTSIDE, Box, Region, read_boxes
from audit.data.cells.votes import level_counts
from audit.data.schema import Attributes, Cells
from audit.errors import DataError
from audit.types import Exclusion, Note
from strictio.images.decode import UnreadableImage
from strictio.images.decoders import Decoders
from strictio.images.lazy import LazyImages, encode_png

_DIGITS = 6
"""Decimal digits of a pixel coordinate that count: 0.3 times 10 is slightly more than 3."""


def crops(read: Callable[[int], bytes], names: Sequence[str], regions: Sequence[Region], box: Box) -> LazyImages:
    """The crop of each row: `read` returns the encoded image of a row, `names` says which rows share one."""
    pictures = _Pictures(read, names)

    def crop(row: int) -> bytes:
        image = pictures.decoded(row)
        return encode_png(image.crop(edges(regions[row], image.size, box)))

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


# Turns rows about boxes in images into rows about crops; rows without a usable box are left out and counted by group.


PICTURE = "picture"
"""The attribute that says which image a crop is from: crops from one image form a cluster."""
_EXAMPLES = 10


def cropped(
    images: Sequence[bytes], ids: Sequence[str], attributes: Attributes, cells: Cells, box: Box
) -> tuple[LazyImages, list[str], Attributes, Cells, tuple[Exclusion, ...]]:
    """The crops of the rows that have a box, their identifiers, their attributes with `picture`, and the rows left out.

    A crop is identified by its image and box: ``1.jpg#10,20,30,40`` (numbers as in the table). Raises DataError if no row has a box.
    """
    boxes = read_boxes(box, cells.columns, cells.where, cells.place)
    rows = [row for row, region in enumerate(boxes) if not isinstance(region, str)]
    if not rows:
        why = ", ".join(f"{count} with {reason}" for reason, count in Counter(map(str, boxes)).items())
        raise DataError(f"no row of {cells.place} has a box that can be used", why=why, fix="check the columns of the box")
    regions = [region for region in boxes if not isinstance(region, str)]
    pictures = [ids[row] for row in rows]
    columns = {name: [values[row] for row in rows] for name, values in attributes.columns.items()}
    kept = replace(attributes, columns={**columns, PICTURE: pictures})
    return (
        crops(lambda index: images[rows[index]], pictures, regions, box),
        _named(pictures, regions, list(zip(*columns.values(), strict=True)) if columns else [()] * len(rows)),
        kept,
        replace(cells, columns={}, numbers=[cells.numbers[row] for row in rows]),
        _left_out(boxes, ids, attributes),
    )


def _named(pictures: Sequence[str], regions: Sequence[Region], labels: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each crop that does not depend on the order of the rows; two people with the same box get different names."""
    names = [f"{picture}#{','.join(f'{edge:g}' for edge in region)}" for picture, region in zip(pictures, regions, strict=True)]
    labels_of: dict[str, list[tuple[str, ...]]] = {}
    for name, label in zip(names, labels, strict=True):
        labels_of.setdefault(name, []).append(label)
    several = {name: sorted(set(values)) for name, values in labels_of.items() if len(set(values)) > 1}
    return [f"{name} ({several[name].index(label) + 1})" if name in several else name for name, label in zip(names, labels, strict=True)]


def _left_out(boxes: Sequence[Region | str], ids: Sequence[str], attributes: Attributes) -> tuple[Exclusion, ...]:
    reasons: dict[str, list[int]] = {}
    for row, reason in enumerate(boxes):
        if isinstance(reason, str):
            reasons.setdefault(reason, []).append(row)
    return tuple(
        Exclusion(Note(reason.replace(" ", "_")), len(rows), _by_level(attributes, rows), tuple(ids[row] for row in rows[:_EXAMPLES]))
        for reason, rows in sorted(reasons.items())
    )


def _by_level(attributes: Attributes, rows: Sequence[int]) -> dict[str, dict[str, int]]:
    """Count rows by attribute and level; a row with several values counts for each of them."""
    return {
        name: level_counts((values[row] for row in rows), several=name in attributes.several) for name, values in attributes.columns.items()
    }
