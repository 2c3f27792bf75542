"""Recorded texts: reads their columns from a table. The file does not say who wrote them, or for which prompt."""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.changed.joined import ID_COLUMNS
from audit.data.schema import is_row_number, quoted
from audit.errors import DataError, UsageError
from audit.predictions.answers import Y_PRED
from audit.predictions.own_tables import SCORE
from audit.types import Group

if TYPE_CHECKING:
    from jaxtyping import Bool

TEXT, MODEL, TEXTS = "text:", "model", "texts"


def columns_of_texts(names: Sequence[str], wanted: Sequence[str] | None, source: str) -> dict[str, str]:
    """Name -> column of the texts: those that are wanted, or ``text:NAME`` if no column has answers.

    Examples
    --------
    >>> columns_of_texts(["id", "race", "text:caption"], None, "a.csv"), columns_of_texts(["text:caption", "y_pred"], None, "a.csv")
    ({'caption': 'text:caption'}, {})
    """
    answers = [name for name in names if name == Y_PRED or name.startswith((f"{Y_PRED}:", SCORE))]
    if wanted and answers:
        why = f"the column {quoted(answers[0])} holds answers, and texts are audited by themselves"
        raise UsageError(f"{source}: --texts cannot be used with answers", why=why, fix="leave --texts out, or that column of the file")
    columns = wanted or [name for name in names if name.startswith(TEXT) and not answers]
    named = {name.removeprefix(TEXT) or name: name for name in columns}
    if len(named) < len(set(columns)):
        raise DataError(f"{source}: two columns of texts have one name", why=", ".join(map(quoted, columns)), fix="rename one of them")
    return named


def read_texts(column: pa.ChunkedArray, name: str, source: str) -> list[str]:
    """One text per row, empty for an empty cell; raises DataError if a column contains something else, or no text."""
    kind: Any = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise DataError(
            f"{source}: the column {quoted(name)} holds {kind}, which is not text", fix="name the columns of texts: --texts NAME"
        )
    texts: list[str] = pc.fill_null(column, "").to_pylist()
    if not any(text.strip() for text in texts):
        raise DataError(f"{source}: no row has a text in the column {quoted(name)}", fix="name the columns of texts: --texts NAME")
    return texts


# Several labels per image, like those of a vision service: turns a column of a table into which image has which label.


MOST_TAGS = 5000
CONFIDENCES = ("confidence", "score", "probability")
"""Columns with a program's confidence in a label, if a table has one row per label."""
_LONGEST = 20_000
SOME, NO = "some label", "no label"
ANSWERS = "y_pred:tagged"
"""Replaces the column of labels: whether an image has any, which is a question with two answers."""


@dataclass(frozen=True)
class Tags:
    """Labels, and which images have them."""

    labels: Group
    kept: Bool[np.ndarray, "n k"]


def without_tags(table: pa.Table, name: str, source: str, used: Collection[str] | None = None) -> tuple[pa.Table, Tags]:
    """Replace the column of labels by one that says whether an image has any; also returns the labels.

    A cell has labels separated by "|", or a list (JSON, or Python syntax); an empty cell has none. A table that names an
    image in several rows has one label per row, with a confidence or without (`one_row_an_image`); `used` are the columns that the audit
    reads, None: any. Raises DataError if a cell cannot be read, or no image has a label.
    """
    table = one_row_an_image(table, name, source, used)
    column = table[name]
    cells = [
        labels_of(cell, f"{source}, column {quoted(name)}, row {row} after the header") for row, cell in enumerate(column.to_pylist(), 1)
    ]
    labels = tuple(sorted({label for cell in cells for label in cell}))
    if not labels:
        raise DataError(f"{source}: no row has a label in the column {quoted(name)}", fix="name the column of labels: --tags COLUMN")
    if len(labels) > MOST_TAGS:
        what = f"{source}: {len(labels):,} different labels in the column {quoted(name)}"
        raise DataError(what, why=f"at most {MOST_TAGS:,} are audited", fix="separate the labels of a cell with |, and leave captions out")
    positions = {label: position for position, label in enumerate(labels)}
    kept = np.zeros((len(cells), len(labels)), bool)
    for row, cell in enumerate(cells):
        kept[row, [positions[label] for label in cell]] = True
    answers = pa.array(np.where(kept.any(axis=1), SOME, NO).tolist(), pa.string())
    return table.drop_columns([name]).append_column(ANSWERS, answers), Tags(labels, kept)


