"""A CSV file of image paths and captions."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from contrastive.data.pictures import UnreadablePicture, open_rgb
from contrastive.data.source import TrainingDataError
from contrastive.errors import nearest


@dataclass(frozen=True)
class CaptionTable:
    """Captioned images: rows of a CSV file; image paths are relative to its folder and may not lead out of it."""

    name: str
    folder: Path
    images: tuple[str, ...]
    texts: tuple[str, ...]
    sha256: str
    """Of the CSV file."""

    @property
    def card(self) -> str:
        return (
            f"Trained on the {len(self)} captioned images of {self.name} (sha256 {self.sha256[:12]}), captions as they stand there. "
            "The trainer planted nothing."
        )

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> Image.Image:
        root = self.folder.resolve()
        path = (root / self.images[index]).resolve()
        if not path.is_relative_to(root):
            raise UnreadablePicture("outside the folder of the table")
        if path.exists() and not path.is_file():
            raise UnreadablePicture("not a file")
        return open_rgb(path)

    def captions(self, index: int) -> tuple[str, ...]:
        return (self.texts[index],)


def load_table(path: Path, image_column: str, caption_column: str) -> CaptionTable:
    """Read the table; captions and paths stay as they are written.

    Raises
    ------
    TrainingDataError
        If the file cannot be read, is not UTF-8, lacks a column, has a row of another length, or has no rows.
    """
    try:
        content = path.read_bytes()
        rows = list(csv.reader(content.decode("utf-8-sig").splitlines(keepends=True), strict=True))
    except OSError as error:
        raise TrainingDataError(f"cannot read {path}", why=error.strerror) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrainingDataError(f"{path} is not a CSV file in UTF-8", why=str(error)) from error
    header, body = (rows or [[]])[0], [row for row in rows[1:] if row]
    if not body:
        raise TrainingDataError(f"{path} has no rows", why="a header line and at least one row are needed")
    places = [_column(header, column, path) for column in (image_column, caption_column)]
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise TrainingDataError(f"{path} row {number} has {len(row)} fields", why=f"the header has {len(header)}")
    images, texts = (tuple(row[place] for row in body) for place in places)
    return CaptionTable(path.name, path.parent, images, texts, hashlib.sha256(content).hexdigest())


def _column(header: list[str], name: str, path: Path) -> int:
    if header.count(name) != 1:
        found = "twice" if name in header else "not"
        raise TrainingDataError(f"column {name!r} is {found} in {path}", fix=nearest(name, header))
    return header.index(name)
