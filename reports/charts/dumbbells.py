"""Geometry of the chart of a change: each group before and after in one row, and the gap of all groups before and after below them.

Its texts belong to a table, as those of `groups`; positions are shares of the width of a plot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Change, RateChange
from audit.types import Group
from reports.charts.forest import Scale, cut, percent_texts, rate_axis
from reports.charts.groups import LABELLED, MANY_GROUPS, label_width, placed_ticks, plot_scale, share
from reports.text import phrases
from reports.text.changes import is_worse, moved_cells
from reports.text.comparison import few_places
from reports.text.numbers import number, percent, points

_LONGEST_LABEL, _MOST_MOVED = 30, 10
_BETWEEN_ROOM, _THICKEST = 150, 5
"""Pixels for all groups without labels together, and at most for each."""


@dataclass(frozen=True)
class ChangedRow:
    """A labelled group."""

    label: str
    name: str
    """The full name if the label is shortened, else empty."""
    value: str
    """Both rates: ``89.7 → 97.3 %``."""
    kind: str
    """`worse`, `improved` or `moved` (if neither side is better) if the group's own rate changed, after correction; else empty."""
    before: str
    after: str


@dataclass(frozen=True)
class BetweenRows:
    """Groups between the extremes that did not change, one thin line each."""

    count: int
    height: int
    lines: tuple[tuple[str, str, str], ...]
    """The rates before and after, and the vertical position."""


@dataclass(frozen=True)
class GapBar:
    """The gap before or after, as a bar from the lowest to the highest rate."""

    label: str
    value: str
    kind: str
    """What the gap did, if it grew or shrank, for the bar after; else empty."""
    low: str
    high: str


@dataclass(frozen=True)
class ChangeChart:
    """The compared groups of a change, worse end first, and the two gaps."""

    rows: tuple[ChangedRow | BetweenRows, ...]
    gaps: tuple[GapBar, ...]
    ticks: tuple[tuple[str, str], ...]
    """Position and text."""
    label_width: int


def change_chart(change: Change, alpha: float) -> ChangeChart | None:
    """Plot every compared group before (hollow) and after (filled) and both gaps; None if nothing can be compared."""
    cells = [cell for cell in change.by_group if cell.before.status == "ok"]
    if change.gap is None or not cells:
        return None
    cells.sort(key=lambda cell: cell.before.value or 0.0, reverse=change.better != "high")
    ticks = rate_axis(rate for cell in cells for rate in (cell.before, cell.after))
    scale = plot_scale(ticks)
    moved = {cell.before.group: _kind(cell, change) for cell in moved_cells(change, alpha)}
    return ChangeChart(
        rows=tuple(_rows(cells, moved, scale)),
        gaps=tuple(_gaps(change, scale)),
        ticks=placed_ticks(scale, ticks, percent_texts(ticks)),
        label_width=label_width(["gap shrank to", *(phrases.group(cell.before.group) for cell in cells)]),
    )


def _kind(cell: RateChange, change: Change) -> str:
    if change.better == "neither":
        return "moved"
    return "worse" if is_worse(cell, change) else "improved"


def _rows(cells: Sequence[RateChange], moved: dict[Group, str], scale: Scale) -> list[ChangedRow | BetweenRows]:
    """Return the rows in order; with many groups, those between the extremes that did not move are combined."""
    many, rows, between = len(cells) > MANY_GROUPS, list[ChangedRow | BetweenRows](), list[RateChange]()
    shown = {*list(moved)[:_MOST_MOVED]}
    for rank, cell in enumerate(cells):
        if many and LABELLED <= rank < len(cells) - LABELLED and cell.before.group not in shown:
            between.append(cell)
            continue
        rows += [*_between(between, len(cells), scale), _row(cell, moved.get(cell.before.group, ""), scale)]
        between = []
    return rows


def _between(cells: Sequence[RateChange], groups: int, scale: Scale) -> list[BetweenRows]:
    if not cells:
        return []
    height = max(1, min(_THICKEST, _BETWEEN_ROOM // groups))
    rates = [(cell.before.value or 0.0, cell.after.value or 0.0) for cell in cells]
    lines = tuple((share(scale(before)), share(scale(after)), f"{height * (i + 0.5):g}") for i, (before, after) in enumerate(rates))
    return [BetweenRows(len(cells), height * len(cells), lines)]


def _row(cell: RateChange, kind: str, scale: Scale) -> ChangedRow:
    name, places = phrases.group(cell.before.group), few_places(cell)
    return ChangedRow(
        label=cut(name, _LONGEST_LABEL),
        name=name if len(name) > _LONGEST_LABEL else "",
        value=f"{number(cell.before.value or 0.0, places)} → {percent(cell.after.value, places)}",
        kind=kind,
        before=share(scale(cell.before.value or 0.0)),
        after=share(scale(cell.after.value or 0.0)),
    )


def _gaps(change: Change, scale: Scale) -> Sequence[GapBar]:
    if change.gap is None:
        return ()
    rates = {cell.before.group: (cell.before.value or 0.0, cell.after.value or 0.0) for cell in change.by_group}
    did = change.direction if change.direction in ("grew", "shrank") else ""
    after, kind = (f"gap {did} to", f"v-gap-{did}") if did else ("gap after", "")
    ends, places = (("gap before", change.gap.before, 0, ""), (after, change.gap.after, 1, kind)), few_places(change)
    return [
        GapBar(
            label, points(gap.value, places), of, share(scale(rates[gap.lowest][late])), share(scale(rates[gap.highest][late]))
        )
        for label, gap, late, of in ends
    ]  # fmt: skip
