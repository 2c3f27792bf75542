"""What all records share: the strict decorator, an estimate, a verdict."""

from __future__ import annotations

from typing import Literal, TypeVar, dataclass_transform

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

T = TypeVar("T")
Verdict = Literal["disparity", "equivalent", "inconclusive", "not estimable"]
"""Of a planned question, an audit, a comparison."""
FindingVerdict = Literal[Verdict, "signal", "no signal"]
"""Of a finding: one of the four where it was planned; "signal", "no signal" or "not estimable" where it is exploratory."""
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen pydantic dataclass that refuses a wrong type, an unknown field and a NaN."""
    return dataclass(frozen=True, config=_STRICT)(cls)  # type: ignore[return-value]  # the class itself, made strict


@record
class Estimate:
    """A number with its interval at level 1 - alpha."""

    value: float
    low: float
    high: float


@record
class Timing:
    """The only part of `results.json` that differs between two equal runs."""

    created: str
    """UTC, ISO 8601."""
    wall_s: float
