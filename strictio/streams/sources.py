"""Random access to the bytes of a path or URL; only a few blocks of a remote file are held, regardless of its size.

Only what a person has named is asked for: a name inside a data file is never a URL (`strictio.images.files.name_fault`).
"""

from __future__ import annotations

import http.client
import io
import os
import re
import time
import urllib.error
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from strictio.errors import DataError, MachineError, UnsafeError, UsageError, nearest_file
from strictio.files import open_file
from strictio.streams.urls import blocks, file_system, http_part
from strictio.tables.parquet_child import first_line

TIMEOUT_S = 60
BLOCK, HELD = 4 * 2**20, 8
"""Bytes that are asked for at a time, and how many such blocks of a file are held."""
_PAUSES_S = (0.5, 2.0)
"""Before a part is asked for again that did not come whole."""
MOST_TABLE = 2**30
"""Bytes of a table behind a URL, which is read whole."""
_SCHEME = re.compile(r"(?:[\w+.-]+::)*([A-Za-z][A-Za-z0-9+.-]+)://")


class ByteSource(Protocol):
    """A file that is read at any place, by any number of threads."""

    @property
    def name(self) -> str:
        """What messages call it: its last part, without query or machine."""
        ...

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the file, fewer where it ends; MachineError if they cannot be had."""
        ...


def is_url(location: str) -> bool:
    """Whether a location is a URL, ``hf:ORG/NAME`` is not.

    Examples
    --------
    >>> is_url("s3://bucket/0.tar"), is_url("zip::https://x/0.zip"), is_url("hf:org/name"), is_url("C://x"), is_url("here/0.tar")
    (True, True, False, False, False)
    """
    return _SCHEME.match(location) is not None


def open_source(location: str) -> ByteSource:
    """Return the file at a path or URL; DataError if it does not exist, MachineError if it is out of reach."""
    if location.lower().startswith(("http://", "https://")):
        return _Blocks(_HttpFile(location))
    if location.lower().startswith("file://"):
        return _LocalFile(Path(unquote(urlsplit(location).path)))
    if not is_url(location):
        return _LocalFile(Path(location))
    return _Blocks(_FsspecFile(location))


def read_whole(location: str, most: int) -> bytes:
    """Return a whole file at a path or URL; UnsafeError if it is larger than `most` bytes; other errors as of `open_source`."""
    source = _HttpFile(location) if location.lower().startswith(("http://", "https://")) else open_source(location)
    if source.size > most:
        raise UnsafeError(f"{source.name} has {source.size:,} bytes", why=f"at most {most:,} are read at once", fix="write it in parts")
    return source.read(0, source.size)


def file_names(folder: str) -> list[str]:
    """Return the names in a folder behind a URL, sorted; UsageError where the protocol has no list."""
    if folder.lower().startswith(("http://", "https://")):
        raise UsageError("a folder behind HTTP cannot be listed", fix="name the table, the Parquet files, or {000000..000127}.tar")
    system, path = _anonymous(folder)
    try:
        return sorted(Path(each).name for each in system.ls(path, detail=False))
    except FileNotFoundError as error:
        raise DataError("no folder at the URL", fix="check the URL") from error
    except Exception as error:  # each file system has its own
        raise MachineError("cannot list the folder of the URL", why=first_line(error), fix="check URL, network and rights") from error


def joined(folder: str, name: str) -> str:
    """Return where a file below a folder lies: `name` is relative and was checked, and says nothing but a path.

    Examples
    --------
    >>> joined("https://example.org/data", "a b/1?.jpg"), joined("memory://data/", "1.jpg")
    ('https://example.org/data/a%20b/1%3F.jpg', 'memory://data/1.jpg')
    """
    plain = quote(name) if folder.lower().startswith(("http://", "https://", "file://")) else name
    return f"{folder.rstrip('/')}/{plain}"


class _LocalFile:
    def __init__(self, path: Path):
        self._path, self.name = path, path.name
        try:
            if not path.is_file():
                raise DataError(f"no file {str(path)!r}", fix=nearest_file(path, "check the path"))
            self.size = path.stat().st_size
        except OSError as error:
            raise DataError(f"cannot read {path.name}", why=error.strerror) from error

    def read(self, offset: int, length: int) -> bytes:
        try:
            with open_file(self._path) as file:  # a position of its own: any number of threads may read at once
                return os.pread(file.fileno(), length, offset)
        except OSError as error:
            raise MachineError(f"cannot read {self.name}", why=error.strerror or str(error), fix="check the disk") from error


class _HttpFile:
    def __init__(self, url: str):
        if urlsplit(url).username is not None:
            raise UsageError("a URL with a name or a password in it", why="results say how a run was started", fix="leave them out")
        self._url, self.name = url, unquote(Path(urlsplit(url).path).name) or "the URL"
        # Not HEAD: an address that is signed for reading may refuse it.
        try:
            with self._asked((0, 0)) as answer:
                found = re.fullmatch(r"bytes [^/]*/(\d+)", answer.headers.get("Content-Range") or "")
                length = found[1] if found else answer.headers.get("Content-Length") if answer.status == 200 else None
        except _Broken as error:
            raise MachineError(f"the server does not give {self.name}", why=str(error), fix="run it again later") from error
        if length is None or not re.fullmatch("[0-9]{1,18}", length):
            raise MachineError(f"the server does not say how long {self.name} is", fix="download it, and name the file")
        self.size = int(length)

    def read(self, offset: int, length: int) -> bytes:
        last = min(offset + length, self.size) - 1
        if last < offset:
            return b""
        for pause_s in (*_PAUSES_S, None):
            try:
                return self._part(offset, last)
            except _Broken as error:
                if pause_s is None:
                    why = f"{error}, {len(_PAUSES_S) + 1} times"
                    raise MachineError(f"the connection broke while reading {self.name}", why=why, fix="run it again") from error
                time.sleep(pause_s)
        raise AssertionError("the last try has no pause")

    def _part(self, offset: int, last: int) -> bytes:
        with self._asked((offset, last)) as answer:
            if answer.status == 200 and (offset or last + 1 < self.size):
                raise MachineError(
                    f"the server does not give parts of {self.name}", why="it answers a request for a range with the whole file",
                    fix="download it, and name the file",
                )  # fmt: skip
            try:
                content = b"".join(blocks(answer, TIMEOUT_S, last + 1 - offset))
            except (OSError, http.client.HTTPException) as error:
                raise _Broken(first_line(error)) from error
        if len(content) != last + 1 - offset:
            raise _Broken(f"{len(content):,} of {last + 1 - offset:,} bytes came")
        return content

    @contextmanager
    def _asked(self, part: tuple[int, int]) -> Iterator[Any]:
        """Ask for the bytes from one place up to and with another."""
        try:
            with http_part(self._url, *part, timeout_s=TIMEOUT_S) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            if error.code in (404, 410):
                raise DataError(f"no file {self.name!r} at its URL", why=f"the server answers {error.code}", fix="check the URL") from error
            if error.code == 416:
                raise DataError(f"{self.name} is empty", fix="check the URL") from error
            if error.code >= 500:
                raise _Broken(f"the server answers {error.code}") from error
            raise MachineError(f"the server refuses {self.name}", why=f"{error.code} {error.reason}", fix="check the URL") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise MachineError(f"cannot reach the server of {self.name}", why=first_line(error), fix="check URL and network") from error


class _Broken(Exception):  # noqa: N818  (it is tried again, and never leaves this module)
    """An answer that did not come whole."""


class _FsspecFile:
    def __init__(self, url: str):
        self._system, self._path = _anonymous(url)
        self.name = Path(self._path).name
        try:
            found = self._system.info(self._path)
        except FileNotFoundError as error:
            raise DataError(f"no file {self.name!r} at its URL", fix="check the URL") from error
        except Exception as error:  # each file system has its own
            raise MachineError(f"cannot reach {self.name}", why=first_line(error), fix="check URL, network and rights") from error
        if found.get("type") == "directory" or found.get("size") is None:
            raise DataError(f"{self.name!r} is not a file", fix="name a file: a table, Parquet, or tar shards")
        self.size = int(found["size"])

    def read(self, offset: int, length: int) -> bytes:
        try:
            return bytes(self._system.cat_file(self._path, start=offset, end=min(offset + length, self.size)))
        except Exception as error:
            raise MachineError(f"cannot read {self.name}", why=first_line(error), fix="check URL, network and rights") from error


def _anonymous(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it; the hub is asked without the user's token."""
    return file_system(url, **({"token": False} if url.lower().startswith("hf://") else {}))


class _Blocks:
    """A remote file of which the last few blocks are held: headers and small files that follow each other cost one request."""

    def __init__(self, file: _HttpFile | _FsspecFile):
        self._file, self.name, self.size = file, file.name, file.size
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._lock = Lock()

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        if end <= offset:
            return b""
        if end - offset > BLOCK * (HELD - 1):
            return self._file.read(offset, end - offset)
        parts = [self._block(number) for number in range(offset // BLOCK, (end - 1) // BLOCK + 1)]
        start = offset - offset // BLOCK * BLOCK
        return b"".join(parts)[start : start + end - offset]

    def _block(self, number: int) -> bytes:
        with self._lock:  # one request at a time: neighbours mostly want the same block
            if number not in self._held:
                self._held[number] = self._file.read(number * BLOCK, BLOCK)
                if len(self._held) > HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(number)
            return self._held[number]


class SourceFile(io.RawIOBase):
    """A source as a file that can be read and sought in."""

    def __init__(self, source: ByteSource):
        self._source, self._place = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = offset + {0: 0, 1: self._place, 2: self._source.size}[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        content = self._source.read(self._place, len(buffer))
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)
