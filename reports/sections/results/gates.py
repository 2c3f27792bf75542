"""The gates of a run, each with its outcome and the reason."""

from __future__ import annotations

from reports.context import AuditContext
from reports.text.gates import GateRow, gate_rows


def view(context: AuditContext) -> tuple[GateRow, ...] | None:
    """Return the gates that were put to this audit; None without any."""
    return gate_rows(context.results, context.audit) or None
