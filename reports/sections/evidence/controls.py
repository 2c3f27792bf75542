"""Controls: what the pre-specified questions find when there is nothing to find."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.results import ControlFinding
from reports.sections.context import AuditContext, PlacedFinding
from reports.text import evidence, phrases

TITLE, PLACE = "Controls", 10


def view(context: AuditContext) -> SimpleNamespace:
    """Return a row for each pre-specified question with a gap."""
    control = context.audit.untrained_control
    of = {each.finding: each for each in control.findings} if control else {}
    rows = tuple(_row(each, of.get(each.finding.id)) for each in context.primary if each.finding.gap)
    return SimpleNamespace(control=control, rows=rows, has_most_common=any(row.most_common for row in rows))


def _row(placed: PlacedFinding, control: ControlFinding | None) -> SimpleNamespace:
    """Return a question and its controls; without a true answer there is no most common one."""
    overall = placed.finding.overall
    return SimpleNamespace(
        placed=placed,
        measured=phrases.gap_text(placed.finding),
        shuffled=evidence.shuffled_text(placed.finding),
        most_common="" if overall.baseline is None else f"{phrases.cell_value(overall)} right; {phrases.baseline(overall)}",
        untrained=evidence.untrained_text(control),
        untrained_verdict=control.verdict if control else "",
    )
