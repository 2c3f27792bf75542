"""Sequences of encoded images that are read, or made and encoded, when asked for."""

from __future__ import annotations

import io
import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, overload

if TYPE_CHECKING:
    from PIL import Image


class LazyImages(Sequence[bytes]):
    """`count` encoded images; each time one is asked for, `read` gives it by its position or raises `UnreadableImage`. A slice is lazy too.

    Examples
    --------
    >>> images = LazyImages(3, lambda position: b"abc"[position : position + 1])
    >>> len(images), images[-1], list(images[::2])
    (3, b'c', [b'a', b'c'])
    """

    def __init__(self, count: int, read: Callable[[int], bytes], files: tuple[Path, Sequence[str]] | None = None):
        self._count, self._read = count, read
        self.files = files
        """A folder, and in it the name of the file that each image is all of; None where they are not files."""

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: SupportsIndex) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> bytes | Sequence[bytes]:
        positions = range(self._count)
        return image_subset(self, positions[index]) if isinstance(index, slice) else self._read(positions[operator.index(index)])


def image_subset(images: Sequence[bytes], rows: Sequence[int]) -> LazyImages:
    """Return the images of another sequence at `rows`, in that order.

    Examples
    --------
    >>> list(image_subset([b"a", b"b", b"c"], [2, 0]))
    [b'c', b'a']
    """
    files = images.files if isinstance(images, LazyImages) else None
    return LazyImages(len(rows), lambda position: images[rows[position]], files and (files[0], [files[1][row] for row in rows]))


def encode_png(picture: Image.Image) -> bytes:
    """Encodes with little compression: the result is decoded again at once."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
