"""Frozen dataclasses to and from plain tables, strictly (pydantic): what a checkpoint or a TOML file may say is what the class declares.

A message never shows the value that was refused, only its type: a value from a file may be a list that prints to 10^30 items.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, TypeAdapter, ValidationError

from strictio.errors import UsageError, nearest

T = TypeVar("T")
TABLE = "a table of settings"
EXPECTED = {
    "int_type": "a whole number", "int_parsing": "a whole number, such as 64", "float_type": "a number",
    "float_parsing": "a number, such as 0.5", "finite_number": "a finite number", "string_type": "text", "bool_type": "true or false",
    "bool_parsing": "true or false", "tuple_type": "a list", "dict_type": TABLE, "mapping_type": TABLE, "dataclass_type": TABLE,
    "model_attributes_type": TABLE,
}  # fmt: skip
"""pydantic's kind of error -> what was expected."""
BOUNDS = {
    "greater_than_equal": "at least {ge:g}", "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}", "less_than": "below {lt:g}",
}  # fmt: skip
FIRST = ("unexpected_keyword_argument", "union_tag_invalid", "missing")
"""Errors that are told before others, the first of these before all: a misspelt name explains a missing one."""


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass that `from_dict` reads; no other keys, no NaN. Scalars are as strict as their types (`StrictInt`)."""
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    made.__pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)
    return typing.cast(type[T], made)


def to_dict(value: Any) -> Any:
    """Return dataclasses as dictionaries and tuples as lists, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_dict(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, tuple | list):
        return [to_dict(item) for item in value]
    return value


def from_dict(cls: type[T], data: object, where: str) -> T:
    """Build a `record` from an untrusted mapping; `where` names the place in messages: ``"config"``.

    Raises `UsageError` at an unknown or missing key (naming the nearest) or a value of another type or out of range.
    """
    try:
        return typing.cast(T, _adapter(typing.cast(Hashable, cls)).validate_python(data))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise _explained(
            min(errors, key=lambda item: FIRST.index(item["type"]) if item["type"] in FIRST else len(FIRST)), cls, where
        ) from None


def sha256_of_json(data: Any) -> str:
    """Return the sha256 (hex) of canonical JSON: sorted keys, no spaces, ASCII."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@cache
def _adapter(cls: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(typing.cast(Any, cls))


def _explained(error: Any, cls: type, where: str) -> UsageError:
    kind, value, path, context = error["type"], error["input"], error["loc"], error.get("ctx", {})
    (above, table), (setting, hint) = _follow(cls, path[:-1], where), _follow(cls, path, where)
    if kind in ("unexpected_keyword_argument", "invalid_key"):
        name = str(path[-1])[:80]
        return UsageError(f"{above} has no setting {name!r}", fix=nearest(name, _fields(table)))
    if kind == "missing" and isinstance(path[-1], str):
        return UsageError(f"{above} lacks the setting {path[-1]!r}")
    if kind in ("missing", "too_long"):
        named, values = (above, table) if kind == "missing" else (setting, hint)
        return UsageError(f"{named} must have {len(_arguments(values))} values")
    if kind.startswith("union_tag"):
        return UsageError(f"{setting} is not of a known kind", fix=nearest(str(context.get("tag", ""))[:80], _kinds(hint)))
    if kind == "literal_error" and isinstance(value, str):
        return UsageError(f"{setting} cannot be {value[:80]!r}", fix=nearest(value[:80], _arguments(hint)))
    if kind in BOUNDS:
        return UsageError(f"{setting} must be {BOUNDS[kind].format(**context)}")
    return UsageError(f"{setting} must be {EXPECTED.get(kind, 'a word')}, not {'nothing' if value is None else type(value).__name__}")


def _follow(hint: Any, path: tuple[int | str, ...], name: str) -> tuple[str, Any]:
    """Return the name of a place in a table and the type there; in a union, pydantic's path names the kind too."""
    for part in path:
        if part in (kinds := _kinds(hint)):
            hint = kinds[part]
            continue
        hint = _fields(hint).get(str(part), typing.Any)
        name += f"[{part}]" if isinstance(part, int) else f".{part[:80]}"
    return name, hint


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)


def _arguments(hint: Any) -> tuple[Any, ...]:
    """Return the words of a Literal, or the types in a tuple; also of an optional one."""
    return tuple(argument for option in _options(hint) for argument in typing.get_args(option))


def _kinds(hint: Any) -> dict[str, Any]:
    """Return kind -> class of a union of records; empty for any other type."""
    records = [option for option in _options(hint) if dataclasses.is_dataclass(option)]
    return {typing.cast(Any, option).kind: option for option in records} if len(records) > 1 else {}


def _fields(hint: Any) -> dict[str, Any]:
    """Return name -> type of a record's fields; empty for any other type."""
    record_type = next((option for option in _options(hint) if dataclasses.is_dataclass(option)), None)
    return typing.get_type_hints(record_type) if isinstance(record_type, type) else {}
