"""JSON Lines: one object per line, all with the same keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from strictio.errors import DataError, nearest
from strictio.tables.stream import UTF_8, survey, text_lines
from strictio.tables.text_table import TextTable, collect, named_columns, quoted

MAX_LINE = 2**20
"""Characters of a line."""


def read_json_lines(path: Path, encoding: str | None, wanted: Sequence[str] | None, lists: Sequence[str]) -> TextTable:
    """Return the keys of the first line as columns, or those that are `wanted`; a number is its text in the file, null an empty cell.

    Every line must have these keys and, unless only some are wanted, no others. Only the columns `lists` may hold a list of texts; each of
    their cells becomes a list.
    """
    survey(path, encoding)
    keys = wanted if wanted is not None else first_keys(path, encoding)
    names = [key for key in keys if key]
    rows = ((number, _cells(record, names, wanted is None, lists, (path.name, number))) for number, record in records(path, encoding))
    return collect(rows, named_columns(names, None, path.name), path.name, lists=lists)


def first_keys(path: Path, encoding: str | None) -> list[str]:
    """Return the keys of the first line; `DataError` if it is not an object."""
    _, record = next(records(path, encoding), (0, dict[str, Any]()))
    return list(record)


def records(path: Path, encoding: str | None = None, longest: int = MAX_LINE) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a file with the numbers of their lines; `longest`: characters that a line may have.

    A number is its text in the file. `DataError` for a line that is longer, or is not an object whose keys are distinct.
    """
    with text_lines(path, encoding or UTF_8, newline="\n") as file:
        for number, line in enumerate(iter(lambda: file.readline(longest + 1), ""), start=1):
            if len(line) > longest:
                what = f"{path.name} line {number} has over {longest:,} characters"
                raise DataError(what, fix="one object per line")
            if line.strip():
                yield number, parse_object(line, f"{path.name} line {number}")


def parse_object(text: str | bytes, where: str) -> dict[str, Any]:
    """Parse an object in UTF-8 whose numbers stay text; `DataError` names `where`."""
    try:
        record = DECODER.decode(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        fix = "one object per line, each key once"
        raise DataError(f"{where} is not JSON", why=str(error)[:200], fix=fix) from error
    if not isinstance(record, dict):
        raise DataError(f"{where} is not an object", fix='for example {"image": "a.jpg", "race": "A"}')
    return record


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {quoted(next(name for name in names if names.count(name) > 1))} stands twice")
    return record


DECODER = json.JSONDecoder(object_pairs_hook=_distinct, parse_int=str, parse_float=str, parse_constant=str)
"""Keys are distinct, and numbers are their text."""


def _cells(record: dict[str, Any], names: Sequence[str], closed: bool, lists: Sequence[str], where: tuple[str, int]) -> list[Any]:
    source, number = where
    if missing := [name for name in names if name not in record]:
        fix = nearest(missing[0], record) if not closed else "give every line the same keys; null where a value is not known"
        raise DataError(f"{source} line {number} lacks {quoted(missing[0])}", fix=fix)
    if closed and (more := [key for key in record if key and key not in names]):
        what = f"{source} line {number} has the key {quoted(more[0])}, which the first line has not"
        raise DataError(what, fix="give every line the same keys; null where a value is not known")
    cells = []
    for name in names:
        value = record[name]
        several = name in lists
        parts = value if several and isinstance(value, list) else [value]
        if any(isinstance(part, list | dict) for part in parts):
            why = f"{quoted(name)} holds {'a list' if isinstance(value, list) else 'an object'}"
            raise DataError(
                f"{source} line {number} does not fit", why=f"{why}, expected one text or number", fix="give each a key of its own"
            )
        texts = ["" if part is None else str(part) for part in parts]  # True and False as Parquet and pandas write them
        cells.append(texts if several else texts[0])
    return cells
