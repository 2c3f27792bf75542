"""Excel: the only sheet of a workbook that holds anything, read in a locked child."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import index
from pathlib import Path
from typing import IO

from strictio.child.process import EndedError, TooMuchMemoryError, shared_child
from strictio.errors import DataError, UnsafeError
from strictio.files import open_file
from strictio.limits import check_unfolded, expansion_error
from strictio.tables.text_table import Row, TextTable, collect, named_columns

MAX_MEMORY = 4 * 2**30
"""Bytes that reading a workbook may take."""
SECONDS, SECONDS_PER_MIB = 30.0, 2.0
"""Of the processor for a workbook, and more for each MiB that it unfolds to; openpyxl takes a tenth."""
_AS_CSV = "save it as 'CSV UTF-8'"


def read_workbook(path: Path, wanted: Sequence[str] | None) -> TextTable:
    """Return the columns of a workbook, or those that are `wanted` and there; whole numbers read as whole numbers, dates as in ISO 8601."""
    with _rows(path, wanted, only_header=False) as rows:
        _, header = next(rows)
        return collect(rows, named_columns([str(cell) for cell in header], wanted, path.name), path.name, "row")


def workbook_header(path: Path) -> list[str]:
    """Return the cells of the first row that has any."""
    with _rows(path, None, only_header=True) as rows:
        return [str(cell) for cell in next(rows)[1]]


@contextmanager
def _rows(path: Path, wanted: Sequence[str] | None, *, only_header: bool) -> Iterator[Iterator[Row]]:
    """Give the rows of a workbook, the header first; `DataError` if it cannot be read, or several of its sheets hold something."""
    damaged = f"{path.name} is not an Excel workbook, or damaged"
    try:
        content = open_file(path)
    except OSError as error:
        raise DataError(damaged, why=str(error)[:200], fix=_AS_CSV) from error
    with content:
        unfolded = _unfolded(content, path.name)
        child = shared_child("strictio.tables.workbook_child:reading_workbooks", ("openpyxl", "et_xmlfile"), MAX_MEMORY)
        request = {"name": path.name, "wanted": None if wanted is None else list(wanted), "only_header": only_header}
        seconds = SECONDS + SECONDS_PER_MIB * unfolded / 2**20
        with child.turn:
            try:
                with child.answering(request, seconds, [content.fileno()]) as answer:
                    yield _lines(child.file, answer["length"])
            except TooMuchMemoryError as error:
                raise expansion_error(path.name, f"reading it takes over {MAX_MEMORY // 2**30} GiB") from error
            except EndedError as error:
                if error.took_too_long:
                    raise UnsafeError(f"reading {path.name} does not end", why=f"it took over {seconds:.0f} s", fix=_AS_CSV) from error
                raise DataError(damaged, why="the process that read it has crashed", fix=_AS_CSV) from error
            finally:
                child.file.truncate(0)


def _unfolded(content: IO[bytes], name: str) -> int:
    """Judge the archive by its directory, which Python's reader of archives holds it to, and return the bytes that it unfolds to."""
    try:
        with zipfile.ZipFile(content) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(f"{name} is not an Excel workbook, or damaged", why=str(error)[:200], fix=_AS_CSV) from error
    unfolded = sum(entry.file_size for entry in entries)
    check_unfolded(name, os.fstat(content.fileno()).st_size, unfolded)
    return unfolded


def _lines(file: IO[bytes], length: int) -> Iterator[Row]:
    """Yield the rows that a child wrote to the shared file."""
    with os.fdopen(os.dup(file.fileno()), "rb") as lines:
        lines.seek(0)
        while lines.tell() < length:
            number, cells = json.loads(lines.readline())
            yield index(number), [cell + "" for cell in cells]
