"""The interface of training data."""

from __future__ import annotations

import difflib
import hashlib
import shlex
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from PIL import Image

from strictio.errors import DataError


class TrainingDataError(DataError):
    """The training data cannot be read or are insufficient."""


@runtime_checkable
class CaptionedImages(Protocol):
    """Images with one or more captions each, in a fixed order. Reading is thread-safe."""

    @property
    def card(self) -> str:
        """A description of the data and any planted bias, without local paths, because it goes into the checkpoint."""
        ...

    @property
    def identity(self) -> str:
        """A hash of names, captions and, as far as possible without opening every image, images."""
        ...

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Return a name by which a user can find the pair."""
        ...

    def image(self, index: int) -> Image.Image:
        """Return the image in RGB; raises `UnreadableImage`."""
        ...

    def content(self, index: int) -> bytes:
        """Return bytes that are equal for equal images: those of the file if there is one; raises `UnreadableImage`."""
        ...

    def captions(self, index: int) -> tuple[str, ...]:
        """Return the captions of an image. Training draws one per epoch; evaluation uses the first.

        A pair without captions is broken, like one whose image cannot be read.
        """
        ...


@runtime_checkable
class ImageFiles(Protocol):
    """Data whose images are separate files."""

    def absent(self) -> int:
        """Return how many pairs name a missing file; opens no files."""
        ...


def card_of(source: CaptionedImages, title: str, pictures: int | None = None) -> str:
    """Return the data card of data that the trainer uses unchanged; `title` is their name, not a local path."""
    return f"Trained on the {counted(len(source), pictures)} in {title}, with their captions unchanged. The trainer planted nothing."


def counted(pairs: int, pictures: int | None) -> str:
    """Describe the number of pairs and, if known and different, of pictures.

    >>> counted(800, 400), counted(800, 800), counted(800, None)
    ('800 pairs of 400 pictures', '800 pairs', '800 pairs')
    """
    return f"{pairs} pairs" if pictures in (pairs, None) else f"{pairs} pairs of {pictures} pictures"


_IMAGE = ("image", "filepath", "file_path", "image_path", "path", "file_name", "filename", "file", "img", "jpg", "png")
_CAPTION = ("caption", "title", "text", "txt", "captions", "description", "alt", "label")
"""Common names of image and caption columns, most likely first; open_clip's trainer uses ``filepath`` and ``title``."""


def missing_column(title: str, image_column: str, caption_column: str, known: Sequence[str]) -> TrainingDataError | None:
    """Return an error if a column is missing, else None; it suggests settings with the most likely columns."""
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
    """Return the captions that are not blank.

    >>> nonblank(["a judge", " "])
    ('a judge',)
    """
    return tuple(caption for caption in captions if caption.strip())


def hash_of(*parts: object) -> str:
    """Return the sha256 (hex) of the parts' texts, with separators."""
    digest = hashlib.sha256()
    for part in parts:
        content = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
