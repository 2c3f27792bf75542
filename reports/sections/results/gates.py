"""The gates of a run, each with its outcome and the reason."""

from __future__ import annotations

from types import SimpleNamespace

from reports.context import AuditContext
from reports.text.gates import gate_rows


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the gates that were put to this audit; None without any."""
    rows = gate_rows(context.results, context.audit)
    return SimpleNamespace(rows=rows) if rows else None
