"""Calibration by group: is the model right as often as its confidence says?"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.records.evidence import Calibration, GroupCalibration, ReliabilityBin
from audit.records.results import MeasurementRecord
from reports.charts.panels import reliability_panel
from reports.sections.context import AuditContext
from reports.table import Row, Table
from reports.text import phrases
from reports.text.numbers import count, number, percent

TITLE, PLACE = "Calibration", 70

BINS = 10
"""Tenths of confidence, in the results."""
_COLUMNS = ("Group", "n", "Calibration error [interval]", "Expected by chance (95 %): up to", "Overconfidence, in points")


def view(context: AuditContext) -> tuple[SimpleNamespace, ...] | None:
    """Return each slicing; on a page of many findings without the tenths."""
    return (
        tuple(_view(record, found, context.brief) for record in context.audit.measurements for found in record.evidence.calibration) or None
    )


def _view(record: MeasurementRecord, found: Calibration, brief: bool) -> SimpleNamespace:
    title = f"{record.name} by {phrases.attributes(found.attributes)}"
    known = [group for group in found.groups if group.error is not None]
    used = [i for i in range(BINS) if any(group.bins[i].n for group in found.groups)] if not brief else []
    tenths = tuple(f"{100 * i // BINS}–{100 * (i + 1) // BINS} % sure" for i in used)
    explained = "; in each tenth: confidence → accuracy, in percent (images)" if used else ""
    rows = tuple(_row(group, used) for group in found.groups)
    return SimpleNamespace(
        title=title,
        alt=f"Accuracy against confidence of {record.name}, a panel for each of {len(found.groups)} groups; "
        f"{len(known)} have enough images for a calibration error. The table below has every number.",
        panels=tuple(map(reliability_panel, found.groups)),
        table=Table(f"Calibration of {title}", f"Calibration of {title}{explained}", (*_COLUMNS, *tenths), rows),
    )


def _row(group: GroupCalibration, used: Sequence[int]) -> Row:
    chance = percent(group.error_by_chance, 1) if group.error_by_chance is not None else ""
    over = phrases.signed(group.overconfidence) if group.overconfidence else ""
    error = phrases.share_with_interval(group.error)
    bins = (_bin(group.bins[i]) for i in used)
    return Row(
        (phrases.group(group.group), count(group.n), error, chance, over, *bins),
        faint=group.error is None,
    )


def _bin(each: ReliabilityBin) -> str:
    if each.accuracy is None or each.confidence is None:
        return f"({each.n})" if each.n else ""
    return f"{number(each.confidence, 0)} → {number(each.accuracy.value, 0)} ({count(each.n)})"
