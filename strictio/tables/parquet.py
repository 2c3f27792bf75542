"""Parquet: columns of its own types, unfolded only as far as the size of the file allows, in a locked child."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from strictio.child.process import Child, EndedError, TooMuchMemoryError, shared_child
from strictio.child.serve import fill_shared, read_shared
from strictio.errors import DataError, MachineError, UnsafeError
from strictio.files import open_file
from strictio.limits import physical_memory
from strictio.tables.parquet_child import AGAIN, AS_TEXT, first_line
from strictio.tables.text_table import quoted

if TYPE_CHECKING:
    import pyarrow as pa

SECONDS, SECONDS_PER_MIB = 60.0, 2.0
"""Of the processor to read something of a file, and more for each MiB of it; Arrow takes a hundredth."""
_MOST_CELL = 2**20
"""Bytes of a cell of text."""
_KEPT = 64 * 2**20
"""Bytes for which the file in memory is kept."""
_numbers = count()
T = TypeVar("T")


def parquet_schema(path: Path) -> pa.Schema:
    """Return the columns of a Parquet file; `DataError` if it cannot be read, or a name is not text."""
    import pyarrow as pa

    def schema(content: bytearray) -> pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(content))

    return _answered(path, {"do": "schema", "what": f"cannot read {path.name} as Parquet"}, schema)


def group_sizes(path: Path) -> list[int]:
    """Return the number of rows of each row group."""

    def sizes(content: bytearray) -> list[int]:
        return array("q", bytes(content)).tolist()

    return _answered(path, {"do": "groups", "what": f"cannot read {path.name} as Parquet"}, sizes)


def check_size(path: Path, columns: Sequence[str] | None = None) -> None:
    """Raise `UnsafeError` if columns of a Parquet file (None: all) decompress to too much, `DataError` if it cannot be read.

    For other readers of the file.
    """
    named = None if columns is None else list(columns)
    _answered(path, {"do": "check", "columns": named, "what": f"cannot read {path.name} as Parquet"}, len)


def read_parquet(path: Path, columns: Sequence[str] | None = None, group: int | None = None, texts: Sequence[str] = ()) -> pa.Table:
    """Return columns of a Parquet file, or of one of its row groups; None: all. ``a.b`` is a part of the column ``a``.

    Those in `texts` are dictionaries. `DataError` if it is damaged, names a column twice, or holds text that is not UTF-8; `UnsafeError`
    if it unfolds to too much.
    """
    import pyarrow as pa

    request = {"do": "read", "columns": None if columns is None else list(columns), "group": group, "texts": list(texts)}
    table = pa.concat_tables(_pieces(path, {**request, "what": f"{path.name} is not a Parquet file, or damaged"}))
    check_utf_8(table, path.name)
    # What pandas says of an index is not asked for, and may be anything.
    return table.replace_schema_metadata({key: value for key, value in (table.schema.metadata or {}).items() if key != b"pandas"})


def parquet_batches(path: Path, columns: Sequence[str], texts: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield columns of a Parquet file, in batches of rows; those in `texts` as dictionaries. The caller checks their size."""
    request = {"do": "batches", "columns": list(columns), "texts": list(texts), "rows": rows}
    for piece in _pieces(path, {**request, "what": f"{path.name} is not a Parquet file, or damaged"}):
        yield from piece.to_batches()


@contextmanager
def _asking(path: Path, what: str) -> Iterator[tuple[Child, int, float]]:
    """Give the child that reads Parquet files, the file's descriptor, and the seconds that a request about it may take."""
    try:
        file = open_file(path)
    except OSError as error:
        raise DataError(what, why=first_line(error), fix=AGAIN) from error
    with file:
        seconds = SECONDS + SECONDS_PER_MIB * os.fstat(file.fileno()).st_size / 2**20
        child = shared_child("strictio.tables.parquet_child:reading_parquet", ("pyarrow", "numpy"), physical_memory() // 4 * 3)
        try:
            yield child, file.fileno(), seconds
        except TooMuchMemoryError as error:
            raise MachineError(f"out of memory while reading {path.name}", fix="give fewer rows or columns") from error
        except EndedError as error:
            if error.took_too_long:
                why = f"it took over {seconds:,.0f} s of the processor"
                raise UnsafeError(f"reading {path.name} does not end", why=why, fix=AGAIN) from error
            raise DataError(what, why="the process that read it has crashed", fix=AGAIN) from error


def _answered(path: Path, request: Mapping[str, Any], read: Callable[[bytearray], T]) -> T:
    """Return what is read from the bytes that a child answers with."""
    asked = {**request, "name": path.name}
    with (
        _asking(path, request["what"]) as (child, descriptor, seconds),
        child.turn,
        child.answering(asked, seconds, [descriptor]) as answer,
    ):
        return read(read_shared(child.file, answer.get("length", 0)))


def _pieces(path: Path, request: Mapping[str, Any]) -> Iterator[pa.Table]:
    """Yield what a child reads, piece by piece; other files may be read in between."""
    import pyarrow as pa

    number = next(_numbers)
    with _asking(path, request["what"]) as (child, descriptor, seconds):
        with child.turn:
            child.ask({**request, "id": number, "name": path.name}, seconds, [descriptor])
        try:
            while True:
                with child.turn, child.answering({"do": "next", "id": number}, seconds) as answer:
                    if "done" in answer:
                        return
                    content = pa.allocate_buffer(answer["length"])  # unlike a bytearray not written twice
                    if fill_shared(child.file, memoryview(content)) != answer["length"]:
                        raise ValueError("another number of bytes")
                    if answer["length"] > _KEPT:
                        child.file.truncate(0)
                    piece = pa.ipc.open_stream(content).read_all()
                yield piece
        finally:
            with suppress(EndedError), child.turn:
                child.ask({"do": "close", "id": number}, seconds)


def check_utf_8(table: pa.Table, source: str) -> None:
    """Raise `DataError` if a cell of text is not UTF-8, which Arrow takes as it comes, or has more than a megabyte."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, column in zip(table.column_names, table.columns, strict=True):
        rows = 0
        if _is_text(column.type) and (longest := pc.max(pc.binary_length(column)).as_py() or 0) > _MOST_CELL:
            why = f"at most {_MOST_CELL:,} are read"
            raise DataError(
                f"{source} has a cell of {longest:,} bytes", where=f"column {quoted(name)}", why=why, fix="leave the column out"
            )
        for chunk in column.chunks:
            try:
                chunk.validate(full=True)
            except pa.ArrowInvalid as error:
                if "UTF8" not in str(error):  # places outside its memory: nothing of it may be read
                    where = f"column {quoted(name)}"
                    raise DataError(f"{source} is damaged", where=where, why=first_line(error), fix=AGAIN) from error
                row = _first_not_text(chunk)
                where = f"column {quoted(name)}" + ("" if row is None else f", row {rows + row + 1}")
                what = f"{source} holds text that is not UTF-8"
                raise DataError(what, where=where, why=first_line(error), fix=AS_TEXT) from error
            rows += len(chunk)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _first_not_text(chunk: Any) -> int | None:
    import pyarrow as pa

    if not _is_text(chunk.type):
        return None
    for row, value in enumerate(chunk.cast(pa.large_binary()).to_pylist()):
        try:
            (value or b"").decode()
        except UnicodeDecodeError:
            return row
    return None
