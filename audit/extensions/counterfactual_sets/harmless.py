"""The same images after changes that do not affect the person shown: answers that flip are noise, not a response to people."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from PIL import Image, ImageOps

from audit.types import Dataset
from strictio.images.decode import MIN_SIDE, decode
from strictio.images.lazy import LazyImages, encode_png

CROPPED = 0.05
"""Fraction of width and height that a crop removes, half of it at either end."""
QUALITY = 75
"""JPEG quality: Pillow's default is 75, too."""


def _cropped(picture: Image.Image) -> bytes:
    width, height = picture.size
    across, down = (min(max(1, round(side * CROPPED / 2)), (side - MIN_SIDE) // 2) for side in (width, height))
    return encode_png(picture.crop((across, down, width - across, height - down)))


def _mirrored(picture: Image.Image) -> bytes:
    return encode_png(ImageOps.mirror(picture))


def _as_jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


HARMLESS: Mapping[str, Callable[[Image.Image], bytes]] = {"crop": _cropped, "mirror": _mirrored, "JPEG": _as_jpeg}
"""Name of a change -> function that applies it."""


def harmless(dataset: Dataset, rows: Sequence[int]) -> Dataset:
    """Some images of a data set under each change of `HARMLESS`, computed on demand: all under the first change, then under the second ...

    Examples
    --------
    >>> from audit.testing import four_faces
    >>> [decode(image).image.size for image in harmless(four_faces(), [0, 3]).images]
    [(14, 14), (14, 14), (16, 16), (16, 16), (16, 16), (16, 16)]
    """
    changes = tuple(HARMLESS.values())

    def changed(position: int) -> bytes:
        change, index = divmod(position, len(rows))
        return changes[change](decode(dataset.images[rows[index]]).image)

    places = [*rows] * len(changes)
    return replace(dataset, images=LazyImages(len(places), changed), attributes=dataset.attributes.iloc[places])
