"""A table of text: columns of cells, and the position of each row in its file."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from strictio.errors import DataError

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
