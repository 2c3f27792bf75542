"""Published numbers: each table as printed, and our rates of the same cells."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records.results import Rate
from audit.types import PublishedTable
from reports.sections.context import AuditContext


@dataclass(frozen=True)
class PublishedView:
    """A published table and, where we asked the same, our rates."""

    key: str
    table: PublishedTable
    rows: tuple[tuple[str, tuple[float | None, ...], tuple[Rate | None, ...]], ...]
    """Label, published cells, ours."""


def view(context: AuditContext) -> tuple[PublishedView, ...] | None:
    """Return the tables of the probe."""
    cells = {(each.finding.id, cell.group): cell for each in context.findings for cell in each.finding.by_group}
    return (
        tuple(
            PublishedView(
                f"{context.key}-t{i}",
                table,
                tuple(
                    (row.label, row.published, tuple(cells.get((cell.finding, cell.group)) if cell else None for cell in row.ours))
                    for row in table.rows
                ),
            )
            for i, table in enumerate(context.audit.published, 1)
        )
        or None
    )
