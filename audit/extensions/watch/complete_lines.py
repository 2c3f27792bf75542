"""The complete lines of a table that is being appended to, as they are at one moment."""

from __future__ import annotations

import codecs
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from audit.errors import DataError
from strictio.files import open_file, replacing
from strictio.limits import MOST_TEXT

LINES = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Endings of tables to which a program can append a line."""
_BLOCK = 1 << 20
_WIDTHS = {"utf-16": 2, "utf-32": 4}
"""Bytes per character of encodings with more than one for a line break."""


@contextmanager
def complete_lines(path: Path, encoding: str | None) -> Iterator[tuple[Path, bool]]:
    """Give a copy of a text table without its last line, if that has no line break yet, and whether it has none; other files as they are.

    Read now, the row of such a line might change. A copy, because the file may grow while it is read. Raises DataError if no line is
    complete, or the last one is longer than any row can be.
    """
    if path.suffix.lower() not in LINES or not path.is_file():
        yield path, False
        return
    with open_file(path) as file, tempfile.TemporaryDirectory(prefix="vlm-audit-") as folder:
        size = file.seek(0, io.SEEK_END)
        complete = _end_of_last_line(file, size, encoding)
        if size - complete > MOST_TEXT:
            what = f"the last line of {path.name} is longer than {MOST_TEXT:,} bytes"
            raise DataError(what, why="no row of a table is so long", fix="check what is written to it")
        if not complete and size:
            why = "it holds no line break"
            raise DataError(f"{path.name} has no complete line yet", why=why, fix="look again when there are predictions in it")
        copy = Path(folder) / path.name
        file.seek(0)
        with replacing(copy) as target:
            for start in range(0, complete, _BLOCK):
                target.write(file.read(min(_BLOCK, complete - start)))
        yield copy, complete < size


def _end_of_last_line(file: IO[bytes], size: int, encoding: str | None) -> int:
    """The position after the last line break; 0 without one."""
    codec = codecs.lookup(encoding or "utf-8").name
    width = next((width for name, width in _WIDTHS.items() if codec.startswith(name)), 1)
    file.seek(0)
    big = codec.endswith("-be") or file.read(4).startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
    marks = [mark.rjust(width, b"\0") if big else mark.ljust(width, b"\0") for mark in (b"\n", b"\r")]
    stop = size - size % width
    while stop > size - MOST_TEXT - _BLOCK and stop:
        start = (stop - 1) // _BLOCK * _BLOCK
        file.seek(start)
        block = file.read(stop - start)
        if (end := max(_last(block, mark) for mark in marks)) >= 0:
            return start + end + width
        stop = start
    return 0


def _last(block: bytes, mark: bytes) -> int:
    """The last position of a character in a block that begins with one; -1 if it is not there."""
    at = block.rfind(mark)
    while at % len(mark) and at >= 0:
        at = block.rfind(mark, 0, at + len(mark) - 1)
    return at
