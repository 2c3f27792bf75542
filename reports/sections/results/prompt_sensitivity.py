"""Prompt sensitivity: the same difference under every prompt template and label set."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records.results import SpecificationCurve, SpecificationPoint
from reports.charts.grids import CurveFigure, ShareBar, curve_figure, in_order, share_bar
from reports.sections.context import AuditContext
from reports.table import Columns, Table, headers, table_rows
from reports.text import phrases
from reports.text.numbers import difference, p_value

_COLUMNS: Columns[SpecificationPoint] = (
    ("Prompt template", lambda point: point.preset),
    ("Variant", lambda point: point.variant),
    ("Difference [interval]", lambda point: difference(point.difference, point.low, point.high)),
    ("Largest gap of any two groups", lambda point: phrases.plain_points(point.gap, point.low, point.high)),
    ("p of that gap", lambda point: p_value(point.p)),
    ("Default", lambda point: "yes" if point.default else ""),
)


@dataclass(frozen=True)
class CurveView:
    """A specification curve."""

    key: str
    curve: SpecificationCurve
    points: tuple[SpecificationPoint, ...]
    shares: ShareBar | None
    figure: CurveFigure | None
    table: Table | None
    """None where nothing was estimable under any prompt template: they are named and no more."""


def view(context: AuditContext) -> tuple[CurveView, ...] | None:
    """Return the curves of an audit."""
    return tuple(_view(f"{context.key}-s{i}", curve) for i, curve in enumerate(context.audit.specifications, 1)) or None


def _view(key: str, curve: SpecificationCurve) -> CurveView:
    points = in_order(curve)
    estimable = any(point.gap is not None or point.difference is not None for point in points)
    caption = f"{curve.question}: every prompt template"
    table = Table(f"{curve.question}, numbers", caption, headers(_COLUMNS), table_rows(_COLUMNS, points)) if estimable else None
    return CurveView(key, curve, points, share_bar(curve), curve_figure(curve), table)
