"""What runs in a child for workbooks: it writes the rows of the only sheet that holds anything to the shared file, as lines of JSON."""

from __future__ import annotations

import datetime as dt
import json
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import IO, Any
from xml.etree.ElementTree import ParseError

from strictio.child.serve import Answer
from strictio.errors import DataError
from strictio.limits import expansion_error
from strictio.tables.text_table import Row, named_columns

_MOST_ROWS, _MOST_EMPTY = 2**20, 20_000_000  # Excel itself has no more rows
_EMPTY_ROW = 200
"""What an empty row counts for among the empty cells: a few bytes of a file may claim a million of them."""
_ROWS_AT_ONCE = 2048
_MIDNIGHT = dt.time()


def reading_workbooks() -> Answer:
    """Return the function that answers, once openpyxl is imported."""
    import openpyxl  # noqa: F401

    return _answer


def _answer(request: dict[str, Any], file: IO[bytes], files: Sequence[int]) -> dict[str, Any]:
    """Write ``[number, [cell, …]]`` per row, the header first; `only_header`: nothing else."""
    name = request["name"]
    file.seek(0)
    with os.fdopen(os.dup(files[0]), "rb") as content, _only_sheet(content, name) as sheet:
        rows = _rows(sheet, name)
        number, header = next(rows)
        file.write(_line([number, header]))
        if not request["only_header"]:
            named_columns(header, request["wanted"], name)
            source = _rectangular(rows, header, name)
            while block := b"".join(map(_line, islice(source, _ROWS_AT_ONCE))):
                file.write(block)
    return {"length": file.tell()}


def _line(row: Sequence[Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


@contextmanager
def _only_sheet(content: IO[bytes], name: str) -> Iterator[Any]:
    """Open a workbook for reading; `DataError` if it cannot be read, or several of its sheets hold something."""
    import openpyxl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and validations, which are not read
            book = openpyxl.load_workbook(content, read_only=True, data_only=True, keep_links=False)
            try:
                filled = [sheet for sheet in map(_whole, book.worksheets) if next(_rows(sheet, name), None)]
                if len(filled) != 1:
                    raise _not_one(name, [str(sheet.title) for sheet in filled])
                yield filled[0]
            finally:
                book.close()
    except (DataError, MemoryError):
        raise
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ParseError,
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,  # zipfile's, of an encrypted archive
        EOFError,
    ) as error:
        # openpyxl raises arbitrary exceptions for malformed XML.
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{name} is not an Excel workbook, or damaged", why=why, fix="save it as 'CSV UTF-8'") from error


def _whole(sheet: Any) -> Any:
    """Return a sheet without the size that it claims: openpyxl would leave out what lies beyond it."""
    sheet.reset_dimensions()
    return sheet


def _not_one(name: str, filled: Sequence[str]) -> DataError:
    if not filled:
        return DataError(f"{name} is empty", why="no sheet holds anything", fix="give a table with one row per image")
    sheets = ", ".join(map(ascii, filled[:20]))
    return DataError(f"{name} has several sheets", why=f"found {sheets}", fix="save the sheet that is meant as a file of its own")


def _rows(sheet: Any, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that hold something, without the empty cells at their ends, which a file may claim without limit."""
    empty = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        width = next((at for at in range(len(values), 0, -1) if values[at - 1] not in (None, "")), 0)
        empty += len(values) - width + (0 if width else _EMPTY_ROW)
        if empty > _MOST_EMPTY or number > _MOST_ROWS:
            what = f"over {_MOST_EMPTY:,} empty cells" if empty > _MOST_EMPTY else f"over {_MOST_ROWS:,} rows"
            raise expansion_error(name, f"it has {what}")
        if width:
            yield number, [_text(value) for value in values[:width]]


def _rectangular(rows: Iterator[tuple[int, list[str]]], header: Sequence[str], name: str) -> Iterator[Row]:
    for number, row in rows:
        if len(row) > len(header):
            why = f"found {len(row)} cells, expected {len(header)}: {', '.join(cell[:80] for cell in header[:50])}"
            raise DataError(f"{name} is ragged", where=f"row {number}", why=why, fix="give each column a name in the first row")
        yield number, [*row, *[""] * (len(header) - len(row))]


def _text(value: Any) -> str:
    """Return a cell as a CSV file would have it.

    >>> [_text(value) for value in (None, "01", 1, 1.0, 0.5, True, dt.datetime(2020, 3, 9))]
    ['', '01', '1', '1', '0.5', 'True', '2020-03-09']
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime) and value.time() == _MIDNIGHT:
        return value.date().isoformat()
    return str(value)
