"""Published tables, kept completely as data: one TOML file per source. Percentages are as printed; `ours` names our rate for a cell."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

from audit.types import CellReference, PublishedRow, PublishedTable

NO_GROUP = "(none)"
"""Marks a table column without a corresponding group of ours, such as an average."""


def tables(source: str) -> tuple[PublishedTable, ...]:
    """Return the tables of ``<source>.toml``; percentages become fractions, an empty string in a row is a blank cell."""
    document = tomllib.loads(files(__name__).joinpath(f"{source}.toml").read_text("utf-8"))
    return tuple(_table(table, document["source"]) for table in document["tables"])


def _table(table: dict[str, Any], source: str) -> PublishedTable:
    return PublishedTable(
        name=table["name"],
        title=table["title"],
        columns=tuple(table["columns"]),
        rows=tuple(_row(row, table) for row in table["rows"]),
        source=source,
        comparability=table["comparability"],
    )


def _row(row: dict[str, Any], table: dict[str, Any]) -> PublishedRow:
    """The whole row has one finding (`finding`), or each column has its own (`findings`); likewise for groups."""
    columns = len(table["columns"])
    published = tuple(None if cell == "" else round(cell / 100, 6) for cell in row["published"])
    findings = row.get("findings") or [row.get("finding")] * columns
    groups = row.get("groups") or table.get("groups") or [row.get("group")] * columns
    within = tuple(row.get("within", ()))
    ours = tuple(
        CellReference(finding, (*group, *within)) if finding and group != [NO_GROUP] else None
        for finding, group in zip(findings, groups, strict=True)
    )
    if len(published) != columns:
        raise ValueError(f"row {row['label']!r} of {table['name']} has {len(published)} cells, not {columns}")
    return PublishedRow(row["label"], published, ours)
