"""Geometry of tracks: one row of a chart, drawn in a table cell at the cell's width. Texts and numbers belong to the table.

A track is a sequence of kind and path; kinds are CSS classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.analyses.records import ChanceBand
from audit.records.base import Estimate
from reports.charts.forest import Scale, axis, bars, dots, posts, tick_texts

WIDTH, HEIGHT = 300, 22
_MARGIN = 8
_MIDDLE = HEIGHT / 2
BARS_HEIGHT = 24

Track = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TrackRow:
    """A row: its name, its marks and its numbers."""

    name: str
    track: Track
    cells: tuple[str, ...]
    note: str = ""
    """Small text after the name."""
    height: int = HEIGHT
    faint: bool = False
    above: str = ""
    """A heading above the row, for it and those below."""
    above_key: str = ""
    """Anchor that the heading links to, if any."""


@dataclass(frozen=True)
class TrackTable:
    """A chart that is a table."""

    caption: str
    head: str
    """Heading of the first column."""
    ends: tuple[str, str]
    """Start and end of the scale, with units."""
    columns: tuple[str, ...]
    """Headings of the numbers."""
    rows: tuple[TrackRow, ...]
    foot: tuple[TrackRow, ...] = ()
    seen: bool = True
    """Whether the caption is visible rather than for screen readers only."""


def scale_of(ticks: Sequence[float]) -> Scale:
    """Return the scale of a track from the first tick to the last."""
    return Scale(ticks[0], ticks[-1], _MARGIN, WIDTH - _MARGIN)


def grid(ticks: Sequence[float], height: int = HEIGHT) -> tuple[str, str]:
    """Return the grid lines behind a track."""
    scale = scale_of(ticks)
    return "axis", posts((scale(tick), 0, height) for tick in ticks)


def _line(value: float | None, scale: Scale, height: int) -> Track:
    return () if value is None else (("reference", posts([(scale(value), 0, height)])),)


def signed_ticks(ends: Sequence[float]) -> tuple[float, ...]:
    """Return the ticks of a scale that includes 0 and all `ends`."""
    return axis(min(0.0, *ends), max(0.0, *ends)) if any(ends) else axis(-0.01, 0.01)


def signed_ends(ticks: Sequence[float]) -> tuple[str, str]:
    """Return start and end of such a scale as texts."""
    texts = tick_texts(ticks, signed=True)
    return f"{texts[0]} points", f"{texts[-1]} points"


def difference_track(value: float, low: float, high: float, ticks: Sequence[float], *, hot: bool = False, none: float = 0.0) -> Track:
    """Draw a difference with its interval, and a line at the value without a difference."""
    scale, colour = scale_of(ticks), " hot" if hot else " cool"
    return (
        grid(ticks),
        *_line(none, scale, HEIGHT),
        ("interval" + colour, bars([(scale(low), scale(high), _MIDDLE)])),
        ("dot" + colour, dots([(scale(value), _MIDDLE)])),
    )


def chance_track(value: float, chance: ChanceBand, ticks: Sequence[float], *, hot: bool) -> Track:
    """Draw a number as a dot, filled if beyond chance, over a bar for the range expected by chance and a line for the expected value."""
    scale, marker = scale_of(ticks), dots([(scale_of(ticks)(value), _MIDDLE)])
    dot: Track = (("dot hot", marker),) if hot else (("dot", marker), ("hole", marker))
    bar = ("interval", bars([(scale(chance.low), scale(chance.high), _MIDDLE)]))
    return grid(ticks), bar, *_line(chance.mean, scale, HEIGHT), *dot


def baseline_track(rate: Estimate, baseline: Estimate | None, ticks: Sequence[float], *, hot: bool) -> Track:
    """Draw a rate (filled) with its interval above its baseline (hollow) with its own."""
    scale, (above, below) = scale_of(ticks), (HEIGHT / 3 - 1, 2 * HEIGHT / 3 + 2)
    colour = " hot" if hot else " cool"
    beneath: Track = ()
    if baseline is not None:
        marker = dots([(scale(baseline.value), below)])
        beneath = (("interval", bars([(scale(baseline.low), scale(baseline.high), below)])), ("dot", marker), ("hole", marker))
    return (
        grid(ticks),
        *beneath,
        ("interval" + colour, bars([(scale(rate.low), scale(rate.high), above)])),
        ("dot" + colour, dots([(scale(rate.value), above)])),
    )


def change_track(before: float, after: Estimate, ticks: Sequence[float], *, hot: bool = False) -> Track:
    """Draw a number before (hollow) and after (filled, with its interval), joined by a thin line."""
    scale, marker = scale_of(ticks), dots([(scale_of(ticks)(before), _MIDDLE)])
    link = ("link", bars([(scale(before), scale(after.value), _MIDDLE)]))
    first, zero, *marks = difference_track(after.value, after.low, after.high, ticks, hot=hot)
    return first, zero, link, ("dot", marker), ("hole", marker), *marks


def pair_track(first: float, second: float, ticks: Sequence[float]) -> Track:
    """Draw two numbers, the first hollow and the second filled, joined by a thin line."""
    scale = scale_of(ticks)
    marker = dots([(scale(first), _MIDDLE)])
    link = ("link", bars([(scale(first), scale(second), _MIDDLE)]))
    return grid(ticks), link, ("dot", marker), ("hole", marker), ("dot cool", dots([(scale(second), _MIDDLE)]))


def exchange_track(lost: float, gained: float, ticks: Sequence[float]) -> Track:
    """Draw a share that was lost as a bar to the left of 0, and one that was gained as a bar to the right."""
    scale = scale_of(ticks)
    kinds = (("lost", lost), ("gained", gained))
    return (
        grid(ticks),
        *((kind, bars([(scale(0.0), scale(value), _MIDDLE)])) for kind, value in kinds if value),
        *_line(0.0, scale, HEIGHT),
    )


def bars_track(pair: tuple[float, float], others: Sequence[float], ticks: Sequence[float], *, hot: bool) -> Track:
    """Draw two shares as bars from the left edge, the first above the second, and others as points between them."""
    scale, (first, second) = scale_of(ticks), pair
    start, (upper, lower) = scale(ticks[0]), (BARS_HEIGHT * 0.3, BARS_HEIGHT * 0.7)
    return (
        grid(ticks, BARS_HEIGHT),
        ("bar hot" if hot else "bar", bars([(start, scale(first), upper)])),
        ("bar", bars([(start, scale(second), lower)])),
        ("point", dots((scale(other), BARS_HEIGHT / 2) for other in others)),
    )


def spread_track(quantiles: tuple[float, float, float, float, float]) -> Track:
    """Draw five quantiles of a share: the median as a dot, the middle half as a bar, the middle nine tenths as a line."""
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    scale, (least, low, middle, high, most) = scale_of(ticks), quantiles
    return (
        grid(ticks),
        ("thin", bars([(scale(least), scale(most), _MIDDLE)])),
        ("interval cool", bars([(scale(low), scale(high), _MIDDLE)])),
        ("dot cool", dots([(scale(middle), _MIDDLE)])),
    )


def range_track(value: float, low: float, high: float, ticks: Sequence[float]) -> Track:
    """Draw a number as a dot on a bar for its range over several draws."""
    scale = scale_of(ticks)
    return grid(ticks), ("interval cool", bars([(scale(low), scale(high), _MIDDLE)])), ("dot cool", dots([(scale(value), _MIDDLE)]))
