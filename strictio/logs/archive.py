"""JSON members of a ZIP archive: stored, deflated, or compressed with Zstandard (method 93), which `zipfile` cannot read before 3.14."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from strictio.errors import DataError, UnsafeError
from strictio.files import open_file
from strictio.limits import check_unfolded, zip_directory_size
from strictio.tables.json_lines import parse_object

MAX_MEMBER = 2**25
"""Bytes of one member: what Python makes of JSON may take thirty times as much."""
_MAX_DIRECTORY = 2**24
_END = 2**16 + 22 + 76
"""Bytes at the end of a file in which the end of the directory is."""
_DEFLATED, _ZSTANDARD = zipfile.ZIP_DEFLATED, 93
_AGAIN = "download or write it again"


def is_zip(path: Path) -> bool:
    """Whether a file begins as a ZIP archive."""
    try:
        with open_file(path) as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError:
        return False


@dataclass(frozen=True)
class JsonArchive:
    """An open archive whose directory was checked."""

    source: str
    """The file's name, for messages."""
    file: IO[bytes]
    members: dict[str, zipfile.ZipInfo]

    def read(self, name: str) -> dict[str, Any]:
        """Return the object that a member holds; `DataError` if it is damaged or not JSON."""
        where = f"{self.source}, {name[:80]!a}"
        return parse_object(self.bytes_of(name), where)

    def bytes_of(self, name: str) -> bytes:
        """Return what a member unfolds to, after its checksum."""
        info, where = self.members[name], f"{self.source}, {name[:80]!a}"
        if info.file_size > MAX_MEMBER:
            what = f"{where} has {info.file_size:,} bytes"
            raise DataError(what, why=f"at most {MAX_MEMBER:,} are read", fix="write the log again without events and attachments")
        try:
            content = _unfold(self._stored(info), info)
        except (OSError, zlib.error, struct.error) as error:
            raise DataError(f"{where} is damaged", why=str(error)[:200], fix=_AGAIN) from error
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise DataError(f"{where} is damaged", why="its size or checksum is wrong", fix=_AGAIN)
        return content

    def _stored(self, info: zipfile.ZipInfo) -> bytes:
        """The bytes of a member in the file, behind a header of their own."""
        self.file.seek(info.header_offset)
        header = self.file.read(30)
        if header[:4] != b"PK\x03\x04":
            raise OSError("no member where the directory says")
        names, extra = struct.unpack_from("<HH", header, 26)
        start = self.file.seek(names + extra, 1)
        if self.file.seek(0, 2) - start < info.compress_size:  # memory would be allocated for the size that the directory states
            raise OSError("the file ends too early")
        self.file.seek(start)
        return self.file.read(info.compress_size)


@contextmanager
def open_archive(path: Path) -> Iterator[JsonArchive]:
    """Open an archive; `DataError` if its directory cannot be read, `UnsafeError` if its members unfold to too much."""
    with open_file(path) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END))
        directory = zip_directory_size(file.read())
        if directory is None:
            raise DataError(f"{path.name} is cut short", why="a ZIP archive begins but its directory is not at the end", fix=_AGAIN)
        if directory > _MAX_DIRECTORY:
            raise UnsafeError(f"the directory of {path.name} has {directory:,} bytes", why=f"at most {_MAX_DIRECTORY:,} are read")
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise DataError(f"{path.name} is not a ZIP archive, or damaged", why=str(error)[:200], fix=_AGAIN) from error
        by_name = {info.filename: info for info in members}
        if len(by_name) < len(members):
            raise UnsafeError(f"{path.name} holds two members with one name", fix=_AGAIN)
        if locked := next((info.filename for info in members if info.flag_bits & 1), None):
            raise DataError(f"{path.name}: the member {locked[:80]!a} is encrypted", fix="decrypt the log")
        check_unfolded(path.name, size, sum(info.file_size for info in members))
        yield JsonArchive(path.name, file, by_name)


def _unfold(stored: bytes, info: zipfile.ZipInfo) -> bytes:
    """Decompress a member, never beyond the size that its directory entry states."""
    readers: dict[int, Callable[[], bytes]] = {
        zipfile.ZIP_STORED: lambda: stored,
        _DEFLATED: lambda: zlib.decompressobj(-15).decompress(stored, info.file_size + 1),
        _ZSTANDARD: lambda: _zstandard(stored, info.file_size + 1),
    }
    if info.compress_type not in readers:
        raise OSError(f"compression method {info.compress_type} is not read")
    return readers[info.compress_type]()


def _zstandard(stored: bytes, most: int) -> bytes:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(stored), "zstd") as stream:
        return bytes(stream.read(most))
