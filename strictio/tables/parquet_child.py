"""What runs in a child for Parquet files: it reads an open file, and writes the columns to the shared file as streams of Arrow.

Columns come in pieces, one per request, so that a table is never held here as a whole.
"""

from __future__ import annotations

import io
import mmap
import os
import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from strictio.child.serve import Answer, write_shared
from strictio.errors import DataError, MachineError
from strictio.limits import check_unfolded, expansion_error, most_unfolded
from strictio.tables.text_table import check_distinct, quoted

if TYPE_CHECKING:
    import pyarrow as pa

# What the pages of a Parquet file unfold to, read from their headers; Arrow tells only what the footer claims.
#
# A header is a struct of Thrift's compact protocol: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift


_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_BY_DICTIONARY, _BY_PREFIX = (2, 8), 7
"""Encodings in which a value may take no room in its page."""
_MOST_HEADER, _DEEPEST = 1 << 24, 10
Fields = dict[tuple[int, int], Any]
"""(number of a field, its kind) -> its value: what has another kind than it should have is not read, as by Arrow."""


@dataclass(frozen=True)
class Chunk:
    """Where the pages of a column in a row group stand, and how many values they are said to hold."""

    start: int
    stored: int
    values: int


def read_chunks(file: IO[bytes], name: str, columns: int) -> list[list[Chunk]]:
    """Return the chunks of each row group, as the footer has them, one a column; `DataError` if it cannot be read.

    Arrow's own account of a chunk ends the process where the footer contradicts itself.
    """
    try:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, os.SEEK_END)
        footer = _struct(io.BytesIO(file.read(length)), 0)
        return [[_chunk(group[1, _LIST][column][3, _STRUCT]) for column in range(columns)] for group in footer[4, _LIST]]
    except (ValueError, LookupError, TypeError, EOFError, OSError) as error:
        raise DataError(f"{name} is damaged", why="its footer cannot be read", fix="download or write it again") from error


def _chunk(described: Fields) -> Chunk:
    # Where both are there, the dictionary stands first.
    starts = [at for field in (11, 9) if (at := described.get((field, _I64), 0)) > 0]
    return Chunk(min(starts, default=0), described[7, _I64], described[5, _I64])


@dataclass(frozen=True)
class Unfolded:
    """The most that a column chunk unfolds to."""

    pages: int
    """Bytes of its pages."""
    values: int
    repeated: int
    """Values that may each be as large as `largest`."""
    largest: int
    """Bytes of the dictionary, or of the largest page whose values share their beginnings."""


def unfolded(file: IO[bytes], chunk: Chunk, name: str) -> Unfolded:
    """Return what the pages of a chunk unfold to; `DataError` if their headers cannot be read."""
    pages = repeated = dictionary = largest = values = 0
    for header in _headers(file, chunk.start, chunk.start + chunk.stored, name):
        size, kind = header[2, _I32], header.get((1, _I32))
        pages += size
        if kind == _DICTIONARY:
            dictionary = size
        elif kind in (_DATA, _DATA_V2):
            about = header.get((5 if kind == _DATA else 8, _STRUCT), {})
            count, encoding = about.get((1, _I32), 0), about.get((2 if kind == _DATA else 4, _I32), 0)
            values += count
            if encoding in _BY_DICTIONARY or encoding == _BY_PREFIX:
                repeated += count
                largest = max(largest, dictionary if encoding in _BY_DICTIONARY else size)
    return Unfolded(pages, max(values, chunk.values), repeated, largest)


def _headers(file: IO[bytes], start: int, end: int, name: str) -> Iterator[Fields]:
    """Yield the header of each page."""
    while start < end:
        file.seek(start)
        try:
            header, length = _read_header(file, min(end - start, _MOST_HEADER))
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{name} is damaged", where=f"byte {start}", why=f"page header: {error}", fix="download or write it again"
            ) from error
        size, stored = header.get((2, _I32), -1), header.get((3, _I32), -1)
        if size < 0 or stored < 0:
            raise DataError(f"{name} is damaged", where=f"byte {start}", why="a page without a size", fix="download or write it again")
        yield header
        start += length + stored


