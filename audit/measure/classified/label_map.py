"""``--label-map``: a small table that says which label of an image classifier means which answer of a probe."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import DataError, UsageError
from strictio.files import read_text

MOST_ROWS, MOST_BYTES = 100_000, 2**24
OTHER = "other"
"""An answer that counts as none of the probe's, for a label that competes with the others but means none of them."""
FORM = "a CSV table with the columns label and answer (and, if needed, measurement), or TOML lines such as man = 'Male'"


@dataclass(frozen=True)
class MappedLabel:
    """One row of the table."""

    label: str
    """A label of the classifier; empty: no label means `answer`."""
    answer: str
    """An answer of the probe, one of its outcomes, a query of a ranking, or `OTHER`; empty: the label is left out."""
    measurement: str | None = None
    """The measurement that the row is about; None: all."""


LabelMap = tuple[MappedLabel, ...]


def read_label_map(source: Path | Mapping[str, str] | None) -> LabelMap:
    """Read a table, or a mapping of labels to answers; None is an empty table. Raises DataError if it cannot be read."""
    if source is None:
        return ()
    if isinstance(source, Mapping):
        return tuple(MappedLabel(label, answer) for label, answer in source.items())
    rows = _toml_rows(source) if source.suffix.lower() == ".toml" else _table_rows(source)
    if not rows or not any(row.label for row in rows):
        raise DataError(f"{str(source)!r} maps no label", where="--label-map", fix=f"give {FORM}")
    if twice := next((row for row in rows if rows.count(row) > 1), None) if len(rows) <= 1000 else None:
        raise DataError(f"{str(source)!r} has a row twice: {twice.label!r}, {twice.answer!r}", where="--label-map", fix="leave one out")
    return rows


def _table_rows(path: Path) -> LabelMap:
    from strictio.tables.read import read_table

    table = read_table(path).columns
    names = {name.strip().casefold(): name for name in table.column_names}
    if missing := [name for name in ("label", "answer") if name not in names]:
        why = f"its columns are {', '.join(map(repr, table.column_names))}"
        raise DataError(f"no column {missing[0]!r} in {str(path)!r}", where="--label-map", why=why, fix=f"give {FORM}")
    if len(table) > MOST_ROWS:
        raise DataError(f"{str(path)!r} has {len(table):,} rows", where="--label-map", fix=f"at most {MOST_ROWS:,}")
    columns = [table[names[name]].to_pylist() if name in names else [""] * len(table) for name in ("label", "answer", "measurement")]
    rows = zip(*([(cell or "").strip() for cell in column] for column in columns), strict=True)
    return tuple(MappedLabel(label, answer, measurement or None) for label, answer, measurement in rows)


def _toml_rows(path: Path) -> LabelMap:
    try:
        content = tomllib.loads(read_text(path, MOST_BYTES, "utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot read {str(path)!r}",
            where="--label-map",
            why=(getattr(error, "strerror", None) or str(error))[:200],
            fix=f"give {FORM}",
        ) from error
    return tuple(_entries(content, None, path))


def _entries(content: Mapping[str, Any], measurement: str | None, path: Path) -> Iterator[MappedLabel]:
    for label, value in content.items():
        if isinstance(value, dict) and measurement is None:
            yield from _entries(value, label, path)
            continue
        for answer in value if isinstance(value, list) else [value]:
            if not isinstance(answer, str):
                what = f"{str(path)!r} maps the label {label[:80]!r} to a value of type {type(answer).__name__}"
                raise UsageError(what, where="--label-map", fix=f"give {FORM}")
            yield MappedLabel(label, answer, measurement)
