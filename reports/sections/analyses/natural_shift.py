"""Natural shifts: each group's accuracy in the standard condition and in the others, and what other models predict."""

from __future__ import annotations

from types import SimpleNamespace

from audit.analyses.natural_shift.record import NaturalShift, ShiftedRate, ShiftResult
from audit.records.base import Estimate
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, change_track
from reports.sections.context import AuditContext
from reports.text import phrases
from reports.text.analyses import natural_shift as text
from reports.text.numbers import NOT_ESTIMABLE, count, difference, p_value, percent

TITLE, PLACE = "Images of other conditions", 14


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the natural shifts of an audit; None without any."""
    audit = context.audit
    if not audit.natural_shifts:
        return None
    return SimpleNamespace(
        asked=text.what_is_asked(audit),
        result=text.result(audit),
        reading=text.READING,
        charts=tuple(_chart(natural_shift) for natural_shift in audit.natural_shifts if natural_shift.results),
        without=(*filter(None, map(text.unjudged, audit.natural_shifts)), *text.not_estimated(audit)),
        method=text.method(audit),
    )


def _chart(each: NaturalShift) -> SimpleNamespace:
    rates = [(found, rate) for found in each.results for rate in (found.overall, *found.by_group) if rate.difference is not None]
    ends = [min(1.0, end) for _, rate in rates for end in (rate.standard.value or 0.0, (rate.standard.value or 0.0) + (rate.high or 0.0))]
    ticks = axis(0.0, max(0.01, *ends)) if rates else (0.0, 1.0)
    estimated = any(rate.effective for _, rate in rates)
    columns = (
        f"‘{each.standard}’",
        "Other condition",
        "Change, points",
        "Images",
        *(("Predicted", "Effective robustness, points") * estimated),
    )
    rows = tuple(_row(found, rate, ticks, estimated=estimated) for found, rate in rates)
    scale = ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%")
    title = text.shift_title(each)
    return SimpleNamespace(title=title, table=TrackTable(title, "Group", scale, columns, rows, seen=False))


def _row(found: ShiftResult, rate: ShiftedRate, ticks: tuple[float, ...], *, estimated: bool) -> TrackRow:
    before, after = rate.standard.value or 0.0, rate.shifted.value or 0.0
    low, high = (min(1.0, max(0.0, before + (end or 0.0))) for end in (rate.low, rate.high))
    hot = found.verdict == "signal" and bool(rate.group)
    effective = rate.effective
    more = (percent(effective.predicted), difference(effective.value, effective.low, effective.high)) if effective else ("–", NOT_ESTIMABLE)
    cells = (
        phrases.cell_rate(rate.standard), phrases.cell_rate(rate.shifted), difference(rate.difference, rate.low, rate.high),
        f"{count(rate.standard.n)} and {count(rate.shifted.n)}", *(more * estimated),
    )  # fmt: skip
    judged = f", adjusted p {p_value(found.p_adjusted)}" if found.p_adjusted is not None else ""
    above = "" if rate.group else f"‘{found.condition}’{judged}"
    name = phrases.group(rate.group) if rate.group else "all images"
    return TrackRow(name, change_track(before, Estimate(after, low, high), ticks, hot=hot), cells, above=above)
