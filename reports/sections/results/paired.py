"""Counterfactual pairs: what changes in the answer when one attribute changes."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records.results import PairedFinding
from reports.charts.forest import Forest, signed_forest
from reports.sections.context import AuditContext
from reports.text import phrases


@dataclass(frozen=True)
class PairedView:
    """The counterfactual pairs of an audit."""

    figure: Forest
    findings: tuple[PairedFinding, ...]


def view(context: AuditContext) -> PairedView | None:
    """Return the pairs that the probe has."""
    paired = context.audit.paired
    rows = [(phrases.paired_title(each), each.difference, each.low, each.high) for each in paired]
    return PairedView(signed_forest(rows), paired) if paired else None
