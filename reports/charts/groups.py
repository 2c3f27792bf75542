"""Geometry of the chart of one finding's groups, one row per group. Its texts belong to a table, so they keep their size on a phone.

Positions are shares of the width of a plot, in percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.finding import Rate
from audit.results import Finding
from audit.types import Group
from reports.charts.forest import Scale, cut, percent_texts, rate_axis
from reports.text import phrases

MANY_GROUPS, LABELLED = 20, 5
"""With more groups, only the lowest and the highest five are labelled; the others are thin lines."""
_EDGE = 0.03
"""Margin at both ends of a plot, so that no mark is clipped."""
_CHARACTER, _LABEL_ROOM, _LONGEST_LABEL = 9, 150, 30
"""Pixels per character of a bold label, pixels of the widest label column, and characters of the longest label in two lines."""
_MOST_NAMED = 200
_THIN_ROOM, _THICKEST = 180, 5
"""Pixels for all thin lines together, and at most for each."""


@dataclass(frozen=True)
class GroupRow:
    """A labelled group."""

    label: str
    name: str
    """The full name if the label is shortened, else empty."""
    value: str
    hot: bool
    """Whether it is an affected group."""
    x: str
    low: str
    high: str


@dataclass(frozen=True)
class ThinRows:
    """Groups between the extremes, one line each, without labels."""

    count: int
    height: int
    lines: tuple[tuple[str, str, str, str], ...]
    """Both ends of the interval, the rate, and the vertical position."""
    names: tuple[str, ...]
    """Names of the groups in their order, to be listed below the chart; the first `_MOST_NAMED`."""


@dataclass(frozen=True)
class GroupsChart:
    """The compared groups of a finding, with a band of what is expected by chance."""

    rows: tuple[GroupRow | ThinRows, ...]
    ticks: tuple[tuple[str, str], ...]
    """Position and text."""
    band_x: str
    band_width: str
    band_middle: str
    """Where the band has its label; empty without a band."""
    label_width: int


def share(fraction: float) -> str:
    """Format a share of a width for SVG.

    Examples
    --------
    >>> share(0.5), share(0.12345)
    ('50%', '12.3%')
    """
    return f"{100 * fraction:.1f}".removesuffix(".0") + "%"


def plot_scale(ticks: Sequence[float]) -> Scale:
    """Return the scale of a plot whose width is 1."""
    return Scale(ticks[0], ticks[-1], _EDGE, 1 - _EDGE)


def placed_ticks(scale: Scale, ticks: Sequence[float], texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return position and text of each tick."""
    return tuple((share(scale(tick)), text) for tick, text in zip(ticks, texts, strict=True))


def groups_chart(finding: Finding, hot: Sequence[Group]) -> GroupsChart | None:
    """Plot every compared group, the worse end first, with a band as wide as the gap expected by chance; None without a gap.

    Groups too small to compare are not drawn: they have the widest intervals and the least certain rates.
    """
    cells = [cell for cell in finding.by_group if cell.status == "ok" and cell.value is not None]
    if finding.gap is None or finding.overall.value is None or not cells:
        return None
    cells.sort(key=lambda cell: cell.value or 0.0, reverse=finding.better != "high")
    ticks = rate_axis(cells)
    scale = plot_scale(ticks)
    pair = None if finding.diffuse else phrases.leading_pair(finding)
    band = [scale(finding.overall.value + side * (pair.chance if pair else 0.0) / 2) for side in (-1, 1)]
    return GroupsChart(
        rows=tuple(_rows(cells, {*hot}, scale)),
        ticks=placed_ticks(scale, ticks, percent_texts(ticks)),
        band_x=share(band[0]),
        band_width=share(band[1] - band[0]),
        band_middle=share(sum(band) / 2) if band[1] > band[0] else "",
        label_width=label_width([phrases.group(cell.group) for cell in cells]),
    )


def label_width(labels: Sequence[str]) -> int:
    """Return the width of the column of labels, in pixels."""
    return min(_CHARACTER * max(map(len, labels)) + 3 * _CHARACTER, _LABEL_ROOM)


def _rows(cells: Sequence[Rate], hot: set[Group], scale: Scale) -> list[GroupRow | ThinRows]:
    """Return the rows in order; with many groups, those between the extremes are combined."""
    many, rows, thin = len(cells) > MANY_GROUPS, [], list[Rate]()
    height = max(1, min(_THICKEST, _THIN_ROOM // len(cells)))
    for rank, cell in enumerate(cells):
        if many and LABELLED <= rank < len(cells) - LABELLED and cell.group not in hot:
            thin.append(cell)
            continue
        rows += [*_together(thin, height, scale), _row(cell, cell.group in hot, scale)]
        thin = []
    return rows


def _together(thin: Sequence[Rate], height: int, scale: Scale) -> list[GroupRow | ThinRows]:
    if not thin:
        return []
    lines = tuple(
        (share(scale(cell.low or 0.0)), share(scale(cell.high or 0.0)), share(scale(cell.value or 0.0)), f"{height * (i + 0.5):g}")
        for i, cell in enumerate(thin)
    )
    names = tuple(phrases.group(cell.group) for cell in thin[:_MOST_NAMED])
    return [ThinRows(len(thin), max(height * len(thin), 1), lines, names)]


def _row(cell: Rate, hot: bool, scale: Scale) -> GroupRow:
    name = phrases.group(cell.group)
    return GroupRow(
        cut(name, _LONGEST_LABEL),
        name if len(name) > _LONGEST_LABEL else "",
        phrases.cell_value(cell),
        hot,
        share(scale(cell.value or 0.0)),
        share(scale(cell.low or 0.0)),
        share(scale(cell.high or 0.0)),
    )
