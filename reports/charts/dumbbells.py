"""Where the marks of a dumbbell stand: each group's rate before and after, on one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.records.comparison import Change, RateChange
from audit.records.results import Rate
from reports.charts.forest import ROW, WIDTH, Forest, Mark, Scale, axis, label_room, px, short, signed_forest, tick_texts
from reports.text import phrases, sentences

_TOP, _BOTTOM, _RIGHT = 26, 26, 22


@dataclass(frozen=True)
class Dumbbell:
    """Hollow dots before, filled dots after, a line between; paths hold all marks of one kind."""

    width: int
    height: int
    left: str
    right: str
    top: str
    bottom: str
    label_x: str
    labels: tuple[Mark, ...]
    tick_y: str
    ticks: tuple[Mark, ...]
    remarks: tuple[Mark, ...]
    grid: str
    links: str
    before: str
    after: str
    faint_links: str
    faint_before: str
    faint_after: str
    key_y: str
    key_before_x: str
    key_after_x: str


def rate_dumbbell(change: Change) -> Dumbbell:
    """Place the rates of every group before and after; a group outside the comparison is faint."""
    compared = [cell for cell in change.by_group if cell.before.status == "ok"]
    deciding = compared if len(compared) > 1 else change.by_group
    ticks = share_ticks(rate for cell in deciding for rate in (cell.before, cell.after))
    labels = [f"{short(phrases.group(cell.before.group))} ({cell.before.n:,})" for cell in change.by_group]
    left = label_room(labels)
    scale = Scale(ticks[0], ticks[-1], left, WIDTH - _RIGHT)
    bottom = _TOP + ROW * len(labels)
    placed = [(cell, _TOP + ROW * (i + 0.5)) for i, cell in enumerate(change.by_group)]
    used = [(cell, y) for cell, y in placed if cell.before.status == "ok"]
    other = [(cell, y) for cell, y in placed if cell.before.status != "ok" and _inside(cell, ticks)]
    texts = [f"{text}\u00a0%" for text in tick_texts(ticks)]
    return Dumbbell(
        width=WIDTH,
        height=bottom + _BOTTOM,
        left=px(left),
        right=px(WIDTH - _RIGHT),
        top=px(_TOP),
        bottom=px(bottom),
        label_x=px(left - 8),
        labels=tuple(Mark("", px(y + 4), text, cell.before.status != "ok") for (cell, y), text in zip(placed, labels, strict=True)),
        tick_y=px(bottom + 17),
        ticks=tuple(Mark(px(scale(tick)), "", text) for tick, text in zip(ticks, texts, strict=True)),
        remarks=tuple(Mark(px(left + 6), px(y + 4), _remark(cell)) for cell, y in placed if (cell, y) not in used + other),
        grid="".join(f"M{px(scale(tick))} {_TOP}V{px(bottom)}" for tick in ticks),
        links=_links(used, scale),
        before=_dots(used, scale, after=False),
        after=_dots(used, scale, after=True),
        faint_links=_links(other, scale),
        faint_before=_dots(other, scale, after=False),
        faint_after=_dots(other, scale, after=True),
        key_y=px(_TOP - 12),
        key_before_x=px(left + 6),
        key_after_x=px(left + 78),
    )


def share_ticks(rates: Iterable[Rate]) -> tuple[float, ...]:
    """Return the ticks of a scale of rates: zoomed where their intervals need less than half of it.

    The intervals decide, drawn or not: equal rates, all of 100 %, would leave no scale at all.
    """
    ends = [end for rate in rates for end in (rate.low, rate.high) if end is not None]
    if not ends or max(ends) - min(ends) > 0.5:
        return (0.0, 0.25, 0.5, 0.75, 1.0)
    return tuple(tick for tick in axis(min(ends), max(ends)) if 0 <= tick <= 1)


def _inside(cell: RateChange, ticks: Sequence[float]) -> bool:
    return all(rate.value is not None and ticks[0] <= rate.value <= ticks[-1] for rate in (cell.before, cell.after))


def _remark(cell: RateChange) -> str:
    if cell.before.value is None:
        return sentences.STATUSES[cell.before.status]
    return f"{phrases.cell_value(cell.before)} to {phrases.cell_value(cell.after)}, off this scale"


def _links(placed: Sequence[tuple[RateChange, float]], scale: Scale) -> str:
    return "".join(f"M{px(scale(cell.before.value or 0.0))} {px(y)}H{px(scale(cell.after.value or 0.0))}" for cell, y in placed)


def _dots(placed: Sequence[tuple[RateChange, float]], scale: Scale, *, after: bool) -> str:
    rates = [((cell.after if after else cell.before).value or 0.0, y) for cell, y in placed]
    return "".join(f"M{px(scale(value))} {px(y)}h0" for value, y in rates)


def changes_forest(change: Change) -> Forest:
    """Place each compared group's change with its interval about zero."""
    return signed_forest(
        [
            (phrases.group(cell.before.group), cell.difference, cell.low, cell.high)
            if cell.before.status == "ok"
            else (phrases.group(cell.before.group), None, None, None)
            for cell in change.by_group
        ]
    )
