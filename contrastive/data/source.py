"""What the trainer asks of its data."""

from __future__ import annotations

import difflib
import hashlib
import shlex
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from PIL import Image

from strictio.errors import DataError


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


@runtime_checkable
class ImageFiles(Protocol):
    """Data whose images are files of their own."""

    def absent(self) -> int:
        """Return how many pairs name a file that is not there; no file is opened."""
        ...


def card_of(source: CaptionedImages, title: str, pictures: int | None = None) -> str:
    """Return the card of data that the trainer takes as they are; `title` is what to call them: no path of the machine."""
    return f"Trained on the {counted(len(source), pictures)} in {title}, captions as they stand there. The trainer planted nothing."


def counted(pairs: int, pictures: int | None) -> str:
    """Return how many pairs of image and caption there are, and of how many pictures where that is known and differs.

    >>> counted(800, 400), counted(800, 800), counted(800, None)
    ('800 pairs of 400 pictures', '800 pairs', '800 pairs')
    """
    return f"{pairs} pairs" if pictures in (pairs, None) else f"{pairs} pairs of {pictures} pictures"


_IMAGE = ("image", "filepath", "file_path", "image_path", "path", "file_name", "filename", "file", "img", "jpg", "png")
_CAPTION = ("caption", "title", "text", "txt", "captions", "description", "alt", "label")
"""What columns of images and of captions are called elsewhere, the likeliest first; open_clip's trainer has ``filepath`` and ``title``."""


def missing_column(title: str, image_column: str, caption_column: str, known: Sequence[str]) -> TrainingDataError | None:
    """Return the error about a column that data lack, None if they have both; it names the settings with the likeliest columns."""
    fixes = []
    for setting, column, usual in (("image_column", image_column, _IMAGE), ("caption_column", caption_column, _CAPTION)):
        if column not in known:
            close = difflib.get_close_matches(column, known, n=1, cutoff=0.6)
            likely = [name for word in usual for name in known if name.lower() == word]
            fixes.append((column, f"data.{setting}={shlex.quote([*likely, *close, 'COLUMN'][0])}"))
    if not fixes:
        return None
    have = ", ".join(name[:80] for name in list(known)[:50]) or "none that can be read"
    settings = " ".join(setting for _, setting in fixes)
    return TrainingDataError(f"{title} has no column {fixes[0][0]!r}", why=f"its columns are {have}", fix=settings)


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
