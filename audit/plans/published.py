"""Published tables, to be compared with ours."""

from __future__ import annotations

from dataclasses import dataclass

from audit.plans.base import Group


@dataclass(frozen=True)
class CellReference:
    """Points to one rate of a finding."""

    finding: str
    group: Group


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table: cells (fractions, None where blank) and our rates to compare with them."""

    label: str
    published: tuple[float | None, ...]
    ours: tuple[CellReference | None, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A published table, every cell, with a sentence on what is and is not comparable."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    source: str
    comparability: str
