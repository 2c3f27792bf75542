"""The gates applied to an audit, each with its outcome and the reason."""

from __future__ import annotations

from reports.context import AuditContext
from reports.text.gates import GateRow, gate_rows


def view(context: AuditContext) -> tuple[GateRow, ...] | None:
    """Return the gates applied to this audit, or None."""
    return gate_rows(context.results, context.audit) or None
