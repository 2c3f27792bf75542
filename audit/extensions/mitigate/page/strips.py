"""Geometry of the controls of a mitigation: how often a random map leaves a gap of which size, and the gap after the exported map.

One row per kind of random maps, as a histogram; positions are shares of the width of a plot, whose texts belong to a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.charts.forest import Scale, axis, tick_texts
from reports.charts.groups import placed_ticks, plot_scale, share

HEIGHT = 44
_BINS = 60


@dataclass(frozen=True)
class StripBar:
    """The maps that leave a gap of about the same size: a bar from the bottom of the row up."""

    x: str
    top: str


@dataclass(frozen=True)
class Strip:
    """The maps of one kind."""

    label: str
    value: str
    bars: tuple[StripBar, ...]


@dataclass(frozen=True)
class StripChart:
    """All kinds on one axis, with the gaps before and after the exported map."""

    strips: tuple[Strip, ...]
    before: str
    after: str
    ticks: tuple[tuple[str, str], ...]
    """Position and text."""
    height: int = HEIGHT


def strip_chart(kinds: Sequence[tuple[str, str, Sequence[float]]], before: float, after: float) -> StripChart:
    """Plot label, text and gaps of every kind of random maps."""
    ends = [before, after, *(gap for _, _, gaps in kinds for gap in gaps)]
    ticks = axis(max(0.0, min(ends)), max(ends))
    scale = plot_scale(ticks)
    strips = tuple(Strip(label, value, _bars(gaps, ticks, scale)) for label, value, gaps in kinds)
    return StripChart(strips, share(scale(before)), share(scale(after)), placed_ticks(scale, ticks, tick_texts(ticks)))


def _bars(gaps: Sequence[float], ticks: Sequence[float], scale: Scale) -> tuple[StripBar, ...]:
    width = (ticks[-1] - ticks[0]) / _BINS
    counts = Counter(min(int((gap - ticks[0]) / width), _BINS - 1) for gap in gaps)
    most = max(counts.values(), default=1)
    return tuple(
        StripBar(share(scale(ticks[0] + (position + 0.5) * width)), f"{HEIGHT * (1 - 0.9 * n / most):.0f}")
        for position, n in sorted(counts.items())
    )
