"""Sequences of encoded images that are read when asked for."""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Sequence
from typing import SupportsIndex, overload


class LazyImages(Sequence[bytes]):
    """A sequence whose item i is read by `content(i)` each time it is asked for; a slice is lazy as well."""

    @abstractmethod
    def content(self, position: int) -> bytes:
        """Return the encoded image at `position`, ``0 <= position < len(self)``, or raise `UnreadableImage`."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return ImageSubset(self, range(len(self))[index])
        return self.content(range(len(self))[operator.index(index)])


class ImageSubset(LazyImages):
    """The images of another sequence at `rows`, in that order.

    Examples
    --------
    >>> chosen = ImageSubset([b"a", b"b", b"c"], [2, 0])
    >>> list(chosen), list(chosen[1:])
    ([b'c', b'a'], [b'a'])
    """

    def __init__(self, images: Sequence[bytes], rows: Sequence[int]):
        self._images, self._rows = images, rows

    def __len__(self) -> int:
        return len(self._rows)

    def content(self, position: int) -> bytes:
        """Return the encoded image at `position` of the choice."""
        return self._images[self._rows[position]]
