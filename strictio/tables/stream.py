"""A file of text as a stream, compressed or not: its bytes and encoding are judged in one pass, before anything of it is kept."""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from strictio.errors import DataError
from strictio.files import open_file
from strictio.limits import check_unfolded

UTF_8 = "utf-8-sig"
LONGEST_LINE = 1 << 24
_BLOCK = 1 << 20
LOG = logging.getLogger("audit.tables")
_LATIN = ("iso8859-1", "iso8859-15")
_CONTROLS = re.compile("[\x80-\x9f]")
"""Control characters of Latin-1 that no table holds. Windows-1252 has letters and signs in their place."""
_MARK = "\ufeff"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open a file for reading, unfolding ``.gz``; `DataError` if it cannot be read."""
    packed = path.suffix.lower() == ".gz"
    try:
        if packed:
            _check_end(path)
        with open_file(path) as file, gzip.GzipFile(fileobj=file) if packed else nullcontext(file) as unpacked:
            yield unpacked
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path.name} is damaged", why=f"gzip: {error}", fix="compress or download it again") from error
    except OSError as error:
        raise DataError(
            f"cannot read {str(path)!r}", why=error.strerror or str(error), fix="check the path, or give another file"
        ) from error


def _check_end(path: Path) -> None:
    """Raise `DataError` if an archive is padded with zeros, which Python skips one by one."""
    with open_file(path) as file:
        file.seek(-min(_BLOCK, file.seek(0, io.SEEK_END)), io.SEEK_END)
        end = file.read()
    if len(end) == _BLOCK and not end.strip(b"\0"):
        raise DataError(f"{path.name} is damaged", why="it ends in a megabyte of zeros", fix="compress or download it again")


@contextmanager
def text_lines(path: Path, encoding: str, *, errors: str = "strict", newline: str = "") -> Iterator[IO[str]]:
    """Open a text file and skip its byte order mark, if any: the codecs `utf-8` and `utf-16-le` would return it as a character."""
    try:
        with opened(path) as file, io.TextIOWrapper(file, encoding, errors, newline) as text:
            if encoding != UTF_8 and text.read(1) != _MARK:
                text.seek(0)
            yield text
    except UnicodeError as error:  # it was read through before (`survey`)
        raise DataError(f"{path.name} has changed while it was read", why=str(error), fix="run it again once the file is whole") from error


@dataclass
class Survey:
    """What one pass over a file has shown so far."""

    plain: bool = True
    """No quotation mark, no blank line, only usual line ends: lines can be counted, and cells split at the separator."""
    blank: bool = True
    """Nothing but white space."""
    controls: bool = False
    lines: int = 1
    size: int = 0
    _open: int = 0
    """Characters since the last line end."""
    _last: str = field(default="\n")

    def add(self, text: str) -> None:
        """Look at the next piece of text."""
        window = self._last + text
        lone = window.count("\r") - window.count("\r\n") - window.endswith("\r")
        self.plain = self.plain and not ('"' in text or "\n\n" in window or "\n\r" in window or lone)
        self.blank = self.blank and not text.strip()
        self.controls = self.controls or not (text.isascii() or _CONTROLS.search(text) is None)
        self.lines += text.count("\n")
        end = max(text.rfind("\n"), text.rfind("\r"))
        self._open = len(text) - end - 1 if end >= 0 else self._open + len(text)
        self._last = window[-2:]

    def check_line(self, name: str) -> None:
        """Raise `DataError` about a line without an end."""
        if self._open > LONGEST_LINE:
            which = "the first line" if self.lines == 1 else f"line {self.lines}"
            fix = "give a table with a header and one row per line"
            raise DataError(f"{which} of {name} has no end within {LONGEST_LINE >> 20} MB", fix=fix)


def survey(path: Path, encoding: str | None) -> Survey:
    """Read through a file of text; None is UTF-8, with or without its mark.

    `DataError` if it is empty, in another encoding (said with the line) or damaged; `UnsafeError` if it unfolds to too much.
    """
    summary, decoder = Survey(), codecs.getincrementaldecoder(encoding or UTF_8)()
    with opened(path) as file:
        stored = os.fstat(file.fileno()).st_size
        while block := file.read(_BLOCK):
            if encoding is None and not summary.size:
                _refuse_utf_16(path.name, block)
            summary.size += len(block)
            check_unfolded(path.name, stored, summary.size)
            _decode(decoder, block, summary, path.name, encoding)
        _decode(decoder, b"", summary, path.name, encoding)
    if summary.controls and codecs.lookup(encoding or UTF_8).name in _LATIN:
        LOG.warning("%s holds control characters: it looks like cp1252 (Windows): --encoding cp1252 (in training data.encoding)", path.name)
    if summary.blank:
        raise DataError(f"{path.name} is empty", why=f"it has {summary.size} bytes", fix="give a table with one row per image")
    return summary


def _decode(decoder: codecs.IncrementalDecoder, block: bytes, summary: Survey, name: str, encoding: str | None) -> None:
    try:
        summary.add(decoder.decode(block, final=not block))
    except UnicodeError as error:
        raise _not_in(name, encoding, error, summary.lines) from error
    summary.check_line(name)


def _not_in(name: str, encoding: str | None, error: UnicodeError, line: int) -> DataError:
    """Return the error about a byte that is invalid in the encoding."""
    if not isinstance(error, UnicodeDecodeError):
        return DataError(f"{name} is not {encoding}", why=str(error), fix="name the encoding that it was written in: --encoding NAME")
    where = f"line {line + error.object.count(10, 0, error.start)}"
    problem = f"found the byte 0x{error.object[error.start]:02x}"
    if encoding is not None:
        return DataError(
            f"{name} is not {encoding}", where=where, why=problem, fix="name the encoding that it was written in: --encoding NAME"
        )
    # Windows-1252 is Latin-1 with letters and signs in place of control characters.
    looks_like, codec = ("Windows-1252", "cp1252") if any(0x80 <= byte < 0xA0 for byte in error.object) else ("Latin-1", "latin-1")
    why = f"{problem}, as {looks_like} files have it"
    return DataError(f"{name} is not UTF-8", where=where, why=why, fix=f"--encoding {codec}, or save it as 'CSV UTF-8'")


def _refuse_utf_16(name: str, start: bytes) -> None:
    marked = start.startswith(_UTF_16)
    odd, even = start[:200:2].count(0), start[1:200:2].count(0)
    if marked or max(odd, even) > 50:
        codec = "utf-16" if marked else "utf-16-le" if even > odd else "utf-16-be"
        raise DataError(f"{name} is UTF-16", where="line 1", why="expected UTF-8", fix=f"--encoding {codec}, or save it as 'CSV UTF-8'")
