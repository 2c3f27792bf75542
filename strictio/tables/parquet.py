"""Parquet: columns of its own types, unfolded only as far as the size of the file allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strictio.errors import DataError, MachineError
from strictio.files import check_file, open_file
from strictio.limits import bomb, check_unfolded, most_unfolded
from strictio.tables.pages import Unfolded, read_chunks, unfolded
from strictio.tables.text_table import check_distinct, quoted

if TYPE_CHECKING:
    import pyarrow as pa

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8}
_OFFSET = 8
_AT_ONCE = 64 * 2**20
_MOST_CELL = 2**20
"""Bytes of a cell of text."""
_AGAIN = "download or write it again"
_AS_TEXT = "write it again from text that was read in its own encoding: pd.read_csv(..., encoding='latin-1'), say"


def parquet_schema(path: Path) -> pa.Schema:
    """Return the columns of a Parquet file; `DataError` if it cannot be read, or a name is not text."""
    import pyarrow.parquet as pq

    with _said_of(path, f"cannot read {path.name} as Parquet"):
        schema = pq.read_schema(path)
    check_distinct(_checked(schema, path.name).names, path.name)
    return schema


def group_sizes(path: Path) -> list[int]:
    """Return the number of rows of each row group."""
    import pyarrow.parquet as pq

    with _said_of(path, f"cannot read {path.name} as Parquet"):
        metadata = pq.read_metadata(path)
        return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def read_parquet(path: Path, columns: Sequence[str] | None = None, group: int | None = None) -> pa.Table:
    """Return columns of a Parquet file, or of one of its row groups; None: all. ``a.b`` is a part of the column ``a``.

    `DataError` if it is damaged, names a column twice, or holds text that is not UTF-8; `UnsafeError` if it unfolds to too much.
    """
    import pyarrow.parquet as pq

    with _said_of(path, f"{path.name} is not a Parquet file, or damaged"), pq.ParquetFile(path) as file:
        schema = _checked(file.schema_arrow, path.name)
        check_distinct(schema.names, path.name)
        wanted = list(schema.names if columns is None else columns)
        groups = list(range(file.metadata.num_row_groups)) if group is None else [group]
        small, large = _by_size(path, file, groups, wanted)
        table = file.read_row_groups(groups, columns=small)
        for name, rows in large.items():
            column = _in_batches(path, file, groups, name, rows, table.nbytes)
            table = table.append_column(column.schema.field(0), column.column(0))
        table = table.select([name if name in schema.names else name.partition(".")[0] for name in wanted])
        stated = sum(file.metadata.row_group(index).num_rows for index in groups)
        if table.num_columns and table.num_rows != stated:
            raise DataError(f"{path.name} is damaged", why=f"it says {stated:,} rows, and holds {table.num_rows:,}", fix=_AGAIN)
    check_utf_8(table, path.name)
    # What pandas says of an index is not asked for, and may be anything.
    return table.replace_schema_metadata({key: value for key, value in (schema.metadata or {}).items() if key != b"pandas"})


def parquet_batches(path: Path, columns: Sequence[str], texts: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield columns of a Parquet file, in batches of rows; those in `texts` as dictionaries. The caller checks their size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        check_file(path)
        with pq.ParquetFile(path, read_dictionary=list(texts), pre_buffer=False) as file:
            yield from file.iter_batches(rows, columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} is not a Parquet file, or damaged", why=first_line(error), fix=_AGAIN) from error


def check_size(path: Path, columns: Sequence[str] | None = None) -> None:
    """Raise `UnsafeError` if columns of a Parquet file (None: all) decompress to too much, `DataError` if it cannot be read.

    For other readers of the file.
    """
    import pyarrow.parquet as pq

    with _said_of(path, f"cannot read {path.name} as Parquet"), pq.ParquetFile(path) as file:
        groups = list(range(file.metadata.num_row_groups))
        names = _checked(file.schema_arrow, path.name).names
        _, large = _by_size(path, file, groups, names if columns is None else columns)
        for name, rows in large.items():
            held = 0
            for batch in file.iter_batches(rows, row_groups=groups, columns=[name]):
                held += _written_out(_without_views(batch.column(0)))
                check_unfolded(path.name, path.stat().st_size, held)


def _in_batches(path: Path, file: Any, groups: Sequence[int], name: str, rows: int, held: int) -> pa.Table:
    """Return a column that may unfold to too much, read until it has."""
    import pyarrow as pa

    stored, batches = path.stat().st_size, []
    for batch in file.iter_batches(rows, row_groups=list(groups), columns=[name]):
        cells = _without_views(batch.column(0))
        held += _written_out(cells)
        check_unfolded(path.name, stored, held)
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


def _by_size(path: Path, file: Any, groups: Sequence[int], wanted: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Return the columns that may be read at once, and how many rows of the others at a time; `UnsafeError` if one is too large."""
    stored = path.stat().st_size
    small, large, certain, total = [], {}, 0, 0
    with open_file(path) as content:
        paths = [file.schema.column(leaf).path for leaf in range(len(file.schema))]
        chunks = read_chunks(content, path.name, len(paths))
        below: dict[str, list[int]] = {}
        for leaf, dotted in enumerate(paths):
            parts = dotted.split(".")
            for length in range(1, len(parts) + 1):
                below.setdefault(".".join(parts[:length]), []).append(leaf)
        for name in wanted:
            leaves = below.get(name, [])
            sizes = [[unfolded(content, chunks[group][leaf], path.name) for group in groups] for leaf in leaves]
            surely, most, largest, lists = _sizes([file.schema.column(leaf) for leaf in leaves], sizes)
            certain += surely
            check_unfolded(path.name, stored, certain)
            if total + most <= most_unfolded(stored):
                total += most
                small.append(name)
            elif lists:
                raise bomb(path.name, f"the column {quoted(name)} of lists of text may unfold to {most:,} bytes")
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
        raise _not_utf_8(name, "a column name", error) from error
    return schema


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
                    raise DataError(f"{source} is damaged", where=where, why=first_line(error), fix=_AGAIN) from error
                row = _first_not_text(chunk)
                where = f"column {quoted(name)}" + ("" if row is None else f", row {rows + row + 1}")
                what = f"{source} holds text that is not UTF-8"
                raise DataError(what, where=where, why=first_line(error), fix=_AS_TEXT) from error
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


def _not_utf_8(name: str, what: str, error: UnicodeDecodeError) -> DataError:
    why = f"{what} has the byte 0x{error.object[error.start]:02x}, as Latin-1 files have it"
    return DataError(f"{name} holds text that is not UTF-8", why=why, fix=_AS_TEXT)


@contextmanager
def _said_of(path: Path, what: str) -> Iterator[None]:
    """Say in words what Arrow raises about a file, which is a regular one."""
    import pyarrow as pa

    name = path.name
    try:
        check_file(path)
        yield
    except UnicodeDecodeError as error:
        raise _not_utf_8(name, "a name in it", error) from error
    except MemoryError as error:  # Arrow's is one, too
        raise MachineError(f"out of memory while reading {name}", why=first_line(error), fix="give fewer rows or columns") from error
    except (pa.ArrowException, OSError) as error:
        if "UTF8" in str(error):
            raise DataError(f"{name} holds text that is not UTF-8", why=first_line(error), fix=_AS_TEXT) from error
        raise DataError(what, why=first_line(error), fix=_AGAIN) from error


def first_line(error: Exception) -> str:
    """Return what an error says first, else its kind."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
