"""Web datasets as data sets: tar shards of images, each with a ``.json``, ``.cls``, ``.txt`` or ``.npy`` member."""

from __future__ import annotations

import io
import json
import math
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from audit.data.assemble import Origin, assemble
from audit.data.schema import Cells, Schema, check_columns, with_known_columns
from audit.errors import DataError
from audit.types import Dataset, Group
from strictio.images.decode import MAX_BYTES, UnreadableImage
from strictio.images.lazy import LazyImages
from strictio.streams.samples import Sample, samples
from strictio.streams.sources import ByteSource, open_source

CLASS, CAPTION = "class", "txt"
"""Columns from ``.cls`` and ``.txt`` members; the second only if a schema declares it."""
_TAR = re.compile(r"\.tar([?#].*)?$", re.IGNORECASE)
_MISSING = (-1, 0)
MOST_COLUMNS = 1000
"""Maximum number of attributes: each takes a cell for every sample."""
_MOST = f"at most {MOST_COLUMNS:,} are read"


@dataclass(frozen=True)
class Described:
    """Meaning of the numbers in a web dataset."""

    classes: Group = ()
    """Classes by the number in a ``.cls`` member; empty: the text itself is the class."""
    vector: Mapping[str, Group] = field(default_factory=dict)
    """Names of the numbers in an ``.npy`` member, in their order, and the meaning of each value; without value names, the number itself.
    Empty: they are named ``npy 1``, ``npy 2``, …"""


def is_web_dataset(location: str) -> bool:
    """Whether a location names tar shards.

    Examples
    --------
    >>> is_web_dataset("data/{000000..000127}.tar"), is_web_dataset("s3://b/0.tar"), is_web_dataset("data/labels.csv")
    (True, True, False)
    """
    return _TAR.search(location) is not None


def shards_of(names: Sequence[str]) -> list[ByteSource]:
    """Open the shards at paths or URLs, in order; raises DataError that names a missing one."""
    shards = []
    for name in names:
        try:
            shards.append(open_source(name))
        except DataError as error:
            if len(names) == 1:
                raise
            what, why = f"the shard {name.rpartition('/')[2]!r} is missing", f"{len(names)} shards are named, {len(shards)} come before it"
            raise DataError(what, why=why, fix="download it, or name the existing shards") from error
    return shards


def load_web_dataset(
    shards: Sequence[ByteSource], schema: Schema, *, name: str, licence: str, described: Described | None = None, source: str | None = None
) -> Dataset:
    """Load tar shards: each is scanned once for identifiers and attributes; images are read on demand.

    A value of a ``.json`` member is an attribute if it is a string, a number or a boolean; ``.cls`` is the attribute ``class``. Keys
    identify the images, together with their shard if they repeat. Raises DataError with shard and member if one cannot be read, UnsafeError
    for a pickled member.
    """
    rows = _Rows(described or Described(), schema)
    for number, shard in enumerate(shards):
        before = len(rows.keys)
        for sample in samples(shard, rows.wanted):
            rows.add(sample, number, shard.name)
        if len(rows.keys) == before:
            raise DataError(f"{shard.name} holds no sample", fix="members of a sample are called alike: 000017.jpg, 000017.json")
    location = shards[0].name if len(shards) == 1 else f"{len(shards)} shards {shards[0].name} ..."
    columns = rows.columns()
    if not columns:
        why = "no sample has a .json or .cls member with a value"
        raise DataError(
            f"{location} has no attributes", why=why, fix="give attributes: --attributes-from TABLE, or .json beside each image"
        )
    schema, notes = with_known_columns(schema, list(columns), embedded=True)
    check_columns(schema, list(columns), location)
    cells = Cells(columns, range(1, len(rows.keys) + 1), location, "sample")
    origin = Origin(name, source or f"the web dataset {location}", licence, notes)
    return assemble(rows.images(shards), rows.ids([shard.name for shard in shards]), cells, schema, origin)


