"""A label table (CSV, or the rows of any other) with an image column of paths and attribute columns, beside the images."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from audit.data.arrow import row_id
from audit.data.assemble import Origin, assemble
from audit.data.files import image_files, inspect_names, name_fault
from audit.data.schema import Cells, Schema, check_columns, check_distinct, counted, image_column, quoted
from audit.errors import DataError
from audit.types import Dataset, Note

CSV_SUFFIXES = (".csv",)
PARQUET_SUFFIXES = (".parquet", ".pq")
_PROBED_NAMES, _LONGEST_LINE = 1000, 1 << 24


def with_files(cells: Cells, folder: Path, schema: Schema, origin: Origin) -> Dataset:
    """Return the data set of a table whose image column holds paths, relative to `folder` or to the one above it."""
    check_columns(schema, list(cells.columns), cells.place)
    column = image_column(schema, list(cells.columns), cells.place)
    names = cells.columns[column]
    root = _root(folder, names)
    _check_files(root, names, cells)
    if root != folder:
        origin = replace(origin, notes=(*origin.notes, Note("paths_from_above", {"table": cells.place})))
    ids = list(map(row_id, names))
    return assemble(image_files(root, ids), ids, cells, schema, origin)


def _root(folder: Path, names: Sequence[str]) -> Path:
    """Return the folder that the names are relative to: the table's own, or the one above where only that one holds any of them."""
    allowed = [name for name in names[:_PROBED_NAMES] if name_fault(name) is None]
    return next((root for root in (folder, folder.absolute().parent) if any((root / name).is_file() for name in allowed)), folder)


def _check_files(root: Path, names: Sequence[str], cells: Cells) -> None:
    if not names:
        return  # `read` says that there is no row
    seen = inspect_names(root, names)
    if seen.forbidden:
        # One of each kind first, so that a message of bounded length names every kind.
        kinds = {kind: row for row, kind in reversed(seen.forbidden)}
        first = {row: kind for kind, row in reversed(kinds.items())} | dict(seen.forbidden)
        found = [f"{kind} {quoted(names[row])} ({cells.where(row)})" for row, kind in list(first.items())[:10]]
        more = f"; and {len(first) - 10} more" if len(first) > 10 else ""
        what, fix = f"{counted(len(first), 'image path')} not allowed", "use relative paths of regular files inside the folder of the table"
        raise DataError(what, where=cells.place, why="; ".join(found) + more, fix=fix)
    if not seen.present:
        why = f"the first is {quoted(names[0])} ({cells.where(0)}), looked for beside the table and in the folder above it"
        fix = "put the table into the folder that its paths are relative to"
        raise DataError(f"none of the {len(names)} images of {cells.place} exists", why=why, fix=fix)


def read_csv(path: Path) -> Cells:
    """Return a CSV file as text: nothing is guessed, every cell stays the string that it is; DataError names the line."""
    reader = csv.reader(io.StringIO(_decoded(path), newline=""), strict=True)
    rows: list[list[str]] = []
    numbers: list[int] = []
    start = 1
    try:
        for row in reader:
            if row:
                rows.append(row)
                numbers.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path.name} is not a CSV table", where=f"line {reader.line_num}", why=str(error), fix="quote the cell") from error
    if not rows:
        raise DataError(f"{path.name} has no header", why="it holds only blank lines", fix="give a table with one row an image")
    return _rectangular(rows, numbers, path)


def _rectangular(rows: list[list[str]], numbers: list[int], path: Path) -> Cells:
    header = rows[0]
    check_distinct(header, path.name)
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != len(header):
            why = f"found {len(row)} cells, expected {len(header)}: {', '.join(cell[:80] for cell in header[:50])}"
            fix = "give each line one cell a column, separated by commas; quote cells that hold a comma"
            raise DataError(f"{path.name} is ragged", where=f"line {number}", why=why, fix=fix)
    columns = dict(zip(header, zip(*rows[1:], strict=True), strict=True)) if len(rows) > 1 else dict.fromkeys(header, ())
    return Cells(columns, numbers[1:], path.name)


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}", why=error.strerror) from error
    if not content.strip():
        raise DataError(f"{path.name} is empty", why=f"it has {len(content)} bytes", fix="give a table with one row an image")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path.name} is UTF-16", where="line 1", why="expected UTF-8", fix="save it as 'CSV UTF-8'")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        why = f"found the byte 0x{content[error.start]:02x}, as Latin-1 or Windows files have it"
        fix = "save it as 'CSV UTF-8', or convert it with: iconv -f latin1 -t utf-8"
        raise DataError(f"{path.name} is not UTF-8", where=f"line {line}", why=why, fix=fix) from error


def csv_header(path: Path, separators: Sequence[str] = (",",)) -> tuple[list[str], str]:
    """Return the column names of a CSV file, however long its header is, and which of the separators its first line has, else the first.

    An unreadable header is empty; DataError where its first line has more than 16 MB.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = iter(lambda: file.readline(_LONGEST_LINE), "")
        first = next((line for line in lines if line.strip()), "")
        if len(first) == _LONGEST_LINE:
            raise DataError(f"the first line of {path.name} has no end within 16 MB", fix="give a table with a header and one row a line")
        separator = next((mark for mark in separators if mark in first), separators[0])
        try:
            return next(csv.reader(itertools.chain([first], lines), delimiter=separator), []), separator
        except csv.Error:
            return [], separator
