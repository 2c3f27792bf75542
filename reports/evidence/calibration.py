"""Calibration by group: is the model right as often as its confidence says?"""

from __future__ import annotations

from dataclasses import dataclass

from audit.evidence.calibration import Calibration, GroupCalibration
from audit.results import MeasurementRecord
from reports.charts.panels import Panel, reliability_panel
from reports.context import AuditContext
from reports.table import Row, Table, only_the_ends
from reports.text import phrases
from reports.text.numbers import count, percent

TITLE, PLACE = "Calibration", 70

_COLUMNS = ("Group", "n", "Calibration error [interval]", "Expected by chance (95 %): up to", "Overconfidence, in points")


@dataclass(frozen=True)
class CalibrationView:
    """The calibration of one measurement by one set of attributes."""

    title: str
    alt: str
    panels: tuple[Panel, ...]
    table: Table


def view(context: AuditContext) -> tuple[CalibrationView, ...] | None:
    """Return one view per measurement and set of attributes."""
    return tuple(_view(record, calibration) for record in context.audit.measurements for calibration in record.evidence.calibration) or None


def _view(record: MeasurementRecord, calibration: Calibration) -> CalibrationView:
    title = f"{record.name} by {phrases.attributes(calibration.attributes)}"
    known = [group for group in calibration.groups if group.error is not None]
    shown, cut = only_the_ends(calibration.groups, lambda group: group.error.value if group.error else 0.0)
    return CalibrationView(
        title=title,
        alt=f"Accuracy against confidence of {record.name}, a panel for each of {len(shown)} groups; "
        f"{len(known)} have enough images for a calibration error. The table below has every number.",
        panels=tuple(map(reliability_panel, shown)),
        table=Table(f"Calibration of {title}", f"Calibration of {title}{cut}", _COLUMNS, tuple(map(_row, shown))),
    )


def _row(group: GroupCalibration) -> Row:
    chance = percent(group.error_by_chance, 1) if group.error_by_chance is not None else ""
    over = phrases.signed(group.overconfidence) if group.overconfidence else ""
    error = phrases.share_with_interval(group.error)
    return Row(
        (phrases.group(group.group), count(group.n), error, chance, over),
        faint=group.error is None,
    )