class _Rows:
    """Accumulates samples: keys, image locations, and columns of text with each distinct text stored once."""

    def __init__(self, described: Described, schema: Schema):
        self._described = described
        captions = any(CAPTION in column.sources for column in schema.columns)
        self.wanted = frozenset({"json", "cls", "npy", *([CAPTION] if captions else [])})
        self.keys: list[str] = []
        self._places = array("q")
        """Shard, offset and length of each image, flattened."""
        self._cells: dict[str, list[str]] = {}
        self._texts: dict[str, str] = {}

    def add(self, sample: Sample, shard: int, source: str) -> None:
        row = len(self.keys)
        self.keys.append(sample.key)
        self._places.extend((shard, *(sample.image or _MISSING)))
        where = f"{source}, sample {sample.key[:80]!r}"
        for name, text in dict(self._described_by(sample, where)).items():
            if name not in self._cells and len(self._cells) == MOST_COLUMNS:
                raise DataError("too many attributes in tar shards", where=where, why=_MOST, fix="give every sample the same keys")
            column = self._cells.setdefault(name, [])
            column += [""] * (row - len(column))
            column.append(self._texts.setdefault(text, text))

    def columns(self) -> dict[str, list[str]]:
        return {name: [*column, *[""] * (len(self.keys) - len(column))] for name, column in self._cells.items()}

    def ids(self, shards: Sequence[str]) -> list[str]:
        if len(set(self.keys)) == len(self.keys):
            return self.keys
        return [f"{shards[shard]}/{key}" for key, shard in zip(self.keys, self._places[::3], strict=True)]

    def images(self, shards: Sequence[ByteSource]) -> LazyImages:
        places = np.array(self._places, np.int64).reshape(-1, 3)

        def read(row: int) -> bytes:
            shard, offset, length = map(int, places[row])
            if offset < 0:
                raise UnreadableImage("missing file")
            if length > MAX_BYTES:
                raise UnreadableImage("too large")
            content: bytes = shards[shard].read(offset, length)
            if len(content) < length:
                raise UnreadableImage("damaged data file")
            return content

        return LazyImages(len(places), read)

    def _described_by(self, sample: Sample, where: str) -> Iterable[tuple[str, str]]:
        for ending, content in sample.described.items():
            if ending == "npy":
                yield from self._numbers(content, where)
                continue
            try:
                text = content.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise DataError(f"a .{ending} member that is not UTF-8", where=where, fix="write the data again") from error
            if ending == "json":
                yield from _values(text, where)
            elif ending == "cls":
                yield CLASS, _named(text.strip(), self._described.classes, where)
            else:
                yield ending, text.strip()

    def _numbers(self, content: bytes, where: str) -> Iterable[tuple[str, str]]:
        """Yield the numbers of an ``.npy`` member by name; objects are never unpickled."""
        try:
            vector = np.load(io.BytesIO(content), allow_pickle=False).reshape(-1)
        except (ValueError, OSError, EOFError, SyntaxError, MemoryError, OverflowError, TokenError) as error:
            raise DataError("an .npy member that cannot be read", where=where, why=str(error)[:200], fix="write the data again") from error
        if len(vector) > MOST_COLUMNS:
            raise DataError(f"an .npy member of {len(vector):,} numbers", where=where, why=_MOST, fix="write attributes, not features")
        if vector.dtype.kind not in "iubf":
            raise DataError(f"an .npy member of {vector.dtype}", where=where, fix="numbers are expected")
        named = dict(self._described.vector) or {f"npy {index}": () for index in range(1, len(vector) + 1)}
        if len(named) != len(vector):
            why = f"expected {', '.join(named)}"
            raise DataError(f"an .npy member of {len(vector)} numbers", where=where, why=why, fix="write the data again")
        for (name, values), number in zip(named.items(), vector.tolist(), strict=True):
            yield name, _named("" if isinstance(number, float) and math.isnan(number) else f"{number:g}", values, where)


def _named(text: str, names: Group, where: str) -> str:
    """The name of a number, if names are known; a negative number is a missing value."""
    if not names or not text:
        return text
    number = int(text) if re.fullmatch(r"-?\d{1,9}", text) else len(names)
    if number >= len(names):
        raise DataError(f"the number {text[:20]!r} stands for nothing", where=where, why=f"there are {len(names)} names", fix="check them")
    return names[number] if number >= 0 else ""


def _values(text: str, where: str) -> Iterable[tuple[str, str]]:
    """Yield the scalar values of a JSON object; nested lists and objects are not attributes."""
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError("a .json member that cannot be read", where=where, why=str(error)[:200], fix="write the data again") from error
    if not isinstance(values, dict):
        raise DataError(f"a .json member that holds {type(values).__name__}", where=where, fix='an object: {"race": "Black"}')
    for name, value in values.items():
        if value is None or isinstance(value, str | bool | int | float):
            missing = value is None or (isinstance(value, float) and math.isnan(value))
            yield name, "" if missing else str(value)


def tar_files(folder: Path) -> list[Path]:
    """The tar shards of a folder, in natural order of their names: 2.tar before 10.tar."""
    paths = [path for path in folder.glob("*.tar") if path.is_file()]
    return sorted(paths, key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)])
