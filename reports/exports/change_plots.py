"""Plots of changes with matplotlib, for a notebook or a paper: each group before and after, and a gap over training steps.

As in `reports.exports.plots`, functions draw on `ax` or on a new figure, and every number comes from the comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.records.comparison import Change, Trajectory
from reports.exports.axes import BAND, FAINT, INK, LINE, MARKERS, POINTS, axes_of, despine, legend, literal
from reports.text import phrases, sentences
from reports.text.comparison import step_number
from reports.text.numbers import count, exact_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DASHES = ("-", "--", "-.", ":")


def dumbbell(change: Change, before: str, after: str, ax: Axes | None = None) -> Axes:
    """Draw the rate of every group before (hollow) and after (filled) on one line; groups not compared are grey."""
    cells = [cell for cell in change.by_group if cell.before.value is not None and cell.after.value is not None]
    axes = axes_of(ax, 0.32 * len(cells) + 1.4)
    for y, cell in enumerate(cells):
        colour = INK if cell.before.status == "ok" else FAINT
        old, new = 100 * (cell.before.value or 0.0), 100 * (cell.after.value or 0.0)
        axes.plot([old, new], [y, y], color=colour, linewidth=1, zorder=1)
        axes.plot([old], [y], "o", color=colour, markersize=9, markerfacecolor="white", label=literal(f"before: {before}"))
        axes.plot([new], [y], "o", color=colour, markersize=5, label=literal(f"after: {after}"))
    axes.set_yticks(range(len(cells)), [literal(f"{phrases.group(cell.before.group)} ({count(cell.before.n)})") for cell in cells])
    axes.set_ylim(len(cells) - 0.4, -0.6)
    axes.set_ylabel(literal(phrases.attributes(change.attributes)))
    axes.set_xlabel(literal(f"{sentences.subject_of(change, change.truth)}, %"))
    despine(axes)
    legend(axes)
    return axes


def gap_by_step(trajectory: Trajectory, axis: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the gap over the steps with its simultaneous interval, the tolerance, and the step from which on a gap is detected."""
    known = [(point.step, point.gap) for point in trajectory.points if point.gap is not None]
    axes = axes_of(ax, 3.4)
    steps = [step for step, _ in known]
    lows, highs = ([100 * end for end in ends] for ends in ([gap.low for _, gap in known], [gap.high for _, gap in known]))
    axes.fill_between(steps, lows, highs, color=INK, alpha=0.15, linewidth=0, label="interval, all questions and groups at once")
    axes.plot(steps, [100 * gap.value for _, gap in known], "o-", color=INK)
    tolerance = 100 * trajectory.tolerance
    axes.axhline(tolerance, color=LINE, linestyle=":", linewidth=1, label=f"tolerance: {exact_points(trajectory.tolerance)}")
    _onset(axes, trajectory, axis)
    axes.set_ylim(bottom=0)
    return _stepped(axes, literal(f"gap by {phrases.attributes(trajectory.attributes)}, {POINTS}"), axis)


def rates_by_step(trajectory: Trajectory, axis: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the rate of every compared group over the steps, and the step from which on a gap is detected."""
    axes = axes_of(ax, 3.4)
    groups = [rate.group for rate in trajectory.points[0].rates if rate.status == "ok"]
    for group_index, group in enumerate(groups):
        own = [(point.step, rate) for point in trajectory.points for rate in point.rates if rate.group == group and rate.value is not None]
        n = own[-1][1].n if own else 0
        marker, dash = MARKERS[group_index % len(MARKERS)], _DASHES[group_index // 10 % len(_DASHES)]
        name = literal(f"{phrases.group(group)} ({count(n)})")
        values = [100 * (rate.value or 0.0) for _, rate in own]
        axes.plot([step for step, _ in own], values, marker=marker, linestyle=dash, label=name)
    _onset(axes, trajectory, axis)
    return _stepped(axes, literal(f"{sentences.subject_of(trajectory, trajectory.truth)}, %"), axis)


def _onset(axes: Axes, trajectory: Trajectory, axis: str | None) -> None:
    if trajectory.detectable is not None:
        start = literal(f"{axis or 'step'} {step_number(trajectory.detectable)}")
        axes.axvline(trajectory.detectable, color=BAND, linewidth=4, zorder=0, label=f"detected from {start} on")


def _stepped(axes: Axes, label: str, axis: str | None) -> Axes:
    axes.set(xlabel=literal(axis) if axis else "optimiser steps", ylabel=label)
    despine(axes)
    legend(axes)
    return axes
