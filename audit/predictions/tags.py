"""Several labels an image, as a vision service gives them: a column of a table in, which image has which label out."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from audit.data.schema import quoted
from audit.errors import DataError
from audit.types import Group

if TYPE_CHECKING:
    from jaxtyping import Bool

MOST_TAGS = 5000
_LONGEST = 20_000
SOME, NO = "some label", "no label"
ANSWERS = "y_pred:tagged"
"""Stands in the table for the labels: whether an image has any, which is a question with two answers."""


@dataclass(frozen=True)
class Tags:
    """Labels, and which image has which."""

    labels: Group
    kept: Bool[np.ndarray, "n k"]


def without_tags(table: pa.Table, name: str, place: str) -> tuple[pa.Table, Tags]:
    """Return the table with the column of labels replaced by one that says whether an image has any, and the labels.

    A cell holds labels with "|" between them, or a list (JSON, or as Python writes one); an empty cell holds none. DataError if a cell
    cannot be read, or nothing has a label.
    """
    given = table[name]
    cells = [
        labels_of(cell, f"{place}, column {quoted(name)}, row {row} after the header") for row, cell in enumerate(given.to_pylist(), 1)
    ]
    labels = tuple(sorted({label for cell in cells for label in cell}))
    if not labels:
        raise DataError(f"{place}: no row has a label in the column {quoted(name)}", fix="name the column of labels: --tags COLUMN")
    if len(labels) > MOST_TAGS:
        what = f"{place}: {len(labels):,} different labels in the column {quoted(name)}"
        raise DataError(what, why=f"at most {MOST_TAGS:,} are audited", fix="separate the labels of a cell with |, and leave captions out")
    places = {label: place for place, label in enumerate(labels)}
    kept = np.zeros((len(cells), len(labels)), bool)
    for row, cell in enumerate(cells):
        kept[row, [places[label] for label in cell]] = True
    answers = pa.array(np.where(kept.any(axis=1), SOME, NO).tolist(), pa.string())
    return table.drop_columns([name]).append_column(ANSWERS, answers), Tags(labels, kept)


def labels_of(cell: Any, where: str) -> set[str]:
    """Return the labels of a cell, each once; nothing is evaluated.

    Examples
    --------
    >>> sorted(labels_of(" suit|tie| suit", "row 1")), sorted(labels_of("['suit', 'tie']", "row 1")), labels_of("", "row 1")
    (['suit', 'tie'], ['suit', 'tie'], set())
    """
    if isinstance(cell, str) and len(cell) > _LONGEST:
        raise DataError(f"a cell of {len(cell):,} characters", where=where, fix="give labels, a few words each")
    found = _literal(cell, where) if isinstance(cell, str) and cell.strip()[:1] in ("[", "(") else cell
    if found is None:
        return set()
    parts = found.split("|") if isinstance(found, str) else found
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise DataError("a cell that is not a list of labels", where=where, fix='write suit|tie, or ["suit", "tie"]')
    return {label for part in parts if (label := " ".join(part.split()))}


def _literal(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass  # a list as Python writes it has other quotes
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise DataError("a list of labels that cannot be read", where=where, fix='write suit|tie, or ["suit", "tie"]') from error
