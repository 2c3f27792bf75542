"""Counterfactual pairs: what changes in the answer when one attribute changes."""

from __future__ import annotations

from types import SimpleNamespace

from reports.charts.forest import signed_forest
from reports.sections.context import AuditContext
from reports.text import phrases


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the pairs that the probe has."""
    paired = context.audit.paired
    rows = [(phrases.paired_title(each), each.difference, each.low, each.high) for each in paired]
    return SimpleNamespace(figure=signed_forest(rows), findings=paired) if paired else None
