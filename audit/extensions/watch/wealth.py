"""Geometry of a wealth curve: the largest wealth of the tests of a gap over the rows, on a logarithmic scale, and the threshold."""

from __future__ import annotations

import math

from audit.extensions.watch.record import GapWatch, WatchPlan
from reports.charts.curves import Curve, Plane
from reports.charts.forest import Mark, Scale, bars, polyline, px
from reports.text.numbers import count, decimal

WIDTH, HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 22, 16, 34
LOWEST, ABOVE = -2, 1
"""The scale begins at a wealth of 0.01 and ends a decade above the threshold's: what lies beyond is drawn at its edge."""
_MOST_TICKS = 8


def wealth_curve(gap: GapWatch, plan: WatchPlan) -> Curve:
    """Plot the wealth over the rows, with the threshold as a line, and a vertical one where the alarm was raised."""
    threshold = plan.log_threshold / math.log(10)
    highest = math.ceil(threshold) + ABOVE
    last = max(gap.curve[-1].row, 1)
    across, up = Scale(0, last, _LEFT, WIDTH - _RIGHT), Scale(LOWEST, highest, HEIGHT - _BOTTOM, _TOP)
    step = math.ceil((highest - LOWEST + 1) / _MOST_TICKS)
    decades = range(LOWEST, highest + 1, step)
    rows = sorted({0, last, *(round(last * part / 4) for part in (1, 2, 3))})
    plane = Plane(
        width=WIDTH, height=HEIGHT, left=px(_LEFT), right=px(across.right), bottom=px(HEIGHT - _BOTTOM),
        grid=bars((_LEFT, across.right, up(decade)) for decade in decades),
        ticks=tuple(Mark(px(_LEFT - 7), px(up(decade) + 4), _power(decade)) for decade in decades),
        steps=tuple(Mark(px(across(row)), px(HEIGHT - _BOTTOM + 18), count(row)) for row in rows),
        onset="" if gap.alarm is None else px(across(gap.alarm.row)),
    )  # fmt: skip
    text = f"alarm at {decimal(10**threshold, 0)}"
    early = gap.alarm is not None and gap.alarm.row < last / 2  # every curve begins below the threshold, on the left
    label = Mark(px(WIDTH - _RIGHT if early else _LEFT + 8 + 7 * len(text)), px(up(threshold) - 5), text)
    line = polyline([(across(point.row), up(point.log10_wealth)) for point in gap.curve])
    return Curve(plane, line=line, tolerance=px(up(threshold)), tolerance_label=label)


def _power(decade: int) -> str:
    return count(10**decade) if decade >= 0 else decimal(10.0**decade, -decade)
