"""Geometry of forest plots, and the scales, axes and paths that other charts share. Templates do no arithmetic.

All marks of one kind share one path, which keeps a page with a hundred charts small.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.records.base import Estimate
from audit.records.finding import Rate
from reports.text.numbers import number

WIDTH = 470
ROW = 20
_TOP, _BOTTOM, _RIGHT = 26, 26, 22
_CHARACTER = 7.2
"""Mean width of a label's character in the widest of the usual system fonts."""
_LONGEST_LABEL = 30
_STEPS = (0.5, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
_MOST_STEPS, _FARTHEST = 5, 10
_WHOLE = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Ticks from 0 to 100 %."""


@dataclass(frozen=True)
class Mark:
    """A text or a tick with its position."""

    x: str
    y: str
    text: str


@dataclass(frozen=True)
class RowsFrame:
    """Edges, labels, ticks and grid of a chart of rows."""

    width: int
    height: int
    left: str
    right: str
    top: str
    bottom: str
    labels: tuple[Mark, ...]
    label_x: str
    ticks: tuple[Mark, ...]
    tick_y: str
    grid: str


@dataclass(frozen=True)
class Forest:
    """Dots with intervals, one row per group."""

    frame: RowsFrame
    reference: Mark
    """The text above the reference line."""
    reference_side: str
    """Text anchor of that text, which keeps it inside the chart: start, mid or end."""
    intervals: str
    dots: str
    hollow: str


@dataclass(frozen=True)
class _Row:
    """One row of a forest, before it is positioned."""

    label: str
    value: float
    low: float
    high: float
    others: tuple[float, ...]
    """Values of the individual replicates, drawn as hollow dots."""


@dataclass(frozen=True)
class Scale:
    """Maps a value to a coordinate."""

    low: float
    high: float
    left: float
    right: float

    def __call__(self, value: float) -> float:
        """Return the coordinate of `value`: clipped to the scale, or its middle if the scale has no extent."""
        if self.high == self.low:
            return (self.left + self.right) / 2
        value = min(max(value, self.low), self.high)
        return self.left + (value - self.low) / (self.high - self.low) * (self.right - self.left)


def px(coordinate: float) -> str:
    """Format a coordinate in whole units, which are pixels on a wide screen: rounding moves a mark by half a pixel at most.

    Examples
    --------
    >>> px(12.0), px(3.64159)
    ('12', '4')
    """
    return f"{coordinate:.0f}"


def dots(places: Iterable[tuple[float, float]]) -> str:
    """Return a path of lines of zero length, which round caps turn into dots."""
    return "".join(f"M{px(x)} {px(y)}h0" for x, y in places)


def bars(ends: Iterable[tuple[float, float, float]]) -> str:
    """Return a path of horizontal lines, each from one x to another at a y."""
    return "".join(f"M{px(first)} {px(y)}H{px(last)}" for first, last, y in ends)


def posts(ends: Iterable[tuple[float, float, float]]) -> str:
    """Return a path of vertical lines, each at an x from one y to another."""
    return "".join(f"M{px(x)} {px(first)}V{px(last)}" for x, first, last in ends)


def polyline(places: Sequence[tuple[float, float]]) -> str:
    """Return a path through all points; empty without points."""
    return "M" + "L".join(f"{px(x)} {px(y)}" for x, y in places) if places else ""


def axis(low: float, high: float) -> tuple[float, ...]:
    """Return evenly spaced ticks that cover an interval of shares or differences of shares; at most six if it is within -1 to 1.

    Raises ValueError far outside, since a manipulated file could ask for 10^308 ticks.

    Examples
    --------
    >>> axis(0.62, 0.99)
    (0.6, 0.7, 0.8, 0.9, 1.0)
    >>> axis(-0.07, 0.07)
    (-0.1, -0.05, 0.0, 0.05, 0.1)
    """
    if not -_FARTHEST <= low <= high <= _FARTHEST:
        raise ValueError(f"no share lies between {low:g} and {high:g}")
    steps = [step for step in _STEPS if math.ceil(round(high / step, 6)) - math.floor(round(low / step, 6)) <= _MOST_STEPS]
    step = min(steps, default=_STEPS[0])
    first, last = math.floor(round(low / step, 6)), math.ceil(round(high / step, 6))
    return tuple(round(step * i, 6) for i in range(first, max(last, first + 1) + 1))


def tick_texts(ticks: Sequence[float], *, signed: bool = False) -> list[str]:
    """Format ticks in hundredths, with enough decimals to distinguish neighbours.

    Examples
    --------
    >>> tick_texts((0.0, 0.25, 0.5)), tick_texts((-0.005, 0.0, 0.005), signed=True)
    (['0', '25', '50'], ['−0.5', '0.0', '+0.5'])
    """
    places = max(0, -math.floor(round(math.log10(ticks[1] - ticks[0]), 6)) - 2)
    return [number(tick, places, signed=signed) for tick in ticks]


def percent_texts(ticks: Sequence[float]) -> list[str]:
    """Format the ticks of a scale of rates; none and all are 0 and 100 %, as in a text."""
    return [f"{number(tick, 0) if tick in (0, 1) else text}\u00a0%" for tick, text in zip(ticks, tick_texts(ticks), strict=True)]


def rate_axis(rates: Iterable[Rate]) -> tuple[float, ...]:
    """Return the ticks of a scale of rates, zoomed in if the intervals cover at most half of it.

    Intervals decide rather than rates: if all rates are 100 %, these alone would give a scale without extent.
    """
    return share_axis(end for rate in rates for end in (rate.low, rate.high))


def share_axis(shares: Iterable[float | None]) -> tuple[float, ...]:
    """Return the ticks of a scale of shares, zoomed in if they cover at most half of it."""
    ends = [end for end in shares if end is not None]
    if not ends or max(ends) - min(ends) > 0.5:
        return _WHOLE
    # At least one point wide at either end of the scale: if all rates are 100 %, they have no extent of their own.
    return tuple(tick for tick in axis(min(*ends, 0.99), max(*ends, 0.01)) if 0 <= tick <= 1)


def replicates_forest(rows: Sequence[tuple[str, Estimate, Sequence[float]]], tolerance: float) -> Forest:
    """Plot labelled gaps with their intervals, the gap of each replicate as a hollow dot, and the tolerance as a line."""
    placed = [_Row(short(label), gap.value, gap.low, gap.high, others=tuple(others)) for label, gap, others in rows]
    ticks = axis(0.0, max([tolerance, *(max(row.high, *row.others) for row in placed)]))
    return _forest(placed, ticks, tick_texts(ticks), (tolerance, "tolerance"))


def _forest(rows: Sequence[_Row], ticks: Sequence[float], texts: Sequence[str], reference: tuple[float, str]) -> Forest:
    """Position rows on a scale; `reference` is the value of the reference line and the text above it."""
    scale, heights, frame = _rows_frame([row.label for row in rows], ticks, texts)
    placed = list(zip(rows, heights, strict=True))
    line, above = scale(reference[0]), reference[1]
    return Forest(
        frame,
        reference=Mark(px(line), px(_TOP - 8), above),
        reference_side="start" if line < scale.left + 50 else "end" if line > scale.right - 50 else "mid",
        intervals=bars((scale(row.low), scale(row.high), y) for row, y in placed),
        dots=dots((scale(row.value), y) for row, y in placed),
        hollow=dots((scale(other), y) for row, y in placed for other in row.others),
    )


def _rows_frame(labels: Sequence[str], ticks: Sequence[float], texts: Sequence[str]) -> tuple[Scale, list[float], RowsFrame]:
    """Return the scale of a chart of rows, the centre of each row, and the frame."""
    left, bottom = label_room(labels), _TOP + ROW * len(labels)
    scale = Scale(ticks[0], ticks[-1], left, WIDTH - _RIGHT)
    heights = [_TOP + ROW * (i + 0.5) for i in range(len(labels))]
    frame = RowsFrame(
        WIDTH,
        bottom + _BOTTOM,
        left=px(left),
        right=px(scale.right),
        top=px(_TOP),
        bottom=px(bottom),
        labels=tuple(Mark("", px(y + 4), label) for label, y in zip(labels, heights, strict=True)),
        label_x=px(left - 8),
        ticks=tuple(Mark(px(scale(tick)), "", text) for tick, text in zip(ticks, texts, strict=True)),
        tick_y=px(bottom + 17),
        grid=posts((scale(tick), _TOP, bottom) for tick in ticks),
    )
    return scale, heights, frame


def label_room(labels: Iterable[str]) -> float:
    """Return the x at which a chart begins, right of its labels."""
    return 14 + _CHARACTER * max((len(label) for label in labels), default=0)


def cut(text: str, longest: int) -> str:
    """Shorten a text to a number of characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def short(label: str) -> str:
    """Shorten a label to fit a chart; tables show it in full."""
    return cut(label, _LONGEST_LABEL)
