"""Where the marks of grids stand: heat maps of two attributes, and specification curves with their dot matrix."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from audit.records.results import Finding, Rate, SpecificationCurve, SpecificationPoint
from reports.charts.forest import Mark, Scale, axis, bars, dots, label_room, posts, px, short, tick_texts

_SHADES = 4
"""Shades on either side of the rate of all images."""


def heat_map(finding: Finding) -> SimpleNamespace | None:
    """Shade a finding on two attributes, diverging about the overall rate; None for any other. Each number carries its meaning itself."""
    if len(finding.attributes) != 2:
        return None
    cells = {cell.group: cell for cell in finding.by_group}
    rows, columns = (tuple(dict.fromkeys(levels[side] for levels in cells)) for side in (0, 1))
    middle = finding.overall.value
    compared = [cell.value for cell in cells.values() if cell.status == "ok" and cell.value is not None]
    reach = max((abs(value - middle) for value in compared), default=0.0) if middle is not None else 0.0

    def shaded(cell: Rate | None) -> SimpleNamespace:
        return SimpleNamespace(cell=cell, shade=_shade(cell, middle, reach))

    shades = tuple((row, tuple(shaded(cells.get((row, column))) for column in columns)) for row in rows)
    return SimpleNamespace(columns=columns, rows=shades, reach=reach)


def _shade(cell: Rate | None, middle: float | None, reach: float) -> str:
    """Return ``below-4`` to ``above-4``, ``level`` in between, ``hatched`` for what is outside the comparison, ``blank`` for nothing."""
    if cell is None or cell.value is None or middle is None:
        return "blank"
    if cell.status != "ok":
        return "hatched"
    return shade(cell.value - middle, reach)


def shade(difference: float, reach: float) -> str:
    """Return the name of the shade of a difference to all images, the darkest at `reach`."""
    step = round(_SHADES * difference / reach) if reach else 0
    return "level" if step == 0 else f"{'above' if step > 0 else 'below'}-{abs(step)}"


# ---- specification curve -------------------------------------------------------------------------------------------------------------

_RIGHT, _TOP, _PLOT, _GAP, _LINE = 20, 30, 190, 24, 18
_WIDEST_STEP, _CURVE_WIDTH = 24.0, 760


def in_order(curve: SpecificationCurve) -> tuple[SpecificationPoint, ...]:
    """Return the estimable points by effect, then the others in their own order."""
    known = [point for point in curve.points if point.difference is not None]
    return (*sorted(known, key=lambda point: point.difference or 0.0), *(point for point in curve.points if point.difference is None))


def curve_figure(curve: SpecificationCurve) -> SimpleNamespace | None:
    """Place effects sorted by size with their intervals, and below each how it was asked; None where nothing can be estimated."""
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
    others = [(point, x) for point, x in columns if not point.default]
    texts = tick_texts(ticks, signed=True)
    return SimpleNamespace(
        width=round(left + step * len(points)) + _RIGHT,
        height=round(max(lines.values())) + _LINE,
        left=px(left),
        right=px(left + step * len(points)),
        zero=px(scale(0.0)),
        grid=bars((left, left + step * len(points), scale(tick)) for tick in ticks),
        ticks=tuple(Mark(px(left - 8), px(scale(tick) + 4), text) for tick, text in zip(ticks, texts, strict=True)),
        lines=tuple(Mark(px(left - 8), px(y + 4), short(name)) for (_, name), y in lines.items()),
        intervals=_posts(others, scale),
        dots=_effects(others, scale),
        default_interval=_posts(default, scale),
        default_dot=_effects(default, scale),
        default_label=Mark(px(default[0][1]) if default else "0", px(_TOP - 12), "default" if default else ""),
        # The dot matrix: one line each preset, then each variant.
        unused=dots((x, y) for y in lines.values() for _, x in columns),
        used=_uses(others, lines),
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
    return posts((x, scale(point.low), scale(point.high)) for point, x in columns if point.low is not None and point.high is not None)


def _effects(columns: Sequence[tuple[SpecificationPoint, float]], scale: Scale) -> str:
    return dots((x, scale(point.difference)) for point, x in columns if point.difference is not None)


def _uses(columns: Sequence[tuple[SpecificationPoint, float]], lines: dict[tuple[str, str], float]) -> str:
    return dots((x, lines[use]) for point, x in columns for use in (("preset", point.preset), ("variant", point.variant)))


_BAR = 300


def share_bar(curve: SpecificationCurve) -> SimpleNamespace | None:
    """Place where the spread of a curve comes from, as parts of a bar; None where that is not known. The sentence has the numbers."""
    if curve.shares is None:
        return None
    prompts, label_set = _BAR * curve.shares.prompts, _BAR * curve.shares.label_set
    return SimpleNamespace(
        prompts=px(prompts), label_set=px(label_set), interaction_x=px(prompts + label_set), interaction=px(_BAR * curve.shares.interaction)
    )
