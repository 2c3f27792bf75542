"""Image paths and captions from a table, or from an image folder with one text file per image.

They are stored as Arrow arrays: one block of memory that threads and processes share without copying. A Python list of as many strings
takes several times the memory, and reading it changes reference counts, so that every worker process would end up with its own copy.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

from contrastive.config import DataConfig
from contrastive.data.source import (
    CaptionUnit,
    TrainingDataError,
    caption_sentence,
    captions_of_file,
    card_of,
    hash_of,
    missing_column,
    nonblank,
    require_columns,
)  # fmt: skip
from strictio.errors import VlmAuditError
from strictio.images.decode import UnreadableImage
from strictio.images.in_process import ENDINGS, decode_rgb, read_under
from strictio.tables import check_text, column_names, read_table

_SCHEMA = pa.schema([("name", pa.large_string()), ("captions", pa.large_list(pa.large_string()))])
_ROWS_AT_ONCE, _LOOKED = 65_536, 1000

Row = tuple[str, list[str]]


@dataclass(frozen=True)
class CaptionTable:
    """Captioned images: files under a folder, whose names must not lead outside it."""

    title: str
    folder: Path
    rows: pa.Table
    """Columns ``name`` (path relative to `folder`) and ``captions``."""
    caption_unit: CaptionUnit | None = None
    """How text files were read; None: the captions are from a table."""
    more: pa.Table | None = None
    """Further columns that settings name, as text; part of neither the card's hash nor the identity. None: the captions are from files."""

    @property
    def card(self) -> str:
        card = card_of(self, f"{self.title} (sha256 of names and captions {self._sha256[:12]})", self.pictures)
        return card + caption_sentence(self, self.caption_unit) if self.caption_unit else card

    @cached_property
    def pictures(self) -> int:
        """Number of files named in the rows."""
        import pyarrow.compute as pc

        return int(pc.count_distinct(self.rows["name"]).as_py())

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
        return decode_rgb(self.content(index))

    def content(self, index: int) -> bytes:
        return read_under(self.folder, self.name(index))

    def absent(self) -> int:
        return sum(_size(self.folder / str(name)) < 0 for name in self.rows["name"])

    def captions(self, index: int) -> tuple[str, ...]:
        return nonblank(self.rows["captions"][index].as_py())

    def columns(self, names: Sequence[str]) -> dict[str, list[str]]:
        if self.more is None:
            why = "images with text files have none" if self.caption_unit else None
            fix = "read it from the names with data.group_pattern, for example (?P<gender>woman|man)/"
            raise TrainingDataError(f"{self.title} has no column {names[0][:80]!r}", why=why, fix=fix)
        require_columns(self.title, names, self.more.column_names)
        return {name: [str(value) for value in self.more[name].to_pylist()] for name in names}

    def caption_blocks(self) -> Iterator[list[tuple[str, ...]]]:
        """Yield the captions of all pairs, in blocks."""
        for block in self.rows.select(["captions"]).to_batches(_ROWS_AT_ONCE):
            yield list(map(nonblank, block.column(0).to_pylist()))


def name_table(rows: Iterable[Row]) -> pa.Table:
    """Return the columns ``name`` (string) and ``captions`` (list of strings), without holding all rows as Python objects."""
    source, blocks = iter(rows), []
    while chunk := list(islice(source, _ROWS_AT_ONCE)):
        columns = zip(zip(*chunk, strict=True), _SCHEMA.types, strict=True)
        blocks.append(pa.record_batch([pa.array(column, kind) for column, kind in columns], schema=_SCHEMA))
    return pa.Table.from_batches(blocks, _SCHEMA).combine_chunks()


def hash_table(table: pa.Table) -> str:
    """Return the sha256 (hex) of all values, independent of the table's chunks."""
    digest = hashlib.sha256()
    for part in chain.from_iterable(map(_lengths_and_content, table.columns)):
        digest.update(part)
    return digest.hexdigest()


def _lengths_and_content(column: pa.ChunkedArray) -> Iterator[bytes]:
    """Yield the buffers of a column of strings or lists of strings: the lengths, then the content."""
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


