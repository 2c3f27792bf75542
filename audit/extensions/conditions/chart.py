"""Geometry of the condition charts: one panel per series of conditions, with one line per group over the strengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.analyses.records import ConditionResult, Conditions
from audit.types import Group
from reports.charts.curves import MOST_GROUPS
from reports.charts.forest import Mark, Scale, cut, dots, percent_texts, polyline, posts, px, rate_axis
from reports.text import phrases

WIDTH, HEIGHT = 250, 176
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 26, 28
_NAME = 26
"""Characters of a series' name that fit; the table has the full name."""


@dataclass(frozen=True)
class ConditionLine:
    """The rate of one group over the strengths of a series."""

    dash: str
    """CSS class."""
    path: str
    dots: str
    intervals: str


@dataclass(frozen=True)
class ConditionPanel:
    """One series of conditions."""

    name: str
    width: int
    height: int
    axis: str
    ticks: tuple[Mark, ...]
    steps: tuple[Mark, ...]
    lines: tuple[ConditionLine, ...]


def series_panels(conditions: Conditions) -> tuple[ConditionPanel, ...]:
    """Plot the rate of every compared group over the strengths of each series, the baseline at 0; empty if there are too many groups."""
    groups = compared_groups(conditions)
    if not 1 <= len(groups) <= MOST_GROUPS:
        return ()
    rates = [rate for rate in conditions.baseline_by_group if rate.group in groups]
    rates += [cell.after for result in conditions.results for cell in result.by_group if cell.after.group in groups]
    up = Scale((ticks := rate_axis(rates))[0], ticks[-1], HEIGHT - _BOTTOM, _TOP)
    named = dict.fromkeys(result.condition.series for result in conditions.results if result.condition.series)
    marks = tuple(Mark(px(_LEFT - 5), px(up(tick) + 4), text) for tick, text in zip(ticks, percent_texts(ticks), strict=True))
    return tuple(_panel(name, conditions, groups, up, marks) for name in named)


def line_legend(conditions: Conditions) -> tuple[tuple[str, str], ...]:
    """Return CSS class and group of each line."""
    return tuple((f"l{group_index}", phrases.group(group)) for group_index, group in enumerate(compared_groups(conditions)))


def compared_groups(conditions: Conditions) -> list[Group]:
    """Return the groups that are compared."""
    return [rate.group for rate in conditions.baseline_by_group if rate.status == "ok"]


def _panel(name: str, conditions: Conditions, groups: Sequence[Group], up: Scale, marks: tuple[Mark, ...]) -> ConditionPanel:
    results = [result for result in conditions.results if result.condition.series == name]
    last = max(result.condition.strength or 0.0 for result in results)
    across = Scale(0.0, last or 1.0, _LEFT, WIDTH - _RIGHT)
    steps = [0.0, *(result.condition.strength or 0.0 for result in results)]
    return ConditionPanel(
        name=cut(name, _NAME),
        width=WIDTH,
        height=HEIGHT,
        axis=f"M{_LEFT} {_TOP}V{HEIGHT - _BOTTOM}H{WIDTH - _RIGHT}",
        ticks=marks,
        steps=tuple(Mark(px(across(step)), px(HEIGHT - _BOTTOM + 16), f"{step:g}") for step in steps),
        lines=tuple(_line(group_index, group, conditions, results, (across, up)) for group_index, group in enumerate(groups)),
    )


def _line(
    group_index: int, group: Group, conditions: Conditions, results: Sequence[ConditionResult], scales: tuple[Scale, Scale]
) -> ConditionLine:
    across, up = scales
    start = next((0.0, rate) for rate in conditions.baseline_by_group if rate.group == group)
    others = [(result.condition.strength or 0.0, cell.after) for result in results for cell in result.by_group if cell.after.group == group]
    known = [
        (across(step), rate.value, rate.low, rate.high)
        for step, rate in (start, *others)
        if rate.value is not None and rate.low is not None and rate.high is not None
    ]
    # Shifted sideways: intervals of several groups at one strength would hide each other.
    places = [(x + 2.5 * group_index, up(value)) for x, value, _, _ in known]
    return ConditionLine(
        dash=f"l{group_index}",
        path=polyline(places),
        dots=dots(places),
        intervals=posts((x + 2.5 * group_index, up(low), up(high)) for x, _, low, high in known),
    )
