"""Frozen dataclasses to and from plain dictionaries, strictly: what a checkpoint or a TOML file may say is what the class declares.

A message never shows the value that was refused, only its type: a value from a file may be a list that prints to 10^30 items.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from contrastive.errors import UsageError, nearest

T = TypeVar("T")


def to_dict(value: Any) -> Any:
    """Return dataclasses as dictionaries and tuples as lists, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_dict(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    if isinstance(value, tuple | list):
        return [to_dict(item) for item in value]
    return value


def from_dict(cls: type[T], data: object, where: str) -> T:
    """Build the dataclass `cls` from a mapping.

    Parameters
    ----------
    cls : type
        A dataclass with fields of type int, float, bool, str, Literal, tuple, Mapping[str, ...], None or another such dataclass. In a
        union of dataclasses each has a field ``kind`` with its own literal.
    data : mapping
        Untrusted.
    where : str
        Name of the place for messages: ``"config"``.

    Raises
    ------
    UsageError
        At an unknown or missing key (naming the nearest) or a value of another type.
    """
    if not isinstance(data, Mapping):
        raise UsageError(f"{where} must be a table of settings, not {_type_name(data)}")
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls)) if field.init}
    for key in data:
        if key not in fields:
            shown = key[:80] if isinstance(key, str) else _type_name(key)
            raise UsageError(f"{where} has no setting {shown!r}", fix=nearest(shown, fields))
    needed = [name for name, field in fields.items() if field.default is field.default_factory is dataclasses.MISSING]
    missing = [name for name in needed if name not in data]
    if missing:
        raise UsageError(f"{where} lacks the setting {missing[0]!r}", why=f"it needs {', '.join(missing)}")
    hints = typing.get_type_hints(cls)
    return cls(**{key: _read(hints[key], value, f"{where}.{key}") for key, value in data.items()})


def sha256_of(data: Any) -> str:
    """Return the sha256 (hex) of canonical JSON: sorted keys, no blanks, ASCII.

    Examples
    --------
    >>> sha256_of({"b": 1, "a": 2.5}) == sha256_of({"a": 2.5, "b": 1})
    True
    """
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _read(hint: Any, value: object, where: str) -> Any:
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(Any, hint), value, where)
    if origin is types.UnionType or origin is typing.Union:
        return _read_union(options, value, where)
    if origin is tuple and isinstance(value, tuple | list):
        return _read_tuple(options, value, where)
    if origin is Mapping and isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _read(options[1], item, f"{where}.{key[:80]}") for key, item in value.items()}
    if origin is Literal and isinstance(value, str):
        if value in options:
            return value
        raise UsageError(f"{where} cannot be {value[:80]!r}", fix=nearest(value[:80], options))
    if hint is float and type(value) in (int, float):
        return float(typing.cast(float, value))
    if hint is Any or type(value) is hint:
        return value
    expected = {Literal: "a word", tuple: "a list", Mapping: "a table"}.get(origin) or hint.__name__
    raise UsageError(f"{where} must be {expected}, not {_type_name(value)}")


def _read_union(options: tuple[Any, ...], value: object, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    rest = [option for option in options if option is not type(None)]
    if len(rest) == 1:
        return _read(rest[0], value, where)
    kinds = {option.kind: option for option in rest}
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise UsageError(f"{where} does not say a known kind", fix=nearest(kind[:80] if isinstance(kind, str) else "", kinds))
    return from_dict(kinds[kind], value, where)


def _read_tuple(options: tuple[Any, ...], value: tuple[object, ...] | list[object], where: str) -> tuple[Any, ...]:
    if options[-1] is Ellipsis:
        options = (options[0],) * len(value)
    if len(options) != len(value):
        raise UsageError(f"{where} must have {len(options)} values, not {len(value)}")
    return tuple(_read(option, item, f"{where}[{i}]") for i, (option, item) in enumerate(zip(options, value, strict=True)))


def _type_name(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
