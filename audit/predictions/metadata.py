"""What a `predictions.parquet` says of itself, held to the form in which an audit writes it: the file may be a stranger's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from audit.errors import DataError

_PREFIX = b"vlm_audit."


@dataclass(frozen=True)
class _Combined:
    answers: dict[str, str]
    combine: Literal["argmax", "sum"]


_FORMS: dict[bytes, TypeAdapter[Any]] = {
    b"labels": TypeAdapter(dict[str, list[str]]),
    b"answers": TypeAdapter(dict[str, _Combined]),
    b"cluster": TypeAdapter(dict[str, str]),
    b"weights": TypeAdapter(dict[str, str]),
    b"numbered": TypeAdapter(list[str]),
    b"bins": TypeAdapter(dict[str, dict[str, list[str]]]),
}
_ANY: TypeAdapter[Any] = TypeAdapter(dict[str, Any] | list[Any])
_NAMES = ("model", "probe", "measurement")


def check_metadata(table: pa.Table, source: str) -> None:
    """Raise `DataError` if what a file says of itself is not in the form of an audit."""
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
