"""A JSON file with one long array: its elements one at a time, so that memory holds one of them and not the file."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from strictio.errors import DataError
from strictio.files import open_file
from strictio.tables.json_lines import DECODER

MAX_VALUE = 2**24
"""Characters of one element, or of one other value of the file."""
_BLOCK = 2**20
_SPACE = " \t\r\n"


def is_json_object(path: Path) -> bool:
    """Whether a file begins with an object."""
    try:
        with open_file(path) as file:
            return file.read(64).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")
    except OSError:
        return False


def keys_and_elements(path: Path, array: str) -> Iterator[tuple[str, Any]]:
    """Yield each key of the object in a file with its value; of the array `array`, the key with each of its elements.

    `DataError` if the file is not one JSON object in UTF-8, repeats a key, or has a value of over 16 million characters.
    """
    try:
        with io.TextIOWrapper(open_file(path), "utf-8-sig", newline="") as file:
            yield from _Scanner(file).items(array)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        why = str(error)[:200]
        raise DataError(f"{path.name} is not one JSON object", why=why, fix="write the log again") from error
    except OSError as error:
        raise DataError(f"cannot read {path.name!r}", why=error.strerror or str(error)) from error


class _Scanner:
    """A text file with a window on what was not yet parsed."""

    def __init__(self, file: IO[str]):
        self._file, self._text, self._at, self._ended = file, "", 0, False

    def items(self, array: str) -> Iterator[tuple[str, Any]]:
        self._expect("{")
        seen: set[str] = set()
        more = self._peek() != "}"
        while more:
            if self._peek() != '"':
                raise ValueError(f"expected a key, found {self._peek()!r}")
            key = self._value()
            if key in seen:
                raise ValueError(f"the key {key[:80]!r} stands twice")
            seen.add(key)
            self._expect(":")
            if key == array and self._peek() == "[":
                for element in self._elements():
                    yield key, element
            else:
                yield key, self._value()
            more = self._another("}")
        self._expect("}")
        if self._peek():
            raise ValueError("there is more after the object")

    def _elements(self) -> Iterator[Any]:
        self._expect("[")
        more = self._peek() != "]"
        while more:
            yield self._value()
            more = self._another("]")
        self._expect("]")

    def _another(self, end: str) -> bool:
        """Whether a comma follows; what else may follow is the end."""
        if self._peek() == end:
            return False
        self._expect(",")
        return True

    def _value(self) -> Any:
        """Decode the next value: the window grows until it holds all of it, and one character more (the end of a number is not a mark)."""
        self._peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
                if end < len(self._text) or self._ended:
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if self._ended:
                    raise
            if len(self._text) - self._at > MAX_VALUE:
                raise ValueError(f"a value is not JSON, or has over {MAX_VALUE:,} characters")
            self._grow()

    def _grow(self) -> None:
        """Read as much again as the window holds: the window doubles, so a long value is parsed a few times only."""
        self._text, self._at = self._text[self._at :], 0
        block = self._file.read(min(max(_BLOCK, len(self._text)), MAX_VALUE))
        self._ended = not block
        self._text += block

    def _peek(self) -> str:
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._grow()

    def _expect(self, mark: str) -> None:
        found = self._peek()
        if found != mark:
            raise ValueError(f"expected {mark!r}, found {found!r}" if found else "the file ends too early")
        self._at += 1
