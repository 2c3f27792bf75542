"""What the pages of a Parquet file unfold to, read from their headers; Arrow tells only what the footer claims.

A header is a struct of Thrift's compact protocol: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from contrastive.errors import DataError

_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_VARINTS = (4, 5, 6)
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_BY_DICTIONARY, _BY_PREFIX = (2, 8), 7
"""Encodings in which a value may take no room in its page."""
_MOST_HEADER, _DEEPEST = 1 << 24, 8


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


def unfolded(file: IO[bytes], start: int, stored: int, name: str) -> Unfolded:
    """Return what the pages between `start` and `start + stored` unfold to; `DataError` if their headers cannot be read."""
    pages = values = repeated = dictionary = largest = 0
    for header in _headers(file, start, start + stored, name):
        size, kind = header.get(2, 0), header.get(1)
        pages += size
        if kind == _DICTIONARY:
            dictionary = size
        elif kind in (_DATA, _DATA_V2):
            about = header.get(5 if kind == _DATA else 8, {})
            count, encoding = about.get(1, 0), about.get(2 if kind == _DATA else 4, 0)
            values += count
            if encoding in _BY_DICTIONARY or encoding == _BY_PREFIX:
                repeated += count
                largest = max(largest, dictionary if encoding in _BY_DICTIONARY else size)
    return Unfolded(pages, values, repeated, largest)


def _headers(file: IO[bytes], start: int, end: int, name: str) -> Iterator[dict[int, Any]]:
    """Yield the header of each page: field number -> value."""
    while start < end:
        file.seek(start)
        try:
            header, length = _read_header(file, min(end - start, _MOST_HEADER))
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{name} is damaged", where=f"byte {start}", why=f"page header: {error}", fix="download or write it again"
            ) from error
        size, stored = header.get(2, -1), header.get(3, -1)
        if not isinstance(size, int) or not isinstance(stored, int) or size < 0 or stored < 0:
            raise DataError(f"{name} is damaged", where=f"byte {start}", why="a page without a size", fix="download or write it again")
        yield header
        start += length + stored


def _read_header(file: IO[bytes], most: int) -> tuple[dict[int, Any], int]:
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


def _struct(reader: IO[bytes], depth: int) -> dict[int, Any]:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    found: dict[int, Any] = {}
    field = 0
    while (head := _byte(reader)) & 15 != _STOP:
        field = field + (head >> 4) if head >> 4 else _signed(_varint(reader))
        found[field] = _value(reader, head & 15, depth)
    return found


def _value(reader: IO[bytes], kind: int, depth: int) -> Any:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE
    if kind in _VARINTS:
        return _signed(_varint(reader))
    if kind == _STRUCT:
        return _struct(reader, depth + 1)
    if kind in (_LIST, _SET):
        head = _byte(reader)
        count = _varint(reader) if head >> 4 == 15 else head >> 4
        for _ in range(count):  # each takes a byte at least, so that the end of the header ends it
            _byte(reader) if head & 15 in (_TRUE, _FALSE) else _value(reader, head & 15, depth + 1)
        return None
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
