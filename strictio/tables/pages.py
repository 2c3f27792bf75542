"""What the pages of a Parquet file unfold to, read from their headers; Arrow tells only what the footer claims.

A header is a struct of Thrift's compact protocol: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from strictio.errors import DataError

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_BY_DICTIONARY, _BY_PREFIX = (2, 8), 7
"""Encodings in which a value may take no room in its page."""
_MOST_HEADER, _DEEPEST = 1 << 24, 10
Fields = dict[tuple[int, int], Any]
"""(number of a field, its kind) -> its value: what has another kind than it should have is not read, as by Arrow."""


@dataclass(frozen=True)
class Chunk:
    """Where the pages of a column in a row group stand, and how many values they are said to hold."""

    start: int
    stored: int
    values: int


def read_chunks(file: IO[bytes], name: str, columns: int) -> list[list[Chunk]]:
    """Return the chunks of each row group, as the footer has them, one a column; `DataError` if it cannot be read.

    Arrow's own account of a chunk ends the process where the footer contradicts itself.
    """
    try:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, os.SEEK_END)
        footer = _struct(io.BytesIO(file.read(length)), 0)
        return [[_chunk(group[1, _LIST][column][3, _STRUCT]) for column in range(columns)] for group in footer[4, _LIST]]
    except (ValueError, LookupError, TypeError, EOFError, OSError) as error:
        raise DataError(f"{name} is damaged", why="its footer cannot be read", fix="download or write it again") from error


def _chunk(described: Fields) -> Chunk:
    # Where both are there, the dictionary stands first.
    starts = [at for field in (11, 9) if (at := described.get((field, _I64), 0)) > 0]
    return Chunk(min(starts, default=0), described[7, _I64], described[5, _I64])


@dataclass(frozen=True)
class Unfolded:
    """The most that a column chunk unfolds to."""

    pages: int
    """Bytes of its pages."""
    values: int
    repeated: int
    """Values that may each be as large as `largest`."""
    largest: int
    """Bytes of the dictionary, or of the largest page whose values share their beginnings."""


def unfolded(file: IO[bytes], chunk: Chunk, name: str) -> Unfolded:
    """Return what the pages of a chunk unfold to; `DataError` if their headers cannot be read."""
    pages = repeated = dictionary = largest = values = 0
    for header in _headers(file, chunk.start, chunk.start + chunk.stored, name):
        size, kind = header[2, _I32], header.get((1, _I32))
        pages += size
        if kind == _DICTIONARY:
            dictionary = size
        elif kind in (_DATA, _DATA_V2):
            about = header.get((5 if kind == _DATA else 8, _STRUCT), {})
            count, encoding = about.get((1, _I32), 0), about.get((2 if kind == _DATA else 4, _I32), 0)
            values += count
            if encoding in _BY_DICTIONARY or encoding == _BY_PREFIX:
                repeated += count
                largest = max(largest, dictionary if encoding in _BY_DICTIONARY else size)
    return Unfolded(pages, max(values, chunk.values), repeated, largest)


def _headers(file: IO[bytes], start: int, end: int, name: str) -> Iterator[Fields]:
    """Yield the header of each page."""
    while start < end:
        file.seek(start)
        try:
            header, length = _read_header(file, min(end - start, _MOST_HEADER))
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{name} is damaged", where=f"byte {start}", why=f"page header: {error}", fix="download or write it again"
            ) from error
        size, stored = header.get((2, _I32), -1), header.get((3, _I32), -1)
        if size < 0 or stored < 0:
            raise DataError(f"{name} is damaged", where=f"byte {start}", why="a page without a size", fix="download or write it again")
        yield header
        start += length + stored


def _read_header(file: IO[bytes], most: int) -> tuple[Fields, int]:
    """Return a header and its length; most have under a hundred bytes, those with long statistics more."""
    content = file.read(min(most, 512))
    while True:
        reader = io.BytesIO(content)
        try:
            return _struct(reader, 0), reader.tell()
        except EOFError as error:
            more = file.read(min(most - len(content), 15 * len(content)))
            if not more:
                raise ValueError("it has no end") from error
            content += more


def _struct(reader: IO[bytes], depth: int) -> Fields:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    fields: Fields = {}
    field = 0
    while (head := _byte(reader)) & 15 != _STOP:
        field = field + (head >> 4) if head >> 4 else _signed(_varint(reader))
        fields[field, head & 15] = _value(reader, head & 15, depth)
    return fields


def _value(reader: IO[bytes], kind: int, depth: int) -> Any:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE
    if kind in (_I16, _I32, _I64):
        return _signed(_varint(reader))
    if kind == _STRUCT:
        return _struct(reader, depth + 1)
    if kind in (_LIST, _SET):
        head = _byte(reader)
        count = _varint(reader) if head >> 4 == 15 else head >> 4
        kind = _BYTE if head & 15 in (_TRUE, _FALSE) else head & 15
        return [_value(reader, kind, depth + 1) for _ in range(count)]  # each takes a byte at least, so that the end of the content ends it
    length = {_BYTE: 1, _DOUBLE: 8}.get(kind)
    if length is None:
        if kind != _BINARY:
            raise ValueError(f"a value of kind {kind}")
        length = _varint(reader)
    if len(reader.read(length)) < length:
        raise EOFError
    return None


def _byte(reader: IO[bytes]) -> int:
    if not (content := reader.read(1)):
        raise EOFError
    return content[0]


def _varint(reader: IO[bytes]) -> int:
    value = shift = 0
    while True:
        byte = _byte(reader)
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value
        if shift > 63:
            raise ValueError("a number without an end")


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
