"""Where every mark of a chart stands. Templates draw what they are given here; they hold no arithmetic, and no number is made here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.records.evidence import Estimate
from audit.records.results import Contrast, Finding, Rate
from audit.types import Group
from reports.text import phrases, sentences
from reports.text.numbers import NOT_ESTIMABLE, number, percent

WIDTH = 470
ROW = 20
_TOP, _BOTTOM, _RIGHT = 26, 26, 22
_CHARACTER = 7.2
"""Mean width of a character of the labels in the widest of the usual system fonts."""
_LONGEST_LABEL = 30
_STEPS = (0.5, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
_MOST_STEPS = 5


@dataclass(frozen=True)
class Mark:
    """A text or a tick at a place."""

    x: str
    y: str
    text: str
    faint: bool = False


@dataclass(frozen=True)
class Forest:
    """Dots with intervals, one row a group. Paths hold all marks of one kind: a page of a hundred charts stays small."""

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
    reference: Mark
    reference_side: str
    """Which way its text runs, so that it stays inside: start, mid or end."""
    grid: str
    band_x: str
    band_width: str
    band_height: str
    intervals: str
    wide_intervals: str
    faint_intervals: str
    dots: str
    hollow: str
    faint_dots: str


@dataclass(frozen=True)
class _Row:
    """One row of a forest, before it has a place."""

    label: str
    value: float | None = None
    low: float = 0.0
    high: float = 0.0
    wide: tuple[float, float] | None = None
    kind: str = "dot"
    """dot, hollow or faint."""
    remark: str = ""
    before: float | None = None
    """What the value was: a hollow dot of its own."""


@dataclass(frozen=True)
class Scale:
    """Maps a value to a place."""

    low: float
    high: float
    left: float
    right: float

    def __call__(self, value: float) -> float:
        """Return the place of `value`; what lies beyond the scale stands at its edge, and in the middle of a scale without extent."""
        if self.high == self.low:
            return (self.left + self.right) / 2
        value = min(max(value, self.low), self.high)
        return self.left + (value - self.low) / (self.high - self.low) * (self.right - self.left)


def px(place: float) -> str:
    """Return a coordinate in whole units, which are pixels of a wide screen: half a pixel is finer than any interval here.

    Examples
    --------
    >>> px(12.0), px(3.64159)
    ('12', '4')
    """
    return f"{place:.0f}"


def axis(low: float, high: float) -> tuple[float, ...]:
    """Return evenly spaced ticks that cover an interval, at most six.

    Examples
    --------
    >>> axis(0.62, 0.99)
    (0.6, 0.7, 0.8, 0.9, 1.0)
    >>> axis(-0.07, 0.07)
    (-0.1, -0.05, 0.0, 0.05, 0.1)
    """
    steps = [step for step in _STEPS if math.ceil(round(high / step, 6)) - math.floor(round(low / step, 6)) <= _MOST_STEPS]
    step = min(steps, default=_STEPS[0])
    first, last = math.floor(round(low / step, 6)), math.ceil(round(high / step, 6))
    return tuple(round(step * i, 6) for i in range(first, max(last, first + 1) + 1))


def tick_texts(ticks: Sequence[float], *, signed: bool = False) -> list[str]:
    """Return ticks in hundredths, with the decimals that tell neighbours apart.

    Examples
    --------
    >>> tick_texts((0.0, 0.25, 0.5)), tick_texts((-0.005, 0.0, 0.005), signed=True)
    (['0', '25', '50'], ['−0.5', '0.0', '+0.5'])
    """
    places = max(0, -math.floor(round(math.log10(ticks[1] - ticks[0]), 6)) - 2)
    return [number(tick, places, signed=signed) for tick in ticks]


def rate_axis(finding: Finding) -> tuple[float, ...]:
    """Return the ticks of a chart of rates: zoomed where the compared intervals need less than half of the scale.

    Small groups do not stretch it: theirs are the widest intervals and the least certain rates. Where nothing is compared, all decide.
    """
    compared = [cell for cell in finding.by_group if cell.status == "ok"]
    deciding = [*(compared if len(compared) > 1 else finding.by_group), finding.overall]
    ends = [end for cell in deciding for end in (cell.low, cell.high) if end is not None]
    if not ends or max(ends) - min(ends) > 0.5:
        return (0.0, 0.25, 0.5, 0.75, 1.0)
    return tuple(tick for tick in axis(min(ends), max(ends)) if 0 <= tick <= 1)


def rates_forest(finding: Finding) -> Forest:
    """Place the rate of every group with its interval, and the overall rate as a line."""
    ticks = rate_axis(finding)
    rows = [_rate_row(cell, ticks) for cell in finding.by_group]
    texts = [f"{text}\u00a0%" for text in tick_texts(ticks)]
    overall = finding.overall.value
    reference = None if overall is None else (overall, f"overall {percent(overall, 1)}")
    return _forest(rows, ticks, texts, reference, None)


def _rate_row(cell: Rate, ticks: Sequence[float]) -> _Row:
    label = f"{short(phrases.group(cell.group))} ({cell.n:,})"
    if cell.value is None or cell.low is None or cell.high is None:
        return _Row(label, kind="faint", remark=sentences.STATUSES[cell.status])
    if not ticks[0] <= cell.value <= ticks[-1]:
        return _Row(label, kind="faint", remark=f"{phrases.cell_value(cell)}, off this scale")
    return _Row(label, cell.value, cell.low, cell.high, kind="dot" if cell.status == "ok" else "faint")


def differences_forest(finding: Finding) -> Forest:
    """Place the difference of every compared group to the rest, with the tolerance as a band; hollow unless shown to lie beyond it."""
    contrasts = {contrast.first: contrast for contrast in finding.contrasts}
    rows = [_difference_row(cell.group, contrasts.get(cell.group)) for cell in finding.by_group]
    ends = [abs(end) for contrast in finding.contrasts for end in (contrast.low_adjusted, contrast.high_adjusted)]
    return _signed_forest(rows, max([*ends, 1.4 * finding.tolerance]), finding.tolerance)


def _difference_row(levels: Group, contrast: Contrast | None) -> _Row:
    label = short(phrases.group(levels))
    if contrast is None:
        return _Row(label, kind="faint", remark="not compared")
    kind = "dot" if contrast.beyond_tolerance else "hollow"
    wide = (contrast.low_adjusted, contrast.high_adjusted)
    return _Row(label, contrast.difference, contrast.low, contrast.high, wide, kind)


def signed_forest(differences: Sequence[tuple[str, float | None, float | None, float | None]]) -> Forest:
    """Place labelled differences with their intervals about zero, without a tolerance; None is written out."""
    rows = [
        _Row(short(label), kind="faint", remark=NOT_ESTIMABLE)
        if value is None or low is None or high is None
        else _Row(short(label), value, low, high)
        for label, value, low, high in differences
    ]
    reach = max((max(abs(row.low), abs(row.high)) for row in rows), default=0.0)
    return _signed_forest(rows, max(reach, 0.01), None)


def adjusted_forest(rows: Sequence[tuple[str, float, Estimate]]) -> Forest:
    """Place labelled differences twice: as they were, hollow, and as they become, with their intervals; a thin line joins the two."""
    placed = [
        _Row(short(label), after.value, after.low, after.high, (min(before, after.value), max(before, after.value)), before=before)
        for label, before, after in rows
    ]
    reach = max((max(abs(end) for end in (row.low, row.high, *(row.wide or ()))) for row in placed), default=0.0)
    return _signed_forest(placed, max(reach, 0.01), None)


def spread_forest(rows: Sequence[tuple[str, tuple[float, float, float, float, float]]]) -> Forest:
    """Place five quantiles of each row on the scale from 0 to 100 %: a dot, the middle half as a bar, nine tenths as a line."""
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    placed = [_Row(short(label), middle, low, high, (least, most)) for label, (least, low, middle, high, most) in rows]
    return _forest(placed, ticks, [f"{text}\u00a0%" for text in tick_texts(ticks)], None, None)


def _signed_forest(rows: Sequence[_Row], reach: float, tolerance: float | None) -> Forest:
    ticks = axis(-reach, reach)
    return _forest(rows, ticks, tick_texts(ticks, signed=True), (0.0, ""), tolerance)


def _forest(
    rows: Sequence[_Row], ticks: Sequence[float], texts: Sequence[str], reference: tuple[float, str] | None, tolerance: float | None
) -> Forest:
    left = label_room(row.label for row in rows)
    scale = Scale(ticks[0], ticks[-1], left, WIDTH - _RIGHT)
    bottom = _TOP + ROW * len(rows)
    placed = [(row, _TOP + ROW * (i + 0.5)) for i, row in enumerate(rows)]
    band = (scale(-tolerance), scale(tolerance)) if tolerance else (left, left)
    line, above = reference or (ticks[0], "")
    return Forest(
        width=WIDTH,
        height=bottom + _BOTTOM,
        left=px(left),
        right=px(WIDTH - _RIGHT),
        top=px(_TOP),
        bottom=px(bottom),
        label_x=px(left - 8),
        tick_y=px(bottom + 17),
        labels=tuple(Mark("", px(y + 4), row.label, row.kind == "faint") for row, y in placed),
        ticks=tuple(Mark(px(scale(tick)), "", text) for tick, text in zip(ticks, texts, strict=True)),
        remarks=tuple(Mark(px(left + 6), px(y + 4), row.remark) for row, y in placed if row.value is None and row.remark),
        reference=Mark(px(scale(line)), px(_TOP - 8), above, faint=reference is None),
        reference_side="start" if scale(line) < left + 50 else "end" if scale(line) > WIDTH - _RIGHT - 50 else "mid",
        grid="".join(f"M{px(scale(tick))} {_TOP}V{px(bottom)}" for tick in ticks),
        band_x=px(band[0]),
        band_width=px(band[1] - band[0]),
        band_height=px(bottom - _TOP),
        intervals=_bars(placed, scale, {"dot", "hollow"}),
        wide_intervals=_wide_bars(placed, scale),
        faint_intervals=_bars(placed, scale, {"faint"}),
        dots=_dots(placed, scale, {"dot"}),
        hollow=_dots(placed, scale, {"hollow"})
        + "".join(f"M{px(scale(row.before))} {px(y)}h0" for row, y in placed if row.before is not None),
        faint_dots=_dots(placed, scale, {"faint"}),
    )


def _bars(placed: Sequence[tuple[_Row, float]], scale: Scale, kinds: set[str]) -> str:
    shown = ((row, y) for row, y in placed if row.value is not None and row.kind in kinds)
    return "".join(f"M{px(scale(row.low))} {px(y)}H{px(scale(row.high))}" for row, y in shown)


def _wide_bars(placed: Sequence[tuple[_Row, float]], scale: Scale) -> str:
    return "".join(f"M{px(scale(row.wide[0]))} {px(y)}H{px(scale(row.wide[1]))}" for row, y in placed if row.wide)


def _dots(placed: Sequence[tuple[_Row, float]], scale: Scale, kinds: set[str]) -> str:
    """Return lines of no length: with round caps they are dots."""
    return "".join(f"M{px(scale(row.value))} {px(y)}h0" for row, y in placed if row.value is not None and row.kind in kinds)


def label_room(labels: Iterable[str]) -> float:
    """Return where a chart begins to the right of its labels."""
    return 14 + _CHARACTER * max((len(label) for label in labels), default=0)


def cut(text: str, longest: int) -> str:
    """Return a text cut to a number of characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def short(label: str) -> str:
    """Return a label cut to the room of a chart; tables have it whole."""
    return cut(label, _LONGEST_LABEL)
