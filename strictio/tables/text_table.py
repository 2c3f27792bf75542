"""A table of text: columns of cells, and the position of each row in its file."""

from __future__ import annotations

import csv
import itertools
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strictio.errors import DataError
from strictio.tables.stream import LONGEST_LINE, UTF_8, survey, text_lines

if TYPE_CHECKING:
    import pyarrow as pa

MOST_COLUMNS = 10_000
_ROWS_AT_ONCE = 2048  # more would be looked at again and again by the garbage collector
Row = tuple[int, Sequence[Any]]
"""Where a row stands, and its cells."""


@dataclass(frozen=True)
class TextTable:
    """Columns of text in the order of the file, without those that have no name; an empty cell is the empty string."""

    columns: pa.Table
    numbers: Sequence[int]
    """Position of each row in its file."""
    place: str
    """The file's name."""
    unit: str = "line"


def collect(rows: Iterable[Row], columns: Mapping[str, int], table_name: str, unit: str = "line", lists: Sequence[str] = ()) -> TextTable:
    """Return the table of numbered rows, of each the cells at the places of `columns`; those of `lists` are lists.

    The rows are never held all at once as Python objects.
    """
    import pyarrow as pa

    schema = pa.schema([(name, pa.list_(pa.string()) if name in lists else pa.string()) for name in columns])
    source, batches, numbers = iter(rows), [], array("q")
    while chunk := list(islice(source, _ROWS_AT_ONCE)):
        row_numbers, cells = zip(*chunk, strict=True)
        numbers.extend(row_numbers)
        by_column = list(zip(*cells, strict=True))
        try:
            parts = [pa.array(by_column[at], kind) for at, kind in zip(columns.values(), schema.types, strict=True)]
            batches.append(pa.record_batch(parts, schema=schema))
        except UnicodeEncodeError as error:
            where = next(f"{unit} {number}" for number, cells in chunk if not all(map(is_unicode, cells)))
            raise DataError(
                f"{table_name} holds half a character", where=where, why="a lone surrogate", fix="write the text as UTF-8"
            ) from error
    if numbers and not columns:
        raise DataError(f"{table_name} has rows but no column with a name", fix="name the columns")
    return TextTable(pa.Table.from_batches(batches, schema), numbers, table_name, unit)


def is_unicode(cell: Any) -> bool:
    """Whether a text, or each of several, can be written as UTF-8: half of a character cannot."""
    try:
        "".join(cell).encode()
    except UnicodeEncodeError:
        return False
    return True


def named_columns(names: Sequence[str], wanted: Sequence[str] | None, table_name: str) -> dict[str, int]:
    """Return where the columns to read stand: those that have a name, or only the `wanted` ones; `DataError` if one is there twice."""
    check_distinct(names if wanted is None else [name for name in names if name in wanted], table_name)
    if wanted is None:
        return {name: at for at, name in enumerate(names) if name}
    return {name: names.index(name) for name in wanted if name in names}


def check_distinct(names: Sequence[str], table_name: str) -> None:
    """Raise `DataError` if two columns have one name, which pandas would rename, or a table has more than `MOST_COLUMNS` columns."""
    if len(names) > MOST_COLUMNS:
        fix = "write a table of the columns that are meant"
        raise DataError(f"{table_name} has {len(names):,} columns", why=f"at most {MOST_COLUMNS:,} are read", fix=fix)
    if twice := [name for name, count in Counter(names).items() if count > 1 and name]:
        raise DataError(
            f"{table_name} has the column {quoted(twice[0])} twice", why=found_columns(names), fix="rename or remove one of them"
        )


def found_columns(names: Iterable[str]) -> str:
    """Return the names of columns for a message, of bounded length."""
    first = list(names)
    return f"found the columns: {', '.join(name[:80] for name in first[:50]) or 'none'}"


def quoted(text: str) -> str:
    r"""Return `text` for a message: quoted, of bounded length, control characters escaped.

    Examples
    --------
    >>> quoted("img\0.png"), quoted("A" * 100)[-5:]
    ("'img\\x00.png'", "A...'")
    """
    return repr(text if len(text) <= 80 else text[:77] + "...")


# CSV: cells separated by commas, semicolons or tabs.


SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_BLOCK = 1 << 22
_QUOTED = re.compile(r'"[^"]*"')


