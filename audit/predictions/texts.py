"""Recorded texts: reads their columns from a table. The file does not say who wrote them, or for which prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from audit.data.schema import quoted
from audit.errors import DataError, UsageError
from audit.predictions.answers import Y_PRED
from audit.predictions.own_tables import SCORE

if TYPE_CHECKING:
    pass

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
