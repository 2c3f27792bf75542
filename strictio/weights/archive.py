"""The zip archive around a torch checkpoint, checked before anything in it is understood.

What ``torch.save`` writes is simple: every entry stored, none twice, all under one folder, nothing behind the directory. A file that is
otherwise is refused, because different readers would see different things in it, or because it would grow when read.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from strictio.errors import DataError, UnsafeError
from strictio.files import open_file
from strictio.limits import zip_directory_size

CHUNK = 2**24  # bytes that are looked at in one go
AGAIN = "fetch the file again"
SAFETENSORS = "ask its author for safetensors, or save it there as safetensors; no option reads it as it is"
MAX_DIRECTORY = 16 * 2**20  # bytes of the archive's directory: about 150,000 entries


@dataclass(frozen=True)
class Entry:
    """Where an entry's bytes are in the file."""

    name: str
    start: int
    end: int
    crc: int
    stored: bool


@dataclass(frozen=True)
class Zip:
    """A checked archive, mapped into memory: entries by their name below the one folder (``data.pkl``, ``data/0``)."""

    content: mmap.mmap
    entries: dict[str, Entry]

    def read(self, name: str) -> bytes:
        """Return a small entry's bytes, after its checksum."""
        self.verify(name)
        entry = self.entries[name]
        return self.content[entry.start : entry.end]

    def release(self) -> None:
        """Give back the memory of pages that were only read, to be read again when needed. What was written to one would be undone."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.content.madvise(mmap.MADV_DONTNEED)

    def sha256(self) -> str:
        """Return the hash of the whole file (hex), releasing pages behind itself."""
        digest, view = hashlib.sha256(), memoryview(self.content)
        for start in range(0, len(view), CHUNK):
            digest.update(view[start : start + CHUNK])
            self.release()
        return digest.hexdigest()

    def verify(self, name: str) -> None:
        """Compare an entry's bytes with its checksum."""
        entry, crc = self.entries[name], 0
        for start in range(entry.start, entry.end, CHUNK):
            crc = zlib.crc32(memoryview(self.content)[start : min(start + CHUNK, entry.end)], crc)
        if crc != entry.crc:
            raise DataError(f"the file is damaged: entry {entry.name!r} does not match its CRC checksum", fix=AGAIN)


def open_zip(path: Path, max_bytes: int) -> Zip:
    """Map a file and check its archive.

    `path`: untrusted; `max_bytes`: limit of the file's size. Everything must be under one folder, which is left out of the names. Raises
    `DataError` if it is not a model file (empty, a page, a Git-LFS pointer, ...) or cut short; `UnsafeError` if it is a bare pickle, or an
    archive that ``torch.save`` would not write.
    """
    with open_file(path) as file:
        _identify(path, file.read(512))
        size = file.seek(0, 2)
        if size > max_bytes:
            raise UnsafeError(f"the file has {size:,} bytes; the limit is {max_bytes:,}")
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # private: writing to a tensor never reaches the file
        _check_end(content)
        try:
            directory = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            raise DataError("the file is damaged: its zip directory cannot be read", fix=AGAIN) from error
        return Zip(content, _entries(content, directory))


def _identify(path: Path, head: bytes) -> None:
    start = head.lstrip().lower()
    if not head:
        raise DataError("the file is empty", fix=AGAIN)
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise DataError("the file is an HTML page, not a model", why="a download was answered with a page, such as a sign-in", fix=AGAIN)
    if head.startswith(b"version https://git-lfs"):
        raise DataError("the file is a Git-LFS pointer, not the model itself", fix="git lfs pull")
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32:
        raise DataError("the file is in safetensors format, not a torch checkpoint", fix="let its name end in .safetensors")
    if head[0] == 0x80 or path.suffix in (".pkl", ".pickle"):
        why = "a pickle is a program; only the zip form of torch.save (torch 1.6 and later) can be read without running it"
        raise UnsafeError("the file is a bare (legacy) pickle, which is not accepted", why=why, fix="ask its author for safetensors")
    if start.startswith(b"{"):
        fix = f"name the folder of the model, {path.parent}" if path.name == "config.json" else "name the file with the weights"
        raise DataError("the file is JSON, not a model", fix=fix)
    if not head.startswith(b"PK\x03\x04"):
        raise DataError("the file is not a torch checkpoint", why="it does not begin as a zip archive", fix=AGAIN)


def _check_end(content: mmap.mmap) -> None:
    """Find the directory's end exactly at the end of the file, and its size within limits, before zipfile allocates for it."""
    if content[-22:-18] != b"PK\x05\x06":
        raise DataError("the file is truncated", why="a zip archive begins but its directory is not at the end", fix=AGAIN)
    size = zip_directory_size(content[-98:]) or 0
    if size > MAX_DIRECTORY:
        raise UnsafeError(f"the archive's directory has {size:,} bytes; the limit is {MAX_DIRECTORY:,}")


def _entries(content: mmap.mmap, directory: zipfile.ZipFile) -> dict[str, Entry]:
    infos = sorted(directory.infolist(), key=lambda info: info.header_offset)
    names = [info.orig_filename for info in infos]
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise UnsafeError(f"the archive holds the entry {twice[:80]!r} more than once", fix=SAFETENSORS)
    entries: dict[str, Entry] = {}
    ends = 0
    for info in infos:
        entry = _locate(content, info)
        if info.header_offset < ends or entry.end > directory.start_dir:
            raise UnsafeError(f"the archive's entry {entry.name[:80]!r} overlaps another one")
        ends = entry.end
        entries[_checked_name(entry.name, names[0].partition("/")[0])] = entry
    for name, entry in entries.items():
        if not entry.stored and not name.startswith("code/"):  # TorchScript compresses its code, which is never read
            what, why = f"the archive's entry {entry.name[:80]!r} is compressed", "torch.save stores; this could be a bomb"
            raise UnsafeError(what, why=why, fix=SAFETENSORS)
    return entries


def _checked_name(name: str, root: str) -> str:
    """Return an entry's name without the root folder."""
    parts = name.split("/")
    tricks = any(part in ("", ".", "..") for part in parts) or any(letter in name for letter in "\\\0:")
    if tricks or len(parts) < 2 or parts[0] != root or len(name) > 500:
        raise UnsafeError(f"the archive holds an entry with the path {name[:80]!r}", why="torch.save puts all under one folder")
    return "/".join(parts[1:])


def _locate(content: mmap.mmap, info: zipfile.ZipInfo) -> Entry:
    """Find an entry's bytes behind its own header, which must agree with the directory."""
    start, name = info.header_offset, info.orig_filename
    header = content[start : start + 30]
    if start < 0 or len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise DataError(f"the file is damaged: no entry {name[:80]!r} where its directory says", fix=AGAIN)
    flags, method = struct.unpack_from("<HH", header, 6)
    name_length, extra_length = struct.unpack_from("<HH", header, 26)
    begin = start + 30 + name_length + extra_length
    encoding = "utf-8" if flags & 0x800 else "cp437"
    same_name = content[start + 30 : start + 30 + name_length] == name.encode(encoding, errors="replace")
    if not same_name or method != info.compress_type or flags & 1:
        raise UnsafeError(f"the archive describes its entry {name[:80]!r} in two ways")
    stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
    return Entry(name, begin, begin + info.compress_size, info.CRC, stored)
