"""One entry for every kind of table; its name says which it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from strictio.errors import DataError, UsageError
from strictio.tables.json_lines import first_keys, read_json_lines
from strictio.tables.parquet import parquet_schema
from strictio.tables.stream import survey
from strictio.tables.text_table import TextTable, read_delimited, read_header
from strictio.tables.workbook import read_workbook, workbook_header

_CSV, _JSON, _EXCEL = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson"), (".xlsx",)
PARQUET = (".parquet", ".pq")
_LINES = tuple(f"{ending}{packed}" for ending in (*_CSV, *_JSON) for packed in ("", ".gz"))
TEXT = (*_LINES, *_EXCEL)
"""Endings of tables that are read as text."""
ENDINGS = (*TEXT, *PARQUET)
EXPECTED = ".csv, .tsv, .txt, .jsonl, .ndjson (each also with .gz), .xlsx or .parquet"


def ending_of(path: Path) -> str:
    """Return the ending that says what kind of table a file is.

    >>> ending_of(Path("x/FACES.v2.CSV.gz")), ending_of(Path("x.gz"))
    ('.csv.gz', '.gz')
    """
    name = path.name.lower()
    return next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if name.endswith(ending)), path.suffix.lower())


def is_table(path: Path) -> bool:
    """Whether a file in a folder is a table, judging by its name. `.txt` does not count: it can be anything."""
    return ending_of(path) in ENDINGS and not ending_of(path).startswith(".txt")


def not_a_table(path: Path, more: str = "") -> DataError:
    """Return the error about a file of another kind."""
    return DataError(f"{str(path)!r} is not a table", why=f"its name ends in {path.suffix!r}", fix=f"give a {EXPECTED} file{more}")


def read_table(
    path: Path,
    encoding: str | None = None,
    *,
    wanted: Sequence[str] | None = None,
    lists: Sequence[str] = (),
    separator: str | None = None,
) -> TextTable:
    """Return the columns of a table of text, or those that are `wanted` and there; its name says which kind it is.

    `encoding`: of a file of lines; None is UTF-8. `lists`: columns that in JSON may hold a list of texts. `separator`: of the cells of a
    CSV file; None: what the header shows.

    DataError if it is not a table, or cannot be read strictly: UnsafeError if it would fill the memory, UsageError if it has an encoding of
    its own and another is asked for.
    """
    ending = ending_of(path)
    check_encoding(path, encoding)
    if ending not in TEXT:
        raise not_a_table(path)
    kind = ending.removesuffix(".gz")
    if kind in _EXCEL:
        return read_workbook(path, wanted)
    return read_json_lines(path, encoding, wanted, lists) if kind in _JSON else read_delimited(path, encoding, wanted, separator)


def check_encoding(path: Path, encoding: str | None) -> None:
    """Raise `UsageError` if an encoding is named for a file that has its own."""
    if encoding is not None and ending_of(path) not in _LINES:
        raise UsageError(f"--encoding cannot be used with {path.name}", why="it is for CSV and JSON lines", fix="leave it out")


def check_text(path: Path, encoding: str | None = None) -> None:
    """Read through a file of lines and raise `DataError` if it is not of its encoding, empty or damaged; other tables are not read."""
    if ending_of(path) in _LINES:
        survey(path, encoding)


def column_names(path: Path, encoding: str | None = None, separator: str | None = None) -> list[str]:
    """Return the columns of a table without reading it; none if it cannot be read."""
    kind = ending_of(path).removesuffix(".gz")
    names: Callable[[], Sequence[str]] = {
        **dict.fromkeys(_EXCEL, lambda: workbook_header(path)),
        **dict.fromkeys(_JSON, lambda: first_keys(path, encoding)),
        **dict.fromkeys(PARQUET, lambda: parquet_schema(path).names),
    }.get(kind, lambda: read_header(path, encoding, separator)[0])
    try:
        return list(names())
    except (DataError, UnicodeError):
        return []
