"""Controls: what the pre-specified questions find when there is nothing to find."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records.results import ControlFinding, UntrainedControl
from reports.sections.context import AuditContext, PlacedFinding
from reports.text import evidence, phrases

TITLE, PLACE = "Controls", 10


@dataclass(frozen=True)
class ControlRow:
    """A question and its controls."""

    placed: PlacedFinding
    measured: str
    shuffled: str
    most_common: str
    """Accuracy, and that of always giving the most common answer; empty without a true answer."""
    untrained: str
    untrained_verdict: str


@dataclass(frozen=True)
class ControlsView:
    """The controls of an audit."""

    control: UntrainedControl | None
    rows: tuple[ControlRow, ...]

    @property
    def has_most_common(self) -> bool:
        """Whether any question has a true answer."""
        return any(row.most_common for row in self.rows)


def view(context: AuditContext) -> ControlsView:
    """Return a row for each pre-specified question with a gap."""
    control = context.audit.untrained_control
    of = {each.finding: each for each in control.findings} if control else {}
    return ControlsView(control, tuple(_row(each, of.get(each.finding.id)) for each in context.primary if each.finding.gap))


def _row(placed: PlacedFinding, control: ControlFinding | None) -> ControlRow:
    overall = placed.finding.overall
    most_common = "" if overall.baseline is None else f"{phrases.cell_value(overall)} right; {phrases.baseline(overall)}"
    return ControlRow(
        placed, phrases.gap_text(placed.finding), evidence.shuffled_text(placed.finding), most_common, evidence.untrained_text(control),
        control.verdict if control else "",
    )  # fmt: skip
