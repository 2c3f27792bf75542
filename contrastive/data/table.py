"""Image paths and captions as rows of a CSV or JSONL file, or as an image folder with a text file beside each image.

They are held as Arrow arrays: one block of memory that threads and processes share without copying it. A Python list of as many strings
takes several times the memory, and reading it writes to it (reference counts), so that every worker process ends with a copy of its own.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from PIL import Image

from contrastive.data.images import ENDINGS, UnreadableImage, decode_rgb, read_under
from contrastive.data.source import TrainingDataError, card_of, hash_of, nonblank
from contrastive.errors import nearest

MAX_LINE = 2**20
"""Characters of a line of JSONL."""
_ROWS_AT_ONCE = 65_536

Row = tuple[str, list[str]]


@dataclass(frozen=True)
class CaptionTable:
    """Captioned images: files under a folder, none of whose names may lead out of it."""

    title: str
    folder: Path
    rows: pa.Table
    """Columns ``name`` (path relative to `folder`) and ``captions``."""

    @property
    def card(self) -> str:
        return card_of(self, f"{self.title} (sha256 of names and captions {self._sha256[:12]})")

    @cached_property
    def _sha256(self) -> str:
        return hash_table(self.rows)

    @cached_property
    def identity(self) -> str:
        return hash_of(self._sha256, *(_size(self.folder / self.name(index)) for index in range(len(self))))

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def name(self, index: int) -> str:
        return str(self.rows["name"][index].as_py())

    def image(self, index: int) -> Image.Image:
        return decode_rgb(read_under(self.folder, self.name(index)))

    def captions(self, index: int) -> tuple[str, ...]:
        return nonblank(self.rows["captions"][index].as_py())


def name_table(rows: Iterable[Row]) -> pa.Table:
    """Return the columns ``name`` (string) and ``captions`` (list of strings) of the rows, never holding them all as Python objects."""
    schema = pa.schema([("name", pa.large_string()), ("captions", pa.large_list(pa.large_string()))])
    source, blocks = iter(rows), []
    while chunk := list(islice(source, _ROWS_AT_ONCE)):
        columns = zip(zip(*chunk, strict=True), schema.types, strict=True)
        blocks.append(pa.record_batch([pa.array(column, kind) for column, kind in columns], schema=schema))
    return pa.Table.from_batches(blocks, schema).combine_chunks()


def hash_table(table: pa.Table) -> str:
    """Return the sha256 (hex) of every value, whatever the blocks that the table is held in."""
    digest = hashlib.sha256()
    for part in chain.from_iterable(map(_lengths_and_content, table.columns)):
        digest.update(part)
    return digest.hexdigest()


def _lengths_and_content(column: pa.ChunkedArray) -> Iterator[bytes]:
    """Yield what a column of strings or of lists of strings consists of: how long each value is, then what it says."""
    import pyarrow.compute as pc

    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_large_list(array.type):
        yield _as_bytes(pc.list_value_length(array))
        array = array.flatten()
    yield _as_bytes(pc.binary_length(array))
    for value in array:
        yield (value.as_buffer() or b"") if value.is_valid else b""


def _as_bytes(lengths: Any) -> bytes:
    content: bytes = lengths.fill_null(-1).cast(pa.int64()).to_numpy(zero_copy_only=False).tobytes()
    return content


def load_table(path: Path, image_column: str, caption_column: str) -> CaptionTable:
    """Read a CSV or JSONL file; captions and paths stay as they are written. In JSONL a caption may be a list of several.

    Raises `TrainingDataError` if the file cannot be read, is not UTF-8, lacks a column, has a row that does not fit, or has no rows.
    """
    jsonl = path.suffix.lower() == ".jsonl"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = name_table((_json_rows if jsonl else _csv_rows)(file, path, image_column, caption_column))
    except OSError as error:
        raise TrainingDataError(f"cannot read {path}", why=error.strerror) from error
    except csv.Error as error:
        fix = "quote fields as RFC 4180 does, or write JSONL"
        raise TrainingDataError(f"{path} cannot be read as CSV", why=str(error), fix=fix) from error
    except UnicodeError as error:
        raise TrainingDataError(f"{path} is not a {'JSONL' if jsonl else 'CSV'} file in UTF-8", why=str(error)) from error
    if not rows.num_rows:
        needed = "a line for each image is" if jsonl else "a header line and at least one row are"
        raise TrainingDataError(f"{path} has no rows", why=f"{needed} needed")
    return CaptionTable(path.name, path.parent, rows)


def load_folder(folder: Path) -> CaptionTable:
    """Return the images under a folder, in the order of their paths, each captioned by the lines of the text file beside it.

    ``x.jpg`` is captioned by ``x.txt``: every line that is not blank is one caption. An image without such a file is a broken pair; where
    no image has one, or the folder cannot be read, that is a `TrainingDataError`.
    """
    try:
        rows = name_table((name, _captions_beside(folder, f"{name.rpartition('.')[0]}.txt")) for name in sorted(_image_names(folder)))
    except OSError as error:
        raise TrainingDataError(f"cannot read {folder}", why=error.strerror) from error
    if not any(len(captions) for captions in rows["captions"]):
        why = f"{rows.num_rows} images, none with a text file of its name beside it (x.jpg and x.txt)"
        fix = "images with text files, tar shards, Parquet files, or a folder written by save_to_disk"
        raise TrainingDataError(f"{folder} holds no captioned images", why=why, fix=fix)
    return CaptionTable(folder.resolve().name, folder, rows)


def _csv_rows(file: IO[str], path: Path, image_column: str, caption_column: str) -> Iterator[Row]:
    reader = csv.reader(file, strict=True)
    header = next(reader, [])
    image, caption = (_column(header, column, path) for column in (image_column, caption_column)) if header else (0, 0)
    for number, row in enumerate((row for row in reader if row), start=2):
        if len(row) != len(header):
            raise TrainingDataError(f"{path} row {number} has {len(row)} fields", why=f"the header has {len(header)}")
        yield row[image], [row[caption]]


def _column(header: list[str], name: str, path: Path) -> int:
    if header.count(name) != 1:
        found = "twice" if name in header else "not"
        raise TrainingDataError(f"column {name!r} is {found} in {path}", fix=nearest(name, header))
    return header.index(name)


def _json_rows(file: IO[str], path: Path, image_column: str, caption_column: str) -> Iterator[Row]:
    for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), ""), start=1):
        if len(line) > MAX_LINE:
            raise TrainingDataError(f"{path} line {number} has over {MAX_LINE:,} characters", fix="one object a line")
        if line.strip():
            yield _json_row(line, f"{path} line {number}", image_column, caption_column)


def _json_row(line: str, where: str, image_column: str, caption_column: str) -> Row:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TrainingDataError(f"{where} is not JSON", why=str(error)) from error
    if not isinstance(record, dict):
        fix = f'for example {{"{image_column}": "a.jpg", "{caption_column}": "a judge"}}'
        raise TrainingDataError(f"{where} is not an object", fix=fix)
    for column in (image_column, caption_column):
        if column not in record:
            raise TrainingDataError(f"{where} lacks {column!r}", fix=nearest(column, record))
    image, caption = record[image_column], record[caption_column]
    captions = caption if isinstance(caption, list) else [caption]
    if not isinstance(image, str) or not all(isinstance(item, str) for item in captions):
        raise TrainingDataError(f"{where} does not fit", why=f"{image_column!r} must be text, {caption_column!r} text or a list of texts")
    return image, captions


def _image_names(folder: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise error  # os.walk would leave the folder out

    for parent, subfolders, files in os.walk(folder, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield Path(parent, name).relative_to(folder).as_posix()


def _captions_beside(folder: Path, name: str) -> list[str]:
    try:
        text = read_under(folder, name).decode("utf-8-sig")
    except (UnreadableImage, UnicodeDecodeError):
        return []  # a broken pair, which is counted when it is met
    return [line.strip() for line in text.splitlines() if line.strip()]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1
