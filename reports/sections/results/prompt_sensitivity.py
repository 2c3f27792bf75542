"""Prompt sensitivity: the same difference under every prompt template and label set."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.results import SpecificationCurve, SpecificationPoint
from reports.charts.grids import curve_figure, in_order, share_bar
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


def view(context: AuditContext) -> tuple[SimpleNamespace, ...] | None:
    """Return the curves of an audit."""
    return tuple(_view(f"{context.key}-s{i}", curve) for i, curve in enumerate(context.audit.specifications, 1)) or None


def _view(key: str, curve: SpecificationCurve) -> SimpleNamespace:
    """Return a curve; where nothing was estimable, its prompt templates are named and there is no table."""
    points = in_order(curve)
    estimable = any(point.gap is not None or point.difference is not None for point in points)
    caption = f"{curve.question}: every prompt template"
    table = Table(f"{curve.question}, numbers", caption, headers(_COLUMNS), table_rows(_COLUMNS, points)) if estimable else None
    return SimpleNamespace(key=key, curve=curve, points=points, shares=share_bar(curve), figure=curve_figure(curve), table=table)
