"""Tar shards in webdataset layout with random access: each is scanned once, into a sidecar file of offsets and lengths.

Consecutive members with the same name up to the first dot form a pair: ``000/17.jpg`` and ``000/17.txt``. Members are never
unpacked or unpickled: the bytes of pictures and captions are read in place, and with groups or weights those of ``.json`` files;
everything else is ignored.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from contrastive.data.source import (
    PART,
    CaptionUnit,
    TrainingDataError,
    caption_sentence,
    captions_of_file,
    card_of,
    hash_of,
    require_columns,
)
from strictio.files import open_file, read_text, replacing, sha256_of_file
from strictio.images.decode import MAX_BYTES, UnreadableImage
from strictio.images.in_process import ENDINGS, decode_rgb
from strictio.streams.tars import tar_members

SIDECAR = ".index.json"
_VERSION = 1
_LOOKED = 1000
"""Number of ``.json`` files whose keys are listed if one is unknown."""
Place = tuple[int, int]
"""Offset and length in the shard; offset -1 means missing."""


@dataclass(frozen=True)
class ShardIndex:
    """The positions of the pairs in one shard."""

    bytes: int
    modified_ns: int
    sha256: str
    """Hash of the whole shard."""
    names: list[str] = field(default_factory=list)
    pictures: list[Place] = field(default_factory=list)
    captions: list[Place] = field(default_factory=list)
    version: int = _VERSION


class TarShards:
    """Captioned images in uncompressed tar shards, in the order of the shards and of the pairs within them.

    Raises `TrainingDataError` if a shard cannot be read, is compressed or is not a tar file, or if no shard contains a pair.
    """

    def __init__(self, title: str, paths: Sequence[Path], caption_unit: CaptionUnit = "file", parts: Sequence[int] = ()):
        self.title, self._paths, self.caption_unit = title, tuple(paths), caption_unit
        self._parts = tuple(parts) or (len(paths),)
        arrays = [_as_arrays(self._index(shard)) for shard in range(len(paths))]  # only one shard's index at a time as Python objects
        names, pictures, captions, hashes = map(list, zip(*arrays, strict=True))
        if not any(map(len, names)):
            raise TrainingDataError(f"{title} holds no pairs", why="no tar shard has an image in it", fix="members like 17.jpg and 17.txt")
        self._names, self._pictures, self._captions = pa.concat_arrays(names), np.concatenate(pictures), np.concatenate(captions)
        self._first = np.cumsum([0, *map(len, names)])
        self.identity = hash_of(*hashes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of pairs in each shard."""
        return tuple(map(int, np.diff(self._first)))

    def _index(self, shard: int) -> ShardIndex:
        return index_of(self._paths[shard])

    @property
    def card(self) -> str:
        return card_of(self, f"{self.title}, tar shards (sha256 {self.identity[:12]})") + caption_sentence(self, self.caption_unit)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return f"{self._paths[self._shard(index)].name}:{self._names[index].as_py()}"

    def image(self, index: int) -> Image.Image:
        return decode_rgb(self.content(index))

    def content(self, index: int) -> bytes:
        return self._read(index, self._pictures[index])

    def captions(self, index: int) -> tuple[str, ...]:
        if self._captions[index, 0] < 0:
            return ()
        try:
            return captions_of_file(self._read(index, self._captions[index]), self.caption_unit)
        except UnreadableImage:
            return ()

    def columns(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return the values of keys in the ``.json`` file next to each image, "" where it is missing or lacks a key. Reads every shard."""
        keys = [name for name in names if name != PART]
        columns = self._values(keys) if keys else {}
        if PART in names:
            of_shard = np.repeat(np.arange(len(self._parts)), self._parts)
            columns[PART] = np.repeat(of_shard, self.sizes).astype(str).tolist()
        return columns

    def _values(self, names: Sequence[str]) -> dict[str, list[str]]:
        columns: dict[str, list[str]] = {name: [] for name in names}
        known: set[str] = set()
        for number, table in enumerate(table for shard in range(len(self._paths)) for table in self._tables(shard)):
            known |= table.keys() if number < _LOOKED else table.keys() & columns.keys()
            for name, values in columns.items():
                values.append(sys.intern(table.get(name, "")))  # few different texts
        require_columns(f"{self.title}, in the .json files next to its images,", names, sorted(known))
        return columns

    def _tables(self, shard: int) -> Iterator[dict[str, str]]:
        """Yield the content of the ``.json`` file of each pair of a shard."""
        path, first, last = self._local(shard), *map(int, self._first[shard : shard + 2])
        with _readable(path):
            places = [members.get(".json") for _, members in _groups(path) if _picture_of(members)]
        if len(places) != last - first:
            what = f"{path.name} has {len(places)} pairs, and {last - first} in its index"
            raise TrainingDataError(what, fix=f"remove {path.name}{SIDECAR}")
        for at, place in enumerate(places, start=first):
            try:
                yield _json_table(self._read(at, place), self.name(at)) if place else {}
            except UnreadableImage as error:
                raise TrainingDataError(f"the .json file of {self.name(at)[:200]!r} cannot be read", why=str(error)) from error

    def _local(self, shard: int) -> Path:
        """Return the path of a shard that can be read."""
        return self._paths[shard]

    def _shard(self, index: int) -> int:
        return int(np.searchsorted(self._first, index, side="right")) - 1

    def _read(self, index: int, extent: Any) -> bytes:
        offset, length = map(int, extent)
        if length > MAX_BYTES:
            raise UnreadableImage("larger than 64 MiB")
        try:
            with open_file(self._paths[self._shard(index)]) as file:  # its own file position, so that threads may read concurrently
                file.seek(offset)
                content = file.read(length)
        except OSError as error:
            raise UnreadableImage(f"the shard cannot be read: {error.strerror}") from error
        if len(content) != length:
            raise UnreadableImage("the shard ends before it")
        return content


def index_of(path: Path) -> ShardIndex:
    """Return the index of a shard, from its sidecar file if that is up to date, else by a scan that writes a sidecar file if possible.

    Raises `TrainingDataError` if the shard cannot be read, or is not an uncompressed tar file.
    """
    with _readable(path):
        status = path.stat()
        if stored := _from_sidecar(path, status):
            return stored
        index = _scan(path, status)
    with suppress(OSError), replacing(path.with_name(path.name + SIDECAR)) as file:  # read-only or full disk: the next run scans again
        file.write(json.dumps(asdict(index), separators=(",", ":")).encode())
    return index


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingDataError(f"cannot read {path}", why=error.strerror or str(error)) from error
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:  # tarfile's header parsing may raise the last three
        raise TrainingDataError(f"{path} is not an uncompressed tar file", why=str(error), fix="unpack a compressed shard once") from error


def _scan(path: Path, status: os.stat_result) -> ShardIndex:
    pairs = [(name, picture, members.get(".txt", (-1, 0))) for name, members in _groups(path) if (picture := _picture_of(members))]
    sha256 = sha256_of_file(path) if pairs else ""  # one without images is not read to its end
    index = ShardIndex(status.st_size, status.st_mtime_ns, sha256)
    for name, picture, caption in pairs:
        index.names.append(name)
        index.pictures.append(picture)
        index.captions.append(caption)
    return index


def _groups(path: Path) -> Iterator[tuple[str, dict[str, Place]]]:
    """Yield the name and suffix -> position of the members that belong together."""
    current, members = "", dict[str, Place]()
    with open_file(path) as file:
        for member in tar_members(file):
            if not member.isreg() or member.sparse is not None:
                continue
            folder, slash, last = member.name.rpartition("/")
            stem, dot, ending = last.partition(".")
            name = folder + slash + stem
            if name != current or f".{ending}" in members:
                if members:
                    yield current, members
                current, members = name, {}
            members[(dot + ending).lower()] = (member.offset_data, member.size)
    if members:
        yield current, members


def _picture_of(members: Mapping[str, Place]) -> Place | None:
    """Return the position of the image among the members that belong together."""
    return next((member for ending, member in members.items() if ending in ENDINGS), None)


def _json_table(content: bytes, name: str) -> dict[str, str]:
    """Return the texts, numbers and truth values of an object, as texts; raises `TrainingDataError` for anything else.

    >>> _json_table(b'{"gender": "woman", "age": 7, "boxes": [1], "tone": null}', "a")
    {'gender': 'woman', 'age': '7'}
    """
    try:
        table = json.loads(content, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise TrainingDataError(f"the .json file of {name[:200]!r} is not JSON", why=str(error)[:200]) from error
    if not isinstance(table, dict):
        raise TrainingDataError(f"the .json file of {name[:200]!r} is not an object", fix='for example {"gender": "woman"}')
    return {key: str(value) for key, value in table.items() if isinstance(value, str | bool)}


def _from_sidecar(path: Path, status: os.stat_result) -> ShardIndex | None:
    """Return the index in the sidecar file; None if it is missing, stale, damaged, or points outside the shard."""
    try:
        raw = json.loads(read_text(path.with_name(path.name + SIDECAR)))
    except (OSError, ValueError, RecursionError):
        return None
    index = understood(raw, status.st_size)
    return index if index and index.modified_ns == status.st_mtime_ns else None


def understood(raw: Any, size: int) -> ShardIndex | None:
    """Parse the sidecar file of a shard of `size` bytes; None if it is damaged, or points outside the shard."""
    try:
        index = ShardIndex(**raw)
        fits = (index.version, index.bytes) == (_VERSION, size)
        whole = len(index.names) == len(index.pictures) == len(index.captions) and isinstance(index.sha256, str)
        places = np.concatenate([_places(index.pictures), _places(index.captions)])
        inside = bool(((places[:, 1] >= 0) & (places[:, 0] >= -1) & (places.sum(axis=1) <= size)).all())
        texts = all(isinstance(name, str) for name in index.names)
    except (ValueError, TypeError, OverflowError):
        return None
    return index if fits and whole and inside and texts else None


def _as_arrays(index: ShardIndex) -> tuple[pa.Array, NDArray[np.int64], NDArray[np.int64], str]:
    return pa.array(index.names, pa.large_string()), _places(index.pictures), _places(index.captions), index.sha256


def _places(places: Sequence[Place]) -> NDArray[np.int64]:
    return np.array(places, np.int64).reshape(len(places), 2)