def one_row_an_image(table: pa.Table, name: str, source: str, used: Collection[str] | None = None) -> pa.Table:
    """Convert a table with one row per image and label to one row per image, in the order of their first rows.

    A column named in `CONFIDENCES` is checked (all values 0 to 1, or 0 to 100) and dropped: every label in the table counts, since its
    author chose the threshold. A table without repeated images stays unchanged. Raises DataError if a cell has several labels,
    an image has a label twice, its rows disagree in another column that is `used`, or a confidence is not a number.
    """
    identifier = next((column for column in ID_COLUMNS if column in table.column_names and column != name), None)
    images = [] if identifier is None else table[identifier].to_pylist()
    if len(set(images)) == len(images):
        return table
    for column in (confidence for confidence in CONFIDENCES if confidence in table.column_names and confidence != name):
        _check_confidences(table[column].to_pylist(), table[name].to_pylist(), column, source)
        table = table.drop_columns([column])
    first: dict[Any, int] = {}
    labels: dict[Any, dict[str, int]] = {}
    for row, (image, cell) in enumerate(zip(images, table[name].to_pylist(), strict=True)):
        first.setdefault(image, row)
        where = f"{source}, column {quoted(name)}, row {row + 1} after the header"
        cell_labels = labels_of(cell, where)
        if len(cell_labels) > 1:
            why = f"{quoted(str(image))} is in several rows, so each row has one"
            raise DataError("a cell of several labels", where=where, why=why, fix="give one row per label, or one row per image")
        of = labels.setdefault(image, {})
        for label in cell_labels:
            if label in of:
                what = f"the label {quoted(label)} of {quoted(str(image))} twice"
                raise DataError(what, where=where, why=f"it is in row {of[label] + 1} too", fix="keep one row per label")
            of[label] = row
    others = [column_name for column_name in table.column_names if column_name != name and not is_row_number(column_name)]
    _check_agreement(table.select([other for other in others if used is None or other in used]), images, first, source)
    kept = table.take(pa.array(first.values(), pa.int64())).drop_columns([name])
    return kept.append_column(name, pa.array([list(labels[image]) for image in first], pa.list_(pa.string())))


def _check_confidences(values: list[Any], labels: list[Any], column: str, source: str) -> None:
    """Raise DataError for a confidence that is not a number; a row without a label, of an image that got none, needs no confidence."""
    for row, (value, label) in enumerate(zip(values, labels, strict=True), 1):
        if label in (None, "") and value in (None, ""):
            continue
        try:
            known = 0 <= float(value) <= 100  # False for NaN
        except (TypeError, ValueError):
            known = False
        if not known:
            where = f"{source}, column {quoted(column)}, row {row} after the header"
            raise DataError(f"{value!r} is not a confidence", where=where, fix="give a number from 0 to 1, or from 0 to 100, in every row")


def _check_agreement(others: pa.Table, images: list[Any], first: dict[Any, int], source: str) -> None:
    for column in others.column_names:
        values = others[column].to_pylist()
        for row, (image, value) in enumerate(zip(images, values, strict=True)):
            if str(value) != str(earlier := values[first[image]]):
                where = f"{source}, column {quoted(column)}, row {row + 1} after the header"
                what, why = f"conflicting values for {quoted(str(image))}", f"{value!r} here, {earlier!r} in row {first[image] + 1}"
                raise DataError(what, where=where, why=why, fix="give one value per image, or name what to slice by: --attributes")


def labels_of(cell: Any, where: str) -> set[str]:
    """The distinct labels of a cell; nothing is evaluated.

    Examples
    --------
    >>> sorted(labels_of(" suit|tie| suit", "row 1")), sorted(labels_of("['suit', 'tie']", "row 1")), labels_of("", "row 1")
    (['suit', 'tie'], ['suit', 'tie'], set())
    """
    if isinstance(cell, str) and len(cell) > _LONGEST:
        raise DataError(f"a cell of {len(cell):,} characters", where=where, fix="give labels, a few words each")
    value = _literal(cell, where) if isinstance(cell, str) and cell.strip()[:1] in ("[", "(") else cell
    if value is None:
        return set()
    parts = value.split("|") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise DataError("a cell that is not a list of labels", where=where, fix='write suit|tie, or ["suit", "tie"]')
    return {label for part in parts if (label := " ".join(part.split()))}


def _literal(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass  # a list in Python syntax has other quotes
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise DataError("a list of labels that cannot be read", where=where, fix='write suit|tie, or ["suit", "tie"]') from error
