"""Definitions that all records share: the strict decorator, an estimate, a verdict."""

from __future__ import annotations

from typing import Literal, TypeVar, dataclass_transform

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

T = TypeVar("T")
Verdict = Literal["disparity", "equivalent", "inconclusive", "not estimable"]
"""The verdict on a planned question, an audit or a comparison."""
FindingVerdict = Literal[Verdict, "signal", "no signal"]
"""The verdict on a finding: one of the four if it was planned; "signal", "no signal" or "not estimable" if it is exploratory."""
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a class a frozen pydantic dataclass that rejects wrong types, unknown fields and NaN."""
    return dataclass(frozen=True, config=_STRICT)(cls)  # type: ignore[return-value]  # the class itself, now strict


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
