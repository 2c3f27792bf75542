"""What the trainer asks of its data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from PIL import Image

from contrastive.errors import DataError


class TrainingDataError(DataError):
    """The training data cannot be read or do not suffice."""


@runtime_checkable
class CaptionedImages(Protocol):
    """Images with one or more captions each, in a fixed order. Reading is safe from several threads at once."""

    @property
    def card(self) -> str:
        """What the data are and what was planted in them, in sentences without a path of the machine: it goes into the checkpoint."""
        ...

    @property
    def identity(self) -> str:
        """A hash that differs where names, captions or, as far as can be seen without opening every image, images differ."""
        ...

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Return what a person finds the pair by."""
        ...

    def image(self, index: int) -> Image.Image:
        """Return the image in RGB; raises `UnreadableImage`."""
        ...

    def content(self, index: int) -> bytes:
        """Return what equal images are known by: the bytes of the file where there is one; raises `UnreadableImage`."""
        ...

    def captions(self, index: int) -> tuple[str, ...]:
        """Return what may be said of the image. Training draws one of them each epoch; the first is the one to measure by.

        Empty where the data say nothing: such a pair is broken, as is one whose image cannot be read.
        """
        ...


def card_of(source: CaptionedImages, title: str) -> str:
    """Return the card of data that the trainer takes as they are; `title` is what to call them: no path of the machine."""
    return f"Trained on the {len(source)} captioned images of {title}, captions as they stand there. The trainer planted nothing."


def nonblank(captions: Iterable[str]) -> tuple[str, ...]:
    """Return the captions that say something.

    >>> nonblank(["a judge", " "])
    ('a judge',)
    """
    return tuple(caption for caption in captions if caption.strip())


def hash_of(*parts: object) -> str:
    """Return the sha256 (hex) of the parts' texts, each closed off from the next."""
    digest = hashlib.sha256()
    for part in parts:
        content = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
