"""Geometry of dumbbell charts: each group's rate before and after, on one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Change, RateChange
from reports.charts.forest import Forest, Mark, RowsFrame, Scale, bars, dots, percent_texts, px, rate_axis, rows_frame, short, signed_forest
from reports.text import phrases, sentences
from reports.text.comparison import cell_ends, change_interval


@dataclass(frozen=True)
class Dumbbell:
    """The rate of every group before and after; groups that are not compared are faint."""

    frame: RowsFrame
    remarks: tuple[Mark, ...]
    links: str
    before: str
    after: str
    faint_links: str
    faint_before: str
    faint_after: str
    key_before_x: str
    key_after_x: str


def rate_dumbbell(change: Change) -> Dumbbell:
    """Plot the rates of every group: a hollow dot before, a filled dot after, a line between; groups not compared are faint."""
    compared = [cell for cell in change.by_group if cell.before.status == "ok"]
    deciding = compared if len(compared) > 1 else change.by_group
    ticks = rate_axis(rate for cell in deciding for rate in (cell.before, cell.after))
    labels = [(f"{short(phrases.group(cell.before.group))} ({cell.before.n:,})", cell.before.status != "ok") for cell in change.by_group]
    scale, heights, frame = rows_frame(labels, ticks, percent_texts(ticks))
    placed = list(zip(change.by_group, heights, strict=True))
    used = [(cell, y) for cell, y in placed if cell.before.status == "ok"]
    other = [(cell, y) for cell, y in placed if cell.before.status != "ok" and _inside(cell, ticks)]

    links, before, after = _marks(used, scale)
    faint_links, faint_before, faint_after = _marks(other, scale)
    return Dumbbell(
        frame,
        remarks=tuple(Mark(px(scale.left + 6), px(y + 4), _remark(cell)) for cell, y in placed if (cell, y) not in used + other),
        links=links,
        before=before,
        after=after,
        faint_links=faint_links,
        faint_before=faint_before,
        faint_after=faint_after,
        key_before_x=px(scale.left + 6),
        key_after_x=px(scale.left + 78),
    )


def _marks(cells: Sequence[tuple[RateChange, float]], scale: Scale) -> tuple[str, str, str]:
    """Return the links, the dots before and the dots after."""
    ends = [(scale(cell.before.value or 0.0), scale(cell.after.value or 0.0), y) for cell, y in cells]
    return bars(ends), dots((x, y) for x, _, y in ends), dots((x, y) for _, x, y in ends)


def _inside(cell: RateChange, ticks: Sequence[float]) -> bool:
    return all(rate.value is not None and ticks[0] <= rate.value <= ticks[-1] for rate in (cell.before, cell.after))


def _remark(cell: RateChange) -> str:
    if cell.before.value is None:
        return sentences.STATUSES[cell.before.status]
    return f"{' to '.join(cell_ends(cell))}, off this scale"


def changes_forest(change: Change) -> Forest:
    """Plot each compared group's change with its interval around zero."""
    return signed_forest(
        [
            (
                phrases.group(cell.before.group),
                *((cell.difference, *change_interval(cell)) if cell.before.status == "ok" else (None,) * 3),
            )
            for cell in change.by_group
        ]
    )
