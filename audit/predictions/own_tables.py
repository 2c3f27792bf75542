"""Tables of predictions that audits write and read again: names of columns, scores, recorded bins and metadata.

Files may be untrusted: the metadata of a `predictions.parquet` must have the form in which an audit writes them.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from audit.errors import DataError
from audit.predictions.bins import BINNED
from audit.types import Group, Note

if TYPE_CHECKING:
    from jaxtyping import Float

OWN_COLUMNS = ("model", "probe", "measurement", "id", "y_true", "y_pred")
SCORE = "score:"

_PREFIX = b"vlm_audit."


@dataclass(frozen=True)
class _Combined:
    answers: dict[str, str]
    combine: Literal["argmax", "sum"]


@dataclass(frozen=True)
class _Units:
    columns: list[str]
    values: list[int]
    rows: int


_FORMS: dict[bytes, TypeAdapter[Any]] = {
    b"labels": TypeAdapter(dict[str, list[str]]),
    b"answers": TypeAdapter(dict[str, _Combined]),
    b"cluster": TypeAdapter(dict[str, str]),
    b"weights": TypeAdapter(dict[str, str]),
    b"numbered": TypeAdapter(list[str]),
    b"units": TypeAdapter(dict[str, _Units]),
    b"bins": TypeAdapter(dict[str, dict[str, list[str]]]),
}
_ANY: TypeAdapter[Any] = TypeAdapter(dict[str, Any] | list[Any])
_NAMES = ("model", "probe", "measurement")


def check_metadata(table: pa.Table, source: str) -> None:
    """Raise `DataError` if the metadata of a file do not have the form that an audit writes."""
    own = {key.removeprefix(_PREFIX): value for key, value in (table.schema.metadata or {}).items() if key.startswith(_PREFIX)}
    for key, value in own.items():
        try:
            _FORMS.get(key, _ANY).validate_json(value, strict=True)
        except ValidationError as error:
            why = f"its entry {ascii(key.decode(errors='replace'))[:80]} is not in the form that an audit writes"
            raise DataError(f"{source} has damaged metadata", why=why, fix="run the audit that wrote it again") from error
    for name in _NAMES if own else ():
        if name in table.column_names and not pa.types.is_string(table[name].type):
            raise DataError(f"{source}: the column {name!r} holds {table[name].type}", fix="run the audit that wrote it again")


def notes_of_bins(table: pa.Table, cut: Collection[str]) -> list[Note]:
    """The notes about columns of numbers that were divided before predictions were written, and were not divided again (`cut`)."""
    recorded = json.loads((table.schema.metadata or {}).get(b"vlm_audit.bins", b"{}"))
    by_column = {column: levels for columns in recorded.values() for column, levels in columns.items() if column in table.column_names}
    return [
        Note(BINNED, {"column": column, "levels": tuple(levels), "quantiles": 0})
        for column, levels in by_column.items()
        if column not in cut
    ]


def notes_of_units(table: pa.Table, probe: str, code: str) -> list[Note]:
    """A note of this code about the columns by which rows of a probe may belong together, if the audit that wrote them was not told."""
    units = json.loads((table.schema.metadata or {}).get(b"vlm_audit.units", b"{}")).get(probe)
    return [] if units is None else [Note(code, {name: tuple(v) if isinstance(v, list) else v for name, v in units.items()})]


def column_of(attribute: object) -> str:
    """The column name of an attribute; changed if it equals the name of one of our own columns.

    Examples
    --------
    >>> column_of("race"), column_of("id"), column_of("score:cat")
    ('race', 'id_attribute', 'attribute_score:cat')
    """
    name = str(attribute)
    if name.startswith(SCORE):
        return f"attribute_{name}"
    return f"{name}_attribute" if name in OWN_COLUMNS else name


def scores_of(table: pa.Table, labels: Group, what: str) -> Float[np.ndarray, "n k"] | None:
    """The scores of one measurement's rows, from one column per label; None if it has none.

    Raises DataError, with the name `what`, if some are missing.
    """
    present = [table[SCORE + label] for label in labels if SCORE + label in table.column_names]
    columns = [column for column in present if column.null_count < len(table)]
    if len(columns) not in (0, len(labels)) or any(column.null_count for column in columns):
        raise DataError(f"{what} are not one a label", why=f"its labels are {', '.join(labels)}", fix="run the audit again")
    flat = [np.asarray(column, np.float32) for column in columns]
    return np.stack(flat, axis=-1).reshape(len(table), -1) if flat else None
