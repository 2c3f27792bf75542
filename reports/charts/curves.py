"""Geometry of a trajectory chart: the gap with its band, and the rate of each group, over the steps of a run, left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Point, Trajectory
from audit.types import Group
from reports.charts.forest import Mark, Scale, axis, bars, cut, dots, percent_texts, polyline, px, rate_axis, tick_texts
from reports.text import phrases
from reports.text.comparison import step_number

WIDTH, HEIGHT = 470, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 22, 16, 34
_LABELS = 112
"""Space for the names of groups on the right."""
_LINE, _NAME = 14, 13
MOST_GROUPS = 7
"""More lines would not be distinguishable; the table lists all groups."""


@dataclass(frozen=True)
class Plane:
    """The edges, grid and ticks behind a curve."""

    width: int
    height: int
    left: str
    right: str
    bottom: str
    grid: str
    ticks: tuple[Mark, ...]
    steps: tuple[Mark, ...]
    onset: str
    """x of the step from which on a gap is detected, if any."""


@dataclass(frozen=True)
class GroupLine:
    """The rate of one group over the steps, with its name next to the last point."""

    path: str
    dots: str
    label: Mark
    leader: str
    dash: str
    """CSS class."""


@dataclass(frozen=True)
class Curve:
    """A gap with its band and the tolerance, or one line per group; the other kind's fields are empty."""

    plane: Plane
    band: str = ""
    line: str = ""
    dots: str = ""
    tolerance: str = ""
    tolerance_label: Mark | None = None
    lines: tuple[GroupLine, ...] = ()


def gap_curve(trajectory: Trajectory) -> Curve | None:
    """Plot the gap over the steps with its simultaneous interval; None if it is estimable at fewer than two steps."""
    known = [point for point in trajectory.points if point.gap is not None]
    if len(known) < 2:
        return None
    across = _across(trajectory.points, WIDTH - _RIGHT)
    ticks = axis(0.0, max(*(point.gap.high for point in known if point.gap), trajectory.tolerance))
    up = Scale(ticks[0], ticks[-1], HEIGHT - _BOTTOM, _TOP)
    places = [(across(point.step), point.gap) for point in known if point.gap]
    rim = [(x, up(gap.high)) for x, gap in places] + [(x, up(gap.low)) for x, gap in reversed(places)]
    line = [(x, up(gap.value)) for x, gap in places]
    return Curve(
        _plane(trajectory, across, up, tick_texts(ticks)),
        band=f"{polyline(rim)}Z",
        line=polyline(line),
        dots=dots(line),
        tolerance=px(up(trajectory.tolerance)),
        tolerance_label=Mark(px(WIDTH - _RIGHT), px(up(trajectory.tolerance) - 5), "tolerance"),
    )


def rate_curve(trajectory: Trajectory) -> Curve | None:
    """Plot the rate of every compared group over the steps; None if there are no compared groups, or too many."""
    groups = [rate.group for rate in trajectory.points[0].rates if rate.status == "ok"]
    if not 1 <= len(groups) <= MOST_GROUPS:
        return None
    across = _across(trajectory.points, WIDTH - _LABELS)
    ticks = rate_axis(rate for point in trajectory.points for rate in point.rates if rate.group in groups)
    up = Scale(ticks[0], ticks[-1], HEIGHT - _BOTTOM, _TOP)
    plane = _plane(trajectory, across, up, percent_texts(ticks))
    return Curve(plane, lines=_lines(groups, trajectory.points, across, up))


def _across(points: Sequence[Point], right: float) -> Scale:
    first, last = points[0].step, points[-1].step
    return Scale(first, last if last > first else first + 1, _LEFT, right)


def _plane(trajectory: Trajectory, across: Scale, up: Scale, texts: Sequence[str]) -> Plane:
    """Place evenly spaced ticks, one per text, from the lowest value to the highest."""
    places = [up.left + (up.right - up.left) * i / (len(texts) - 1) for i in range(len(texts))]
    return Plane(
        width=WIDTH,
        height=HEIGHT,
        left=px(_LEFT),
        right=px(across.right),
        bottom=px(HEIGHT - _BOTTOM),
        grid=bars((_LEFT, across.right, y) for y in places),
        ticks=tuple(Mark(px(_LEFT - 7), px(y + 4), text) for y, text in zip(places, texts, strict=True)),
        steps=_steps(trajectory.points, across),
        onset="" if trajectory.detectable is None else px(across(trajectory.detectable)),
    )


def _steps(points: Sequence[Point], across: Scale) -> tuple[Mark, ...]:
    """Label the first and the last step, and as many in between as fit."""
    named = [points[0]]
    for point in points[1:-1]:
        if min(across(point.step) - across(named[-1].step), across(points[-1].step) - across(point.step)) > 62:
            named.append(point)
    return tuple(Mark(px(across(point.step)), px(HEIGHT - _BOTTOM + 18), step_number(point.step)) for point in (*named, points[-1]))


def _lines(groups: Sequence[Group], points: Sequence[Point], across: Scale, up: Scale) -> tuple[GroupLine, ...]:
    paths = {group: _group_path(group, points, across, up) for group in groups}
    ends = {group: places[-1][1] for group, places in paths.items()}
    heights = _apart(ends)
    x = across(points[-1].step)
    return tuple(
        GroupLine(
            path=polyline(paths[group]),
            dots=dots(paths[group]),
            label=Mark(px(x + 20), px(heights[group] + 4), cut(phrases.group(group), _NAME)),
            leader=f"M{px(x + 5)} {px(ends[group])}L{px(x + 17)} {px(heights[group])}",
            dash=f"l{group_index}",
        )
        for group_index, group in enumerate(groups)
    )


def _group_path(group: Group, points: Sequence[Point], across: Scale, up: Scale) -> list[tuple[float, float]]:
    rates = [(point.step, rate.value) for point in points for rate in point.rates if rate.group == group]
    return [(across(step), up(value)) for step, value in rates if value is not None]


def _apart(ends: dict[Group, float]) -> dict[Group, float]:
    """Return the heights of the names: next to their lines, without overlap."""
    order = sorted(ends, key=lambda group: ends[group])
    placed: dict[Group, float] = {}
    floor: float = _TOP
    for group in order:
        placed[group] = max(ends[group], floor)
        floor = placed[group] + _LINE
    ceiling: float = HEIGHT - _BOTTOM
    for group in reversed(order):
        placed[group] = min(placed[group], ceiling)
        ceiling = placed[group] - _LINE
    return placed
