"""The interface of training data."""

from __future__ import annotations

import difflib
import hashlib
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from PIL import Image

from strictio.errors import DataError, nearest


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
class Columns(Protocol):
    """Data with facts about each pair other than image and caption, such as the group of the person shown."""

    def columns(self, names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return name -> value of each pair, "" where it has none; raises `TrainingDataError` for an unknown name."""
        ...


PART = "::"
"""A column of tar shards: which of the names that ``::`` separates a pair's shard belongs to, from 0."""


@runtime_checkable
class ImageFiles(Protocol):
    """Data whose images are separate files."""

    def absent(self) -> int:
        """Return how many pairs name a missing file; opens no files."""
        ...


def card_of(source: CaptionedImages, title: str, pictures: int | None = None) -> str:
    """Return the data card of data that the trainer uses unchanged; `title` is their name, not a local path."""
    return f"Trained on the {counted(len(source), pictures)} in {title}, with their captions unchanged. The trainer planted nothing."


_UNPLANTED = re.compile(r",? with their captions unchanged\. The trainer planted nothing| Nothing was planted: [^.]*\.$")


def unplanted_removed(card: str) -> str:
    """Return a data card without its statement that nothing was planted.

    >>> unplanted_removed("Trained on the 2 pairs in a.csv, with their captions unchanged. The trainer planted nothing.")
    'Trained on the 2 pairs in a.csv.'
    >>> unplanted_removed("Trained on 3 shapes. Nothing was planted: every caption names what is drawn.")
    'Trained on 3 shapes.'
    """
    return _UNPLANTED.sub("", card)


CaptionUnit = Literal["file", "lines"]
"""Whether a text file is one caption, or each of its lines is one; see `settings.DataConfig.captions`."""

_LOOKED = 1000
"""Number of pairs whose captions are searched for line breaks."""


def captions_of_file(content: bytes, unit: CaptionUnit) -> tuple[str, ...]:
    r"""Return the captions in a text file, without white space at their ends; none if it is not UTF-8.

    Only ``\n``, ``\r\n`` and ``\r`` end a line. `str.splitlines` would split at a further eight characters, among them U+0085, which an
    ellipsis becomes in the wrong encoding, and U+2028.

    >>> captions_of_file("a dog\u2028runs\r\n\r\na cat\n".encode(), "lines")
    ('a dog\u2028runs', 'a cat')
    >>> captions_of_file(b"a dog\r\nruns\n", "file")
    ('a dog\r\nruns',)
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ()
    parts = re.split(r"\r\n|\r|\n", text) if unit == "lines" else [text]
    return nonblank(part.strip() for part in parts)


def caption_sentence(source: CaptionedImages, unit: CaptionUnit) -> str:
    """Return the sentence of a data card that says how text files were read."""
    if unit == "lines":
        return " Each line of a .txt file is one caption."
    looked = min(len(source), _LOOKED)
    several = sum("\n" in caption or "\r" in caption for index in range(looked) for caption in source.captions(index))
    lines = f" ({several} of the first {looked:,} have several lines; data.captions = 'lines' makes each line a caption)" if several else ""
    return f" Each .txt file is one caption{lines}."


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


def column_values(source: CaptionedImages, names: Sequence[str], pattern: str | None = None) -> list[Sequence[str]]:
    """Return the values of each column for all pairs, "" where a pair has none; named groups of `pattern` hide columns of that name."""
    expression = re.compile(pattern or "")
    stored = [name for name in names if name not in expression.groupindex]
    if stored and not isinstance(source, Columns):
        raise TrainingDataError(f"the data have no column {stored[0][:80]!r}", fix="read it from the names with data.group_pattern")
    columns = dict(source.columns(stored)) if stored and isinstance(source, Columns) else {}
    if len(stored) < len(names):
        found = [expression.search(source.name(index)) for index in range(len(source))]
        columns |= {name: [(match[name] or "") if match else "" for match in found] for name in names if name not in stored}
    return [columns[name] for name in names]


def require_columns(title: str, names: Sequence[str], known: Collection[str]) -> None:
    """Raise `TrainingDataError` for the first of `names` that is not a known column."""
    for name in names:
        if name not in known:
            fix = nearest(name[:80], [other[:80] for other in list(known)[:50]]) if known else None
            raise TrainingDataError(f"{title} has no column {name[:80]!r}", why="a setting names it", fix=fix)


def printable(text: str) -> str:
    """Return a value from data, shortened and safe for a terminal: it may contain escape sequences."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text[:200])


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