def read_delimited(path: Path, encoding: str | None, wanted: Sequence[str] | None, separator: str | None = None) -> TextTable:
    """Return the columns of a CSV file, or those that are `wanted` and there.

    Its cells are separated by `separator`, else by commas, or, where the header has no comma, by semicolons or tabs.
    """
    plain = survey(path, encoding).plain
    header, separator = read_header(path, encoding, separator)
    if header and not any(header):
        raise DataError(f"{path.name} has no header", where="line 1", fix="name the columns in the first line")
    places = named_columns(header, wanted, path.name)
    if plain and encoding is None and (columns := _in_parallel(path, header, separator)) is not None:
        return TextTable(columns.select(list(places.values())), range(2, columns.num_rows + 2), path.name)
    return collect(_rows(path, encoding, separator, header), places, path.name)


def read_header(path: Path, encoding: str | None, separator: str | None = None) -> tuple[list[str], str]:
    """Return the column names, however long the header is, and the separator.

    Unless given, the separator is the first one in the first line that is outside quotation marks; if there are several kinds, the first
    that occurs as often in the next row. An unreadable header is empty; DataError if its first line has more than 16 MB.
    """
    with text_lines(path, encoding or UTF_8, errors="replace") as file:
        first = next((line for line in iter(lambda: file.readline(LONGEST_LINE), "") if line.strip("\r\n")), "")
    if len(first) == LONGEST_LINE:
        raise DataError(f"the first line of {path.name} has no end within 16 MB", fix="give a table with a header and one row per line")
    bare = _QUOTED.sub("", first)
    separators = [separator] if separator else [mark for mark in SEPARATORS if mark in bare] or [","]
    starts = {mark: _first_rows(path, encoding, mark) for mark in separators}
    even = [mark for mark, rows in starts.items() if len(rows) == 2 and len(rows[0]) == len(rows[1])]
    chosen = (even or separators)[0]
    return next(iter(starts[chosen]), []), chosen


def _first_rows(path: Path, encoding: str | None, separator: str) -> list[list[str]]:
    """Return the header and the row after it, as far as they can be read."""
    rows: list[list[str]] = []
    with text_lines(path, encoding or UTF_8, errors="replace") as file:
        reader = csv.reader(iter(lambda: file.readline(LONGEST_LINE), ""), delimiter=separator, strict=True)
        with suppress(csv.Error):  # reported when the table is read
            rows.extend(itertools.islice((row for row in reader if row), 2))
    return rows


def _in_parallel(path: Path, header: Sequence[str], separator: str) -> pa.Table | None:
    """Return a file without quotation marks and blank lines as Arrow reads it; None where the strict reader has something to say."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow_csv

    names = list(map(str, range(len(header))))
    options = {
        "read_options": arrow_csv.ReadOptions(block_size=_BLOCK, column_names=names, skip_rows=1),
        "parse_options": arrow_csv.ParseOptions(delimiter=separator, quote_char=False),
        "convert_options": arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[], strings_can_be_null=False
        ),
    }
    try:
        with pa.input_stream(path, "gzip" if path.suffix.lower() == ".gz" else None) as file:
            table = arrow_csv.read_csv(file, **options)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError):  # OSError: of a damaged archive
        return None
    longest = [pc.max(pc.binary_length(column)).as_py() or 0 for column in table.columns]
    return None if max(longest, default=0) > csv.field_size_limit() else table.rename_columns(list(header))


def _rows(path: Path, encoding: str | None, separator: str, header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield every row after the header, with the line that it begins on; `DataError` names the line of what is wrong."""
    with text_lines(path, encoding or UTF_8) as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        start, rows = 1, 0
        try:
            for row in reader:
                if row and len(row) != len(header):
                    raise _ragged(path.name, start, len(row), header, separator)
                if row and rows:
                    yield start, row
                rows += bool(row)
                start = reader.line_num + 1
        except csv.Error as error:
            where = f"line {reader.line_num}"
            raise DataError(f"{path.name} is not a CSV table", where=where, why=str(error), fix="quote the cell") from error


def _ragged(name: str, line: int, n_cells: int, header: Sequence[str], separator: str) -> DataError:
    why = f"found {n_cells} cells, expected {len(header)}: {', '.join(cell[:80] for cell in header[:50])}"
    marks = SEPARATORS.get(separator, repr(separator))
    fix = f"give each line one cell per column, separated by {marks}; quote cells that hold {marks}"
    return DataError(f"{name} is ragged", where=f"line {line}", why=why, fix=fix)
