"""Published numbers: each table as printed, and our rates for the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.finding import Rate
from audit.types import PublishedRow, PublishedTable
from reports.context import AuditContext

Cells = tuple[str, tuple[float | None, ...], Sequence[Rate | None]]
"""Label of a row, its published cells and, if the audit asks the same question, its rates."""


@dataclass(frozen=True)
class PublishedView:
    """A published table with the rates of the audit."""

    table: PublishedTable
    rows: Sequence[Cells]


def view(context: AuditContext) -> tuple[PublishedView, ...] | None:
    """Return the published tables of the probe; None if it has none."""
    cells = {(finding.finding.id, cell.group): cell for finding in context.findings for cell in finding.finding.by_group}

    def row(published: PublishedRow) -> Cells:
        return published.label, published.published, [cells.get((cell.finding, cell.group)) if cell else None for cell in published.ours]

    return tuple(PublishedView(table, list(map(row, table.rows))) for table in context.audit.published) or None