def load_table(path: Path, config: DataConfig) -> CaptionTable:
    """Read a table; captions and paths are kept as written. In JSON, a caption may be a list of several.

    Raises `DataError` if the file cannot be read strictly, lacks a column, has no rows, or names only images outside its folder (or that of
    ``data.images``).
    """
    names = image_column, caption_column = config.image_column, config.caption_column
    with _settings_named():
        known = column_names(path, config.encoding, config.separator)
        if known and (error := missing_column(str(path), *names, known)):
            check_text(path, config.encoding)  # with another encoding, a column name would differ, too
            if len(known) == 1:
                error.fix = "say what separates its cells, for example data.separator=';' or data.separator=tab"
            raise error
        require_columns(str(path), config.columns if known else (), known)
        wanted = tuple(dict.fromkeys((*names, *config.columns)))
        columns = read_table(path, config.encoding, wanted=wanted, lists=(caption_column,), separator=config.separator).columns
    if error := missing_column(str(path), *names, columns.column_names):
        raise error
    if not columns.num_rows:
        raise TrainingDataError(f"{path} has no rows", why="a line for each image is needed")
    folder = Path(config.images) if config.images else path.parent
    _check_inside(path, folder, columns[image_column])
    pairs = _as_pairs(columns[image_column], columns[caption_column])
    return CaptionTable(path.name, folder, pairs, more=columns.select(list(config.columns)))


@contextmanager
def _settings_named() -> Iterator[None]:
    """Replace the audit's flags by the trainer's settings in the reader's errors."""
    try:
        yield
    except VlmAuditError as error:
        error.what = error.what.replace("--encoding", "data.encoding")
        error.fix = error.fix and error.fix.replace("--encoding ", "data.encoding=")
        raise


def _check_inside(path: Path, folder: Path, names: pa.ChunkedArray) -> None:
    """Raise `TrainingDataError` if the first images are all absolute paths outside the folder: the user meant another folder."""
    first = [str(name) for name in names[:_LOOKED].to_pylist()]
    if not all(Path(name).is_absolute() and "\0" not in name for name in first):
        return
    real = os.path.realpath(folder)
    if any(os.path.realpath(name).startswith(real.rstrip(os.sep) + os.sep) for name in first):
        return
    common = os.path.commonpath([os.path.dirname(name) for name in first])  # noqa: PTH120  # as written
    why = f"the first is {first[0][:200]}"
    raise TrainingDataError(f"the images of {path.name} lie outside {real}", why=why, fix=f"data.images={shlex.quote(common)}")


def _as_pairs(names: pa.ChunkedArray, captions: pa.ChunkedArray) -> pa.Table:
    """Return the columns in the format of `name_table`."""
    if pa.types.is_list(captions.type):
        listed = captions.cast(_SCHEMA.field("captions").type).combine_chunks()
    else:
        texts = captions.cast(pa.large_string()).combine_chunks()
        listed = pa.LargeListArray.from_arrays(pa.array(range(len(texts) + 1), pa.int64()), texts)
    return pa.table([names.cast(pa.large_string()).combine_chunks(), listed], schema=_SCHEMA)


def load_folder(folder: Path, caption_unit: CaptionUnit = "file") -> CaptionTable:
    """Load the images under a folder, ordered by path, captioned by the text files of the same name (``x.jpg`` by ``x.txt``).

    An image without such a file is a broken pair. Raises `TrainingDataError` if no image has one, or the folder cannot be read.
    """
    try:
        names = sorted(_image_names(folder))
        rows = name_table((name, _captions_beside(folder, f"{name.rpartition('.')[0]}.txt", caption_unit)) for name in names)
    except OSError as error:
        raise TrainingDataError(f"cannot read {folder}", why=error.strerror) from error
    if not any(len(captions) for captions in rows["captions"]):
        why = f"{rows.num_rows} images, none with a text file of its name beside it (x.jpg and x.txt)"
        fix = "images with text files, tar shards, Parquet files, or a folder written by save_to_disk"
        raise TrainingDataError(f"{folder} holds no captioned images", why=why, fix=fix)
    return CaptionTable(folder.resolve().name, folder, rows, caption_unit)


def _image_names(folder: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise error  # os.walk would skip the folder

    for parent, subfolders, files in os.walk(folder, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield Path(parent, name).relative_to(folder).as_posix()


def _captions_beside(folder: Path, name: str, caption_unit: CaptionUnit) -> list[str]:
    try:
        return list(captions_of_file(read_under(folder, name), caption_unit))
    except UnreadableImage:
        return []  # a broken pair, counted when it is read


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1
