"""Untrained control: what the pre-specified questions find in the same architecture when nothing was learned."""

from __future__ import annotations

from types import SimpleNamespace

from reports.context import AuditContext
from reports.text import evidence, phrases

TITLE, PLACE = "Untrained control", 10


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return a row for each pre-specified question that the control answered."""
    control = context.audit.untrained_control
    if control is None:
        return None
    of = {finding.finding: finding for finding in control.findings}
    rows = tuple(
        SimpleNamespace(
            placed=finding,
            measured=phrases.size(finding.finding.gap),
            untrained=evidence.untrained_text(of[finding.finding.id]),
            verdict=of[finding.finding.id].verdict,
        )
        for finding in context.primary
        if finding.finding.id in of
    )
    return SimpleNamespace(control=control, rows=rows)
