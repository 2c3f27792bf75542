"""Where the files of an audit lie: in a folder, or in the archive that ``vlm-audit pack`` writes. Both are untrusted."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

PREDICTIONS = "predictions.parquet"
LEFT_OUT = "left-out.json"
"""In an archive: names of files that were left out on purpose. Only those about single images may be."""
OF_IMAGES = (PREDICTIONS, "tables/near_duplicates.csv", "texts.csv")
MOST_BYTES = 2**32
MOST_JSON, MOST_DEPTH = 2**26, 64
"""Of a JSON file: bytes and levels; what Python makes of it may take thirty times as much memory."""
MOST_FILES = 1000
_NAME = re.compile(r"(tables/)?[\w-][\w.-]*", re.ASCII)
_FIRST_YEAR = (1980, 1, 1, 0, 0, 0)
_REGULAR = stat.S_IFREG | 0o644
_BROKEN = (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError, struct.error, zlib.error)


class UnreadableError(Exception):
    """A folder or an archive that cannot be verified at all: what, where and what to do."""


def opened(path: Path, name: str, where: str) -> io.BufferedReader:
    """Open a regular file that is no link to read, without waiting, and judge it once it is open; raises `UnreadableError`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        known = {errno.ELOOP: "is a link", errno.ENOENT: "is missing", errno.ENOTDIR: "is missing"}
        what = known.get(error.errno or 0, f"cannot be read ({error.strerror})")
        raise UnreadableError(f"{name} {what}, in {where}: name the output folder of an audit or a comparison") from error
    file, status = os.fdopen(descriptor, "rb"), os.fstat(descriptor)
    most = MOST_JSON if name.endswith(".json") else MOST_BYTES
    if stat.S_ISREG(status.st_mode) and status.st_size <= most:
        return file
    file.close()
    what = f"has {status.st_size:,} bytes, of at most {most:,}" if stat.S_ISREG(status.st_mode) else "is not a regular file"
    raise UnreadableError(f"{name} {what}, in {where}")


def parsed(content: bytes) -> Any:
    """The value of a JSON text; ValueError if it is not JSON, or too long or too deep."""
    if len(content) > MOST_JSON:
        raise ValueError(f"it has more than {MOST_JSON:,} bytes")
    value = json.loads(content)
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        tables = [part for part in level if isinstance(part, dict | list)]
        level = [part for table in tables for part in (table.values() if isinstance(table, dict) else table)]
        if not tables:
            return value
    raise ValueError(f"it is nested more than {MOST_DEPTH} deep")


class Source(Protocol):
    """Files by name."""

    @property
    def where(self) -> str:
        """The path, for messages."""
        ...

    def names(self) -> set[str]: ...

    def read(self, name: str) -> bytes: ...

    def digest(self, name: str) -> str: ...


@dataclass(frozen=True)
class FolderSource:
    """The output folder of an audit or a comparison."""

    path: Path

    @property
    def where(self) -> str:
        return repr(str(self.path))

    def names(self) -> set[str]:
        """The files of the folder and of those in it, links included."""
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*") if not path.is_dir()}

    def read(self, name: str) -> bytes:
        """The bytes of a file that is not a link; raises `UnreadableError`."""
        with opened(self.path / name, name, self.where) as file:
            return file.read(MOST_BYTES)

    def digest(self, name: str) -> str:
        """The sha256 of a file, without holding it in memory; raises as `read` does."""
        with opened(self.path / name, name, self.where) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class ArchiveSource:
    """An archive, read as it is: nothing is unpacked. It has one exact form, so that no byte of it is without meaning."""

    path: Path
    content: bytes

    @property
    def where(self) -> str:
        return repr(str(self.path))

    @cached_property
    def sha256(self) -> str:
        """Of the whole archive."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def _files(self) -> dict[str, bytes]:
        with self._opened() as archive:
            members = archive.infolist()
            for problem in self._problems(members):
                raise UnreadableError(f"{problem}, in {self.where}: no such archive was written by vlm-audit pack")
            files = {member.filename: self._content(archive, member) for member in members}
        if archived(files) != self.content:
            raise UnreadableError(f"the archive is not in the form in which it is written, in {self.where}: pack the folder again")
        return files

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(io.BytesIO(self.content))
        except _BROKEN as error:
            raise UnreadableError(f"{self.where} is not a zip archive ({type(error).__name__})") from error

    def _content(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
        try:
            return archive.read(member)
        except (*_BROKEN, RuntimeError) as error:
            raise UnreadableError(f"{member.filename} is damaged ({type(error).__name__}), in {self.where}") from error

    def _problems(self, members: list[zipfile.ZipInfo]) -> Iterable[str]:
        """What is wrong with the list of files; read before any file is."""
        if len(members) > MOST_FILES:
            yield f"{len(members):,} files, of at most {MOST_FILES:,}"
        seen: set[str] = set()
        for member in members:
            name, shown = member.filename, ascii(member.filename)[1:-1][:80]
            if not _NAME.fullmatch(name):
                yield f"the name {shown!r} is not that of a file of an audit"
            if name.casefold() in seen:
                yield f"{shown} occurs twice"
            seen.add(name.casefold())
            if member.external_attr >> 16 != _REGULAR:
                yield f"{shown} is a link, a folder or no plain file"
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
                yield f"{shown} is compressed or encrypted, and may be of any size"
        if sum(member.file_size for member in members) > len(self.content):
            yield "files that overlap"

    def names(self) -> set[str]:
        """The files of the archive."""
        return set(self._files)

    def read(self, name: str) -> bytes:
        """The bytes of a file; raises `UnreadableError`."""
        if name not in self._files:
            raise UnreadableError(f"{name} is missing, in {self.where}")
        return self._files[name]

    def digest(self, name: str) -> str:
        """The sha256 of a file; raises as `read` does."""
        return hashlib.sha256(self.read(name)).hexdigest()

    def left_out(self) -> tuple[str, ...]:
        """Files that were left out on purpose; raises `UnreadableError` for any that is not about single images, or is in the archive."""
        if LEFT_OUT not in self._files:
            return ()
        named = tuple(name for name in OF_IMAGES if name.encode() in self._files[LEFT_OUT])
        if self._files[LEFT_OUT] != json.dumps(named).encode() + b"\n":
            raise UnreadableError(f"{LEFT_OUT} names other files than {', '.join(OF_IMAGES)}, in {self.where}")
        if here := sorted({*named} & {*self._files}):
            raise UnreadableError(f"{here[0]} is in the archive, although {LEFT_OUT} names it, in {self.where}")
        return named


def archived(files: dict[str, bytes]) -> bytes:
    """The archive of some files: sorted, uncompressed, without dates. Equal files give equal bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _FIRST_YEAR)
            member.create_system, member.external_attr = 3, _REGULAR << 16
            archive.writestr(member, files[name])
    return content.getvalue()


def open_source(path: Path) -> FolderSource | ArchiveSource:
    """A folder, or an archive if the path is a file; raises `UnreadableError`."""
    if not path.is_file():
        return FolderSource(path)
    if path.is_symlink():
        raise UnreadableError(f"{str(path)!r} is a link: name the archive itself")
    with opened(path, path.name, repr(str(path.parent))) as file:
        return ArchiveSource(path, file.read(MOST_BYTES))
