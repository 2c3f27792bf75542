"""Natural shifts: accuracy by group in the standard and the other conditions, and what other models predict; and the CSV table."""

from __future__ import annotations

from collections.abc import Sequence

from audit.extensions.natural_shift import sentences
from audit.extensions.natural_shift.record import NaturalShift, ShiftedRate, ShiftResult
from audit.records.base import Estimate
from audit.results import Results
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, change_track
from reports.context import AuditContext
from reports.section import AnalysisView
from reports.text import phrases
from reports.text.numbers import NOT_ESTIMABLE, count, difference, p_value, percent
from reports.tidy import AUDIT, Columns, TidyTable, tidy


def view(context: AuditContext) -> AnalysisView[TrackTable] | None:
    """Return the natural shifts of an audit, or None."""
    audit = context.audit
    if not audit.analyses["natural_shifts"]:
        return None
    return AnalysisView(
        asked=sentences.what_is_asked(audit),
        result=sentences.result(audit),
        reading=sentences.READING,
        charts=tuple(_chart(natural_shift) for natural_shift in audit.analyses["natural_shifts"] if natural_shift.results),
        without=(*filter(None, map(sentences.unjudged, audit.analyses["natural_shifts"])), *sentences.not_estimated(audit)),
        method=sentences.method(audit),
    )


def _chart(natural_shift: NaturalShift) -> TrackTable:
    rates = [
        (result, rate) for result in natural_shift.results for rate in (result.overall, *result.by_group) if rate.difference is not None
    ]
    ends = [min(1.0, end) for _, rate in rates for end in (rate.standard.value or 0.0, (rate.standard.value or 0.0) + (rate.high or 0.0))]
    ticks = axis(0.0, max(0.01, *ends)) if rates else (0.0, 1.0)
    estimated = any(rate.effective for _, rate in rates)
    columns = (
        f"‘{natural_shift.standard}’",
        "Other condition",
        "Change, points",
        "Images",
        *(("Predicted", "Effective robustness, points") * estimated),
    )
    rows = tuple(_row(result, rate, ticks, estimated=estimated) for result, rate in rates)
    scale = ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%")
    return TrackTable(sentences.shift_title(natural_shift), "Group", scale, columns, rows, seen=False)


def _row(result: ShiftResult, rate: ShiftedRate, ticks: tuple[float, ...], *, estimated: bool) -> TrackRow:
    before, after = rate.standard.value or 0.0, rate.shifted.value or 0.0
    low, high = (min(1.0, max(0.0, before + (end or 0.0))) for end in (rate.low, rate.high))
    hot = result.verdict == "signal" and bool(rate.group)
    effective = rate.effective
    more = (percent(effective.predicted), difference(effective.value, effective.low, effective.high)) if effective else ("–", NOT_ESTIMABLE)
    cells = (
        phrases.cell_rate(rate.standard), phrases.cell_rate(rate.shifted), difference(rate.difference, rate.low, rate.high),
        f"{count(rate.standard.n)} and {count(rate.shifted.n)}", *(more * estimated),
    )  # fmt: skip
    judged = f", adjusted p {p_value(result.p_adjusted)}" if result.p_adjusted is not None else ""
    above = "" if rate.group else f"‘{result.condition}’{judged}"
    name = phrases.group(rate.group) if rate.group else "all images"
    return TrackRow(name, change_track(before, Estimate(after, low, high), ticks, hot=hot), cells, above=above)


_QUESTION: Columns = {**{name: name for name in ("question", "measurement", "column")}, "standard_condition": "standard"}
_CONDITION: Columns = {"condition": "condition", "p": "p", "p_adjusted": "p_adjusted", "verdict": "verdict"}
_GROUP: Columns = {
    "group": "group", "status": "standard.status", "n_standard": "standard.n", "n_shifted": "shifted.n", "standard": "standard.value",
    "shifted": "shifted.value", **{name: name for name in ("difference", "low", "high")}, "models": "effective.models",
    "predicted": "effective.predicted", "effective_robustness": "effective.value", "effective_low": "effective.low",
    "effective_high": "effective.high", "not_estimable": "not_estimable",
}  # fmt: skip


class _Named:
    """The attribute of a row's group; empty for all images."""

    def __init__(self, attribute: str | None):
        self.attribute = attribute


def table(results: Results) -> TidyTable:
    """Return one row per condition and group, and one for all images; p belongs to the condition and is repeated in all its rows."""
    rows = (
        (audit, natural_shift, result, _Named(natural_shift.attribute if rate.group else ""), rate)
        for audit in results.audits
        for position, natural_shift in enumerate(audit.analyses["natural_shifts"])
        for result in natural_shift.results
        for rate in (*(() if _again(audit.analyses["natural_shifts"][:position], natural_shift) else (result.overall,)), *result.by_group)
    )
    return tidy((AUDIT, _QUESTION, _CONDITION, {"attribute": "attribute"}, _GROUP), rows)


def _again(before: Sequence[NaturalShift], natural_shift: NaturalShift) -> bool:
    return (natural_shift.question, natural_shift.measurement, natural_shift.column) in [
        (one.question, one.measurement, one.column) for one in before
    ]
