"""Confidence thresholds: a rate, and who gets an answer, when only answers above a confidence are given."""

from __future__ import annotations

from dataclasses import dataclass

from audit.evidence.threshold_curves import ThresholdCurve
from audit.records.base import Estimate
from reports.charts.forest import axis
from reports.charts.panels import Panel, threshold_panel
from reports.context import AuditContext
from reports.table import Row, Table, only_the_ends
from reports.text import phrases
from reports.text.numbers import NOT_ESTIMABLE, count, decimals, percent, points

TITLE, PLACE = "Confidence thresholds", 80

ENOUGH_TO_SCALE = 10
"""Fewest answered images with which a group's interval may widen the scale of a chart."""


@dataclass(frozen=True)
class ThresholdsView:
    """A disparity over confidence thresholds."""

    key: str
    title: str
    alt: str
    reach: str
    """The rate at the upper edge of the panels."""
    fewest: str
    """The smallest share of answered images."""
    panels: tuple[Panel, ...]
    table: Table


def view(context: AuditContext) -> tuple[ThresholdsView, ...] | None:
    """Return the curves of disparities; results.json has all curves."""
    placed = {finding.finding.id: finding for finding in context.primary if finding.finding.verdict == "disparity"}
    curves = [curve for curve in context.audit.evidence.threshold_curves if curve.points and curve.finding in placed]
    return tuple(_view(placed[curve.finding].key, placed[curve.finding].title, curve) for curve in curves) or None


def _view(key: str, title: str, curve: ThresholdCurve) -> ThresholdsView:
    groups, cut = only_the_ends(range(len(curve.points[0].by_group)), lambda group: _rate_when_all_answer(curve, group))
    ends = [
        cell.rate.high for point in curve.points for cell in point.by_group if cell.rate is not None and cell.answered >= ENOUGH_TO_SCALE
    ]
    reach = min(axis(0.0, max(ends, default=1.0))[-1], 1.0)
    fewest = percent(min(point.coverage for point in curve.points))
    columns = (f"{percent(point.coverage)} answered (above {percent(point.threshold, 1)})" for point in curve.points)
    foot = (
        Row(("largest gap", *(_points(point.gap) for point in curve.points))),
        Row(("largest gap in the share answered", *(_points(point.coverage_gap) for point in curve.points))),
    )
    return ThresholdsView(
        key=key,
        title=title,
        alt=f"{title}: the rate among the answered images of each of {len(groups)} groups, from all images answered to "
        f"{fewest} of them. The table below has every number.",
        reach=percent(reach),
        fewest=fewest,
        panels=tuple(threshold_panel(curve.points, group, reach) for group in groups),
        table=Table(
            f"Thresholds: {title}", f"{title}: rate among the answered (answered images){cut}", ("Group", *columns),
            tuple(_row(curve, group) for group in groups), foot,
        ),
    )  # fmt: skip


def _rate_when_all_answer(curve: ThresholdCurve, group: int) -> float:
    rate = curve.points[0].by_group[group].rate
    return rate.value if rate else 0.0


def _row(curve: ThresholdCurve, group: int) -> Row:
    cells = [point.by_group[group] for point in curve.points]
    return Row(
        (phrases.group(cells[0].group), *(f"{_among(cell.rate)} ({count(cell.answered)})" if cell.n else "no images" for cell in cells))
    )


def _among(estimate: Estimate | None) -> str:
    return "0 answered" if estimate is None else percent(estimate.value, decimals(estimate.low, estimate.high))


def _points(gap: float | None) -> str:
    return NOT_ESTIMABLE if gap is None else points(gap, 1)
