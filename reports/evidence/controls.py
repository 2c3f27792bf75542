"""Untrained control: the planned questions for the same architecture without training."""

from __future__ import annotations

from dataclasses import dataclass

from reports.context import AuditContext, PlacedFinding
from reports.text import evidence, phrases

TITLE, PLACE = "Untrained control", 10


@dataclass(frozen=True)
class ControlRow:
    """A question, with the result of the control."""

    placed: PlacedFinding
    measured: str
    untrained: str
    verdict: str


@dataclass(frozen=True)
class ControlView:
    """The untrained control of an audit."""

    seed: int
    rows: tuple[ControlRow, ...]


def view(context: AuditContext) -> ControlView | None:
    """Return one row per planned question that the control answered."""
    control = context.audit.untrained_control
    if control is None:
        return None
    of = {finding.finding: finding for finding in control.findings}
    rows = tuple(
        ControlRow(
            placed=finding,
            measured=phrases.size(finding.finding.gap),
            untrained=evidence.untrained_text(of[finding.finding.id]),
            verdict=of[finding.finding.id].verdict,
        )
        for finding in context.primary
        if finding.finding.id in of
    )
    return ControlView(control.seed, rows)
