"""The one decorator of every record: frozen and strict."""

from __future__ import annotations

from typing import TypeVar, dataclass_transform

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

T = TypeVar("T")
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen pydantic dataclass that refuses a wrong type, an unknown field and a NaN."""
    return dataclass(frozen=True, config=_STRICT)(cls)  # type: ignore[return-value]  # the class itself, made strict
