"""The gates applied to a comparison, each with its outcome and the reason."""

from __future__ import annotations

from reports.comparison.context import ComparisonContext
from reports.text.gates import GateRow, change_gate_rows


def view(context: ComparisonContext) -> tuple[GateRow, ...] | None:
    """Return the gates of this comparison, or None."""
    return change_gate_rows(context.comparisons, context.comparison) or None
