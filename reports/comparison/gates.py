"""The gates that were put to a comparison, each with its outcome and the reason."""

from __future__ import annotations

from types import SimpleNamespace

from reports.comparison.context import ComparisonContext
from reports.text.gates import change_gate_rows


def view(context: ComparisonContext) -> SimpleNamespace | None:
    """Return the gates of this comparison; None without any."""
    rows = change_gate_rows(context.comparisons, context.comparison)
    return SimpleNamespace(rows=rows) if rows else None
