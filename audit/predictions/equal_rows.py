"""Rows without identifiers that are equal in every column: a copy of a row cannot be told from another image with the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from audit.encoder import Value
from audit.types import Note

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

_MARKED = 0.1
"""A group is named if it has more of the repeated rows than in proportion to its size, by at least this share of all of them."""


def equal_rows(table: pa.Table, attributes: pd.DataFrame) -> tuple[Note, ...]:
    """Count the rows that are equal to an earlier one, and name the group that has more of them than its share, if one has."""
    repeated = _repeated(table)
    if not repeated.any():
        return ()
    values: dict[str, Value] = {"count": int(repeated.sum()), "total": len(repeated)}
    group = _group_with_most(repeated, attributes) if len(attributes) == len(repeated) else None
    return (Note("equal_rows", values) if group is None else Note("equal_rows_by_group", values | group),)


def _repeated(table: pa.Table) -> Bool[np.ndarray, "n"]:
    """Whether each row is equal to an earlier one in every column."""
    rows = np.zeros(len(table), np.int64)
    for column in table.unify_dictionaries().columns:
        codes = _codes(column)
        rows = pd.factorize(rows * (int(codes.max(initial=0)) + 1) + codes)[0]
        if rows.max(initial=-1) == len(table) - 1:
            break
    return np.asarray(pd.Series(rows).duplicated())


def _codes(column: pa.ChunkedArray) -> Int[np.ndarray, "n"]:
    """The number of each cell's value; an empty cell is a value, too."""
    if pa.types.is_nested(column.type):
        column = pa.chunked_array([pa.array(map(repr, column.to_pylist()), pa.string())])
    coded = column.combine_chunks().dictionary_encode()
    return np.asarray(coded.indices.fill_null(len(coded.dictionary)), np.int64)


def _group_with_most(repeated: Bool[np.ndarray, "n"], attributes: pd.DataFrame) -> dict[str, Value] | None:
    expected = float(repeated.mean())
    best = _MARKED * int(repeated.sum())
    values: dict[str, Value] | None = None
    for name in map(str, attributes.columns):
        for level, rows in pd.Series(repeated).groupby(attributes[name].to_numpy(object)):
            found = int(rows.sum())
            if (beyond := found - expected * len(rows)) > best:
                best = beyond
                values = {"attribute": name, "level": str(level), "found": found, "of": len(rows)}
    return values
