"""Where the marks of grids stand: heat maps of two attributes, and specification curves with their dot matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.results import Finding, Rate, SpecificationCurve, SpecificationPoint
from reports.charts.forest import Mark, Scale, axis, label_room, px, short, tick_texts

_SHADES = 4
"""Shades of a heat map on either side of the overall rate."""


@dataclass(frozen=True)
class HeatCell:
    """A cell: its rate, and how far it lies from overall as the name of a shade."""

    cell: Rate | None
    shade: str


@dataclass(frozen=True)
class HeatMap:
    """Attribute x attribute, diverging about the overall rate. The number in each cell carries the meaning."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    reach: float
    """The difference to overall at which the shades are darkest."""


def heat_map(finding: Finding) -> HeatMap | None:
    """Shade a finding on two attributes; None for any other."""
    if len(finding.attributes) != 2:
        return None
    cells = {cell.group: cell for cell in finding.by_group}
    rows, columns = (tuple(dict.fromkeys(levels[side] for levels in cells)) for side in (0, 1))
    middle = finding.overall.value
    compared = [cell.value for cell in cells.values() if cell.status == "ok" and cell.value is not None]
    reach = max((abs(value - middle) for value in compared), default=0.0) if middle is not None else 0.0

    def shaded(cell: Rate | None) -> HeatCell:
        return HeatCell(cell, _shade(cell, middle, reach))

    return HeatMap(columns, tuple((row, tuple(shaded(cells.get((row, column))) for column in columns)) for row in rows), reach)


def _shade(cell: Rate | None, middle: float | None, reach: float) -> str:
    """Return ``below-4`` to ``above-4``, ``level`` in between, ``hatched`` for what is outside the comparison, ``blank`` for nothing."""
    if cell is None or cell.value is None or middle is None:
        return "blank"
    if cell.status != "ok":
        return "hatched"
    step = round(_SHADES * (cell.value - middle) / reach) if reach else 0
    return "level" if step == 0 else f"{'above' if step > 0 else 'below'}-{abs(step)}"


# ---- specification curve -------------------------------------------------------------------------------------------------------------

_RIGHT, _TOP, _PLOT, _GAP, _LINE = 20, 30, 190, 24, 18
_WIDEST_STEP, _CURVE_WIDTH = 24.0, 760


@dataclass(frozen=True)
class CurveFigure:
    """Effects sorted by size with their intervals, and below each how it was asked. The default has its own marks."""

    width: int
    height: int
    left: str
    right: str
    zero: str
    grid: str
    ticks: tuple[Mark, ...]
    lines: tuple[Mark, ...]
    """One line of the dot matrix each: first the presets, then the variants."""
    intervals: str
    dots: str
    default_interval: str
    default_dot: str
    default_label: Mark
    unused: str
    used: str
    default_used: str


def in_order(curve: SpecificationCurve) -> tuple[SpecificationPoint, ...]:
    """Return the estimable points by effect, then the others in their own order."""
    known = [point for point in curve.points if point.difference is not None]
    return (*sorted(known, key=lambda point: point.difference or 0.0), *(point for point in curve.points if point.difference is None))


def curve_figure(curve: SpecificationCurve) -> CurveFigure | None:
    """Place a specification curve; None where nothing can be estimated."""
    points = in_order(curve)
    ends = [end for point in points for end in (point.low, point.high) if end is not None]
    if not ends:
        return None
    ticks = axis(min(*ends, 0.0), max(*ends, 0.0))
    lines = _matrix_lines(points)
    left = label_room(short(name) for _, name in lines)
    step = min(_WIDEST_STEP, (_CURVE_WIDTH - left - _RIGHT) / len(points))
    columns = [(point, left + step * (i + 0.5)) for i, point in enumerate(points)]
    scale = Scale(ticks[0], ticks[-1], _TOP + _PLOT, _TOP)
    default = [(point, x) for point, x in columns if point.default]
    texts = tick_texts(ticks, signed=True)
    return CurveFigure(
        width=round(left + step * len(points)) + _RIGHT,
        height=round(max(lines.values())) + _LINE,
        left=px(left),
        right=px(left + step * len(points)),
        zero=px(scale(0.0)),
        grid="".join(f"M{px(left)} {px(scale(tick))}H{px(left + step * len(points))}" for tick in ticks),
        ticks=tuple(Mark(px(left - 8), px(scale(tick) + 4), text) for tick, text in zip(ticks, texts, strict=True)),
        lines=tuple(Mark(px(left - 8), px(y + 4), short(name)) for (_, name), y in lines.items()),
        intervals=_posts([pair for pair in columns if not pair[0].default], scale),
        dots=_effects([pair for pair in columns if not pair[0].default], scale),
        default_interval=_posts(default, scale),
        default_dot=_effects(default, scale),
        default_label=Mark(px(default[0][1]) if default else "0", px(_TOP - 12), "default" if default else ""),
        unused="".join(f"M{px(x)} {px(y)}h0" for y in lines.values() for _, x in columns),
        used=_uses([pair for pair in columns if not pair[0].default], lines),
        default_used=_uses(default, lines),
    )


def _matrix_lines(points: Sequence[SpecificationPoint]) -> dict[tuple[str, str], float]:
    """Return (kind, name) -> y; a small gap between presets and variants."""
    presets = sorted({point.preset for point in points})
    variants = sorted({point.variant for point in points})
    top = _TOP + _PLOT + _GAP
    lines = {("preset", name): top + _LINE * i for i, name in enumerate(presets)}
    after = top + _LINE * len(presets) + _GAP / 2
    return lines | {("variant", name): after + _LINE * i for i, name in enumerate(variants)}


def _posts(columns: Sequence[tuple[SpecificationPoint, float]], scale: Scale) -> str:
    shown = ((point.low, point.high, x) for point, x in columns if point.low is not None and point.high is not None)
    return "".join(f"M{px(x)} {px(scale(low))}V{px(scale(high))}" for low, high, x in shown)


def _effects(columns: Sequence[tuple[SpecificationPoint, float]], scale: Scale) -> str:
    return "".join(f"M{px(x)} {px(scale(point.difference))}h0" for point, x in columns if point.difference is not None)


def _uses(columns: Sequence[tuple[SpecificationPoint, float]], lines: dict[tuple[str, str], float]) -> str:
    return "".join(
        f"M{px(x)} {px(lines[kind, name])}h0"
        for point, x in columns
        for kind, name in (("preset", point.preset), ("variant", point.variant))
    )


@dataclass(frozen=True)
class ShareBar:
    """Where the spread of a curve comes from, as parts of a bar; the sentence has the numbers."""

    prompts: str
    label_set: str
    interaction_x: str
    interaction: str


_BAR = 300


def share_bar(curve: SpecificationCurve) -> ShareBar | None:
    """Place the shares of the spread; None where they are not known."""
    if curve.shares is None:
        return None
    prompts, label_set = _BAR * curve.shares.prompts, _BAR * curve.shares.label_set
    return ShareBar(px(prompts), px(label_set), px(prompts + label_set), px(_BAR * curve.shares.interaction))