def _read_header(file: IO[bytes], most: int) -> tuple[Fields, int]:
    """Return a header and its length; most have under a hundred bytes, those with long statistics more."""
    content = file.read(min(most, 512))
    while True:
        reader = io.BytesIO(content)
        try:
            return _struct(reader, 0), reader.tell()
        except EOFError as error:
            more = file.read(min(most - len(content), 15 * len(content)))
            if not more:
                raise ValueError("it has no end") from error
            content += more


def _struct(reader: IO[bytes], depth: int) -> Fields:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    fields: Fields = {}
    field = 0
    while (head := _byte(reader)) & 15 != _STOP:
        field = field + (head >> 4) if head >> 4 else _signed(_varint(reader))
        fields[field, head & 15] = _value(reader, head & 15, depth)
    return fields


def _value(reader: IO[bytes], kind: int, depth: int) -> Any:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE
    if kind in (_I16, _I32, _I64):
        return _signed(_varint(reader))
    if kind == _STRUCT:
        return _struct(reader, depth + 1)
    if kind in (_LIST, _SET):
        head = _byte(reader)
        count = _varint(reader) if head >> 4 == 15 else head >> 4
        kind = _BYTE if head & 15 in (_TRUE, _FALSE) else head & 15
        return [_value(reader, kind, depth + 1) for _ in range(count)]  # each takes a byte at least, so that the end of the content ends it
    length = {_BYTE: 1, _DOUBLE: 8}.get(kind)
    if length is None:
        if kind != _BINARY:
            raise ValueError(f"a value of kind {kind}")
        length = _varint(reader)
    if len(reader.read(length)) < length:
        raise EOFError
    return None


def _byte(reader: IO[bytes]) -> int:
    if not (content := reader.read(1)):
        raise EOFError
    return content[0]


def _varint(reader: IO[bytes]) -> int:
    value = shift = 0
    while True:
        byte = _byte(reader)
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value
        if shift > 63:
            raise ValueError("a number without an end")


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}
_OFFSET = 8
_AT_ONCE = 64 * 2**20
AGAIN = "download or write it again"
AS_TEXT = "write it again from text that was read in its own encoding: pd.read_csv(..., encoding='latin-1'), say"


class OpenedParquet:
    """A Parquet file that was handed in."""

    def __init__(self, descriptor: int, name: str, texts: Sequence[str] = ()):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.name, self.stored = name, os.fstat(descriptor).st_size
        self.content = os.fdopen(os.dup(descriptor), "rb")
        # A file that is cut short meanwhile ends this process, and no other.
        mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) if self.stored else b""
        self.file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(mapped)), read_dictionary=list(texts) or None)

    def schema(self) -> pa.Schema:
        """Return the columns; `DataError` if one is not text, or is there twice."""
        schema = _checked(self.file.schema_arrow, self.name)
        check_distinct(schema.names, self.name)
        return schema

    def group_sizes(self) -> list[int]:
        metadata = self.file.metadata
        return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def reading_parquet() -> Answer:
    """Return the function that answers, once pyarrow is imported, without numpy where it can be."""
    sys.modules["numpy"] = None  # type: ignore[assignment]  # takes longer to import than most files to read
    try:
        import pyarrow.parquet
    except ImportError:  # before pyarrow 18
        for name in [name for name in sys.modules if name == "numpy" or name.startswith("pyarrow")]:
            del sys.modules[name]
        import pyarrow.parquet  # noqa: F401
    return _Reading().answer


class _Reading:
    def __init__(self) -> None:
        self._pieces: dict[int, Iterator[pa.Table | pa.RecordBatch]] = {}

    def answer(self, request: dict[str, Any], file: IO[bytes], files: Sequence[int]) -> dict[str, Any]:
        name = request.get("name", "")
        if request["do"] == "next":
            piece = next(self._pieces[request["id"]], None)
            return {"done": True} if piece is None else {"length": _write_stream(file, piece)}
        if request["do"] == "close":
            self._pieces.pop(request["id"], None)
            return {}
        with arrow_errors(name, request["what"]):
            opened = OpenedParquet(files[0], name, request.get("texts", ()))
            if request["do"] == "schema":
                return {"length": write_shared(file, opened.schema().serialize())}
            if request["do"] == "groups":
                return {"length": write_shared(file, memoryview(array("q", opened.group_sizes())))}
            if request["do"] == "check":
                check_size(opened, request["columns"])
                return {}
        pieces = _columns(opened, request["columns"], request["group"]) if request["do"] == "read" else _batches(opened, request)
        self._pieces[request["id"]] = _with_errors(pieces, name, request["what"])
        return {}


