"""Tar shards in the layout of webdataset, scanned once: where images lie, and the small members that say what they show.

Members that follow each other and share a name up to its first dot are one sample. Nothing is unpacked, and nothing is unpickled.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from strictio.errors import DataError, UnsafeError
from strictio.streams.sources import ByteSource, SourceFile
from strictio.streams.tars import NegativeSizeError, tar_members
from strictio.tables.text_table import is_unicode

IMAGES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
_PICKLES = frozenset({"pyd", "pyc", "pickle", "pkl", "pth", "pt", "bin", "joblib"})
"""Endings of members that hold Python objects: reading one runs what it says."""
MOST_SMALL = 2**20
"""Bytes of a member that describes an image."""
_BUFFER = 2**20
_END = 512


@dataclass(frozen=True)
class Sample:
    """One image and what describes it."""

    key: str
    """The name of its members up to the first dot."""
    image: tuple[int, int] | None
    """Offset and length in the shard."""
    described: Mapping[str, bytes] = field(default_factory=dict)
    """ending -> content."""


def samples(source: ByteSource, wanted: frozenset[str]) -> Iterator[Sample]:
    """Give the samples of a shard, with their members of the `wanted` endings.

    DataError if it is not an uncompressed tar file or ends early, or a member is a link or too large; UnsafeError for a pickled member.
    """
    current, image, described = None, None, dict[str, bytes]()
    for member in _members(source):
        folder, slash, last = member.name.rpartition("/")
        stem, _, ending = last.partition(".")
        key, ending = folder + slash + stem, ending.lower()
        if ending.rpartition(".")[2] in _PICKLES:
            why = f"the member {member.name[:80]!r} holds pickled objects, and reading it may run code"
            raise UnsafeError(f"refused {source.name}", why=why, fix="write it as JSON, text or .npy")
        if key != current or ending in described or (ending in IMAGES and image is not None):
            if current is not None:
                yield Sample(current, image, described)
            current, image, described = key, None, {}
        if ending in IMAGES:
            image = (member.offset_data, member.size)
        elif ending in wanted:
            described[ending] = _small(source, member)
    if current is not None:
        yield Sample(current, image, described)


def _small(source: ByteSource, member: tarfile.TarInfo) -> bytes:
    if member.size > MOST_SMALL:
        why = f"the member {member.name[:80]!r} has {member.size:,} bytes; at most {MOST_SMALL:,} describe an image"
        raise DataError(f"cannot read {source.name}", why=why, fix="write the data again")
    return source.read(member.offset_data, member.size)


def _members(source: ByteSource) -> Iterator[tarfile.TarInfo]:
    """Give the regular files of a shard."""
    fix = "download or write it again"
    try:
        buffered = io.BufferedReader(SourceFile(source), _BUFFER)
        for member in tar_members(buffered):
            if not is_unicode(member.name):
                raise DataError(f"{source.name} names a member by bytes that are not UTF-8", where=ascii(member.name[:80]), fix=fix)
            if member.isdir():
                continue
            if not member.isreg() or member.sparse is not None:
                why = f"the member {member.name[:80]!r} is a link or a device"
                raise DataError(f"cannot read {source.name}", why=why, fix="write the files themselves into the shard")
            if member.offset_data + member.size > source.size:
                raise DataError(f"{source.name} ends within {member.name[:80]!r}", why="it is truncated", fix=fix)
            yield member
    except NegativeSizeError as error:
        raise DataError(f"{source.name} is damaged", why=str(error), fix=fix) from error
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:  # tarfile lets the last three out of a header
        compressed = source.read(0, 3)[:2] in (b"\x1f\x8b", b"BZ", b"\xfd7", b"(\xb5")
        what = f"{source.name} is compressed" if compressed else f"{source.name} is not a tar file, or damaged"
        raise DataError(what, why=str(error)[:200], fix="unpack it once: gunzip" if compressed else fix) from error
    if source.size < 2 * _END or source.read(source.size - _END, _END).strip(b"\0"):
        raise DataError(f"{source.name} ends early", why="the mark at the end of a tar file is missing", fix=fix)
