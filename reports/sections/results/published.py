"""Published numbers: each table as printed, and our rates of the same cells."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.finding import Rate
from audit.types import PublishedRow
from reports.context import AuditContext


def view(context: AuditContext) -> tuple[SimpleNamespace, ...] | None:
    """Return the tables of the probe: label, published cells and, where we asked the same, our rates."""
    cells = {(finding.finding.id, cell.group): cell for finding in context.findings for cell in finding.finding.by_group}

    def row(published: PublishedRow) -> tuple[str, tuple[float | None, ...], list[Rate | None]]:
        return published.label, published.published, [cells.get((cell.finding, cell.group)) if cell else None for cell in published.ours]

    return tuple(SimpleNamespace(table=table, rows=list(map(row, table.rows))) for table in context.audit.published) or None