def _with_errors(pieces: Iterator[Any], name: str, what: str) -> Iterator[Any]:
    with arrow_errors(name, what):
        yield from pieces


def _write_stream(file: IO[bytes], piece: pa.Table | pa.RecordBatch) -> int:
    import pyarrow as pa

    file.seek(0)
    buffered = io.BufferedWriter(file, 2**16)
    with pa.ipc.new_stream(buffered, piece.schema) as stream:
        stream.write(piece)
    buffered.flush()
    buffered.detach()
    return file.tell()


def _batches(opened: OpenedParquet, request: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    yield from opened.file.iter_batches(request["rows"], columns=request["columns"], use_threads=False)


def _columns(opened: OpenedParquet, columns: Sequence[str] | None, group: int | None) -> Iterator[pa.Table]:
    """Yield columns (None: all) of all row groups, or of one, in pieces of several."""
    file, schema = opened.file, opened.schema()
    wanted = list(schema.names if columns is None else columns)
    groups = list(range(file.metadata.num_row_groups)) if group is None else [group]
    small, large = _by_size(opened, groups, wanted)
    top = [name if name in schema.names else name.partition(".")[0] for name in wanted]
    stated, rows = sum(file.metadata.row_group(index).num_rows for index in groups), 0
    for part in [groups] if large or not groups else _together(file, groups):
        table = file.read_row_groups(part, columns=small)
        for name, at_once in large.items():
            column = _in_batches(opened, part, name, at_once, table.nbytes)
            table = table.append_column(column.schema.field(0), column.column(0))
        table = table.select(top)
        rows += table.num_rows
        yield table
    if top and rows != stated:
        raise DataError(f"{opened.name} is damaged", why=f"it says {stated:,} rows, and holds {rows:,}", fix=AGAIN)


def _together(file: Any, groups: Sequence[int]) -> Iterator[list[int]]:
    """Yield row groups, as many together as are small."""
    part, held = [], 0
    for group in groups:
        part.append(group)
        held += max(file.metadata.row_group(group).total_byte_size, 0)
        if held >= _AT_ONCE:
            yield part
            part, held = [], 0
    if part:
        yield part


def check_size(opened: OpenedParquet, columns: Sequence[str] | None) -> None:
    """Raise `UnsafeError` if columns (None: all) decompress to too much."""
    file = opened.file
    groups = list(range(file.metadata.num_row_groups))
    names = _checked(file.schema_arrow, opened.name).names
    _, large = _by_size(opened, groups, names if columns is None else columns)
    for name, rows in large.items():
        held = 0
        for batch in file.iter_batches(rows, row_groups=groups, columns=[name]):
            held += _written_out(_without_views(batch.column(0)))
            check_unfolded(opened.name, opened.stored, held)


def _in_batches(opened: OpenedParquet, groups: Sequence[int], name: str, rows: int, held: int) -> pa.Table:
    """Return a column that may unfold to too much, read until it has."""
    import pyarrow as pa

    file, batches = opened.file, []
    for batch in file.iter_batches(rows, row_groups=list(groups), columns=[name]):
        cells = _without_views(batch.column(0))
        held += _written_out(cells)
        check_unfolded(opened.name, opened.stored, held)
        batches.append(pa.record_batch([cells], names=[batch.schema.names[0]]))
    if not batches:
        return file.schema_arrow.empty_table().select([name])
    # Thousands of small pieces would slow down reading the column.
    return pa.Table.from_batches(batches).combine_chunks()


def _written_out(cells: pa.Array) -> int:
    """Return the bytes of a column where each cell holds its own text: a dictionary holds a text once for all of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(cells.type) and not pa.types.is_primitive(cells.type.value_type):
        lengths = pc.fill_null(pc.binary_length(cells.dictionary), 0)
        return int(pc.sum(lengths.take(cells.indices).cast(pa.int64())).as_py() or 0) + int(cells.indices.nbytes)
    return int(cells.nbytes)


def _without_views(cells: pa.Array) -> pa.Array:
    """Return texts that are views of shared ones as texts of their own; of a batch that is little."""
    import pyarrow as pa

    if pa.types.is_string_view(cells.type):
        return cells.cast(pa.large_string())
    return cells.cast(pa.large_binary()) if pa.types.is_binary_view(cells.type) else cells


def _by_size(opened: OpenedParquet, groups: Sequence[int], wanted: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Return the columns that may be read at once, and how many rows of the others at a time; `UnsafeError` if one is too large."""
    file, content, stored, name_of_file = opened.file, opened.content, opened.stored, opened.name
    small, large, certain, total = [], {}, 0, 0
    paths = [file.schema.column(leaf).path for leaf in range(len(file.schema))]
    chunks = read_chunks(content, name_of_file, len(paths))
    below: dict[str, list[int]] = {}
    for leaf, dotted in enumerate(paths):
        parts = dotted.split(".")
        for length in range(1, len(parts) + 1):
            below.setdefault(".".join(parts[:length]), []).append(leaf)
    for name in wanted:
        leaves = below.get(name, [])
        sizes = [[unfolded(content, chunks[group][leaf], name_of_file) for group in groups] for leaf in leaves]
        surely, most, largest, lists = _sizes([file.schema.column(leaf) for leaf in leaves], sizes)
        certain += surely
        check_unfolded(name_of_file, stored, certain)
        if total + most <= most_unfolded(stored):
            total += most
            small.append(name)
        elif lists:
            raise expansion_error(name_of_file, f"the column {quoted(name)} of lists of text may unfold to {most:,} bytes")
        else:
            large[name] = max(1, _AT_ONCE // max(1, largest))
    return small, large


def _sizes(leaves: Sequence[Any], sizes: Sequence[Sequence[Unfolded]]) -> tuple[int, int, int, bool]:
    """Return the bytes that a column has for sure, those that it may unfold to, those of its largest values, and whether it has lists."""
    surely = most = 0
    for described, groups in zip(leaves, sizes, strict=True):
        width = described.length if described.physical_type == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS.get(described.physical_type)
        pages = sum(group.pages for group in groups)
        fixed = sum(group.values for group in groups) * (_OFFSET if width is None else width)
        surely += fixed + (pages if width is None else 0)
        most += fixed + pages + (sum(group.repeated * group.largest for group in groups) if width is None else 0)
    largest = max((group.largest for groups in sizes for group in groups), default=0)
    return surely, most, largest, any(described.max_repetition_level > 0 for described in leaves)


def _checked(schema: pa.Schema, name: str) -> pa.Schema:
    """Return the schema; `DataError` if what it calls its columns is not text."""
    try:
        for field in schema:
            str(field)
    except UnicodeDecodeError as error:
        raise not_utf_8(name, "a column name", error) from error
    return schema


def not_utf_8(name: str, what: str, error: UnicodeDecodeError) -> DataError:
    """Return the error about a name that is not text."""
    why = f"{what} has the byte 0x{error.object[error.start]:02x}, as Latin-1 files have it"
    return DataError(f"{name} holds text that is not UTF-8", why=why, fix=AS_TEXT)


@contextmanager
def arrow_errors(name: str, what: str) -> Iterator[None]:
    """Say in words what Arrow raises about a file."""
    import pyarrow as pa

    try:
        yield
    except UnicodeDecodeError as error:
        raise not_utf_8(name, "a name in it", error) from error
    except MemoryError as error:  # Arrow's is one, too
        raise MachineError(f"out of memory while reading {name}", why=first_line(error), fix="give fewer rows or columns") from error
    except (pa.ArrowException, OSError) as error:
        if "UTF8" in str(error):
            raise DataError(f"{name} holds text that is not UTF-8", why=first_line(error), fix=AS_TEXT) from error
        raise DataError(what, why=first_line(error), fix=AGAIN) from error


def first_line(error: Exception) -> str:
    """Return what an error says first, else its kind."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
