"""Prompt sensitivity: the same difference under every prompt template and label set, smallest first."""

from __future__ import annotations

from dataclasses import dataclass

from audit.evidence.prompt_sensitivity import SpecificationCurve, SpecificationPoint
from reports.charts.grids import in_order
from reports.charts.tracks import TrackRow, TrackTable, difference_track, signed_ends, signed_ticks
from reports.context import AuditContext
from reports.text import phrases
from reports.text.numbers import difference, p_value

MOST_POINTS, ENDS = 30, 10
"""With more prompt templates, only the smallest and the largest differences and the default are shown; results.json has all."""


@dataclass(frozen=True)
class CurveView:
    """A specification curve; if nothing can be estimated, its prompt templates are listed and there is no table."""

    key: str
    curve: SpecificationCurve
    points: tuple[SpecificationPoint, ...]
    table: TrackTable | None


def view(context: AuditContext) -> tuple[CurveView, ...] | None:
    """Return the curves of an audit."""
    return tuple(_view(f"{context.key}-s{i}", curve) for i, curve in enumerate(context.audit.specifications, 1)) or None


def _view(key: str, curve: SpecificationCurve) -> CurveView:
    points = in_order(curve)
    estimable = any(point.difference is not None for point in points)
    return CurveView(key, curve, points, _table(curve, points) if estimable else None)


def _table(curve: SpecificationCurve, points: tuple[SpecificationPoint, ...]) -> TrackTable:
    ticks = signed_ticks([end for point in points for end in (point.low, point.high) if end is not None])
    ends = (*points[:ENDS], *points[-ENDS:])
    shown = points if len(points) <= MOST_POINTS else tuple(point for point in points if point in ends or point.default)
    cut = "" if shown == points else f" ({len(shown)} of {len(points)}; results.json has all)"
    caption = f"{phrases.group(curve.first)} minus {phrases.group(curve.second)}, in points, with the interval of one comparison{cut}"
    columns = ("Difference [interval]", "p of the largest gap")
    return TrackTable(caption, "Prompt template: variant", signed_ends(ticks), columns, tuple(_row(point, ticks) for point in shown))


def _row(point: SpecificationPoint, ticks: tuple[float, ...]) -> TrackRow:
    known = point.difference is not None and point.low is not None and point.high is not None
    track = difference_track(point.difference or 0.0, point.low or 0.0, point.high or 0.0, ticks, hot=point.default) if known else ()
    cells = (difference(point.difference, point.low, point.high), p_value(point.p))
    return TrackRow(f"{point.preset}: {point.variant}", track, cells, "the default" if point.default else "", faint=not known)
