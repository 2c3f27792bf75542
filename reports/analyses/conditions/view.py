"""Conditions: the rate of each group over strengths of a change, or before and after it; and the CSV table."""

from __future__ import annotations

from types import SimpleNamespace

from audit.analyses.base.records import ConditionResult, Conditions
from audit.records.base import Estimate
from audit.results import Results
from reports.analyses.conditions import words
from reports.analyses.conditions.chart import compared_groups, line_legend, series_panels
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, change_track
from reports.context import AuditContext
from reports.table import Row, Table
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, difference, p_value
from reports.tidy import AUDIT, Columns, TidyTable, tidy

TITLE, PLACE = "The same images, other conditions", 15


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the conditions of an audit; None without any."""
    audit = context.audit
    if not audit.conditions:
        return None
    return SimpleNamespace(
        asked=words.what_was_asked(audit),
        result=words.result(audit),
        charts=_read_once(list(map(_view, audit.conditions))),
        without=tuple(filter(None, map(words.unjudged, audit.conditions))),
        method=words.method(audit),
    )


def _read_once(charts: list[SimpleNamespace]) -> tuple[SimpleNamespace, ...]:
    """Return the charts, each way to read one beside the first that needs it."""
    for name in ("reading", "slopes_reading"):
        explained = [chart for chart in charts if getattr(chart, name)]
        for chart in explained[1:]:
            setattr(chart, name, "")
    return tuple(charts)


def _view(conditions: Conditions) -> SimpleNamespace:
    panels = series_panels(conditions)
    alone = [result for result in conditions.results if not result.condition.series or not panels]
    hot = any(result.verdict == "signal" for result in conditions.results)
    return SimpleNamespace(
        title=words.conditions_title(conditions),
        hot=hot,
        panels=panels,
        legend=line_legend(conditions) if panels else (),
        alt=f"{words.conditions_title(conditions)}: {words.measured(conditions)} of each group at each strength; "
        "the table below has the numbers.",
        reading=words.READING if panels else "",
        slopes=_slopes(conditions, alone) if alone else None,
        slopes_reading=words.SLOPES if alone else "",
        table=_table(conditions),
        notes=tuple(map(sentence, conditions.notes)),
    )


def _slopes(conditions: Conditions, alone: list[ConditionResult]) -> TrackTable:
    groups = compared_groups(conditions) or [rate.group for rate in conditions.baseline_by_group if rate.n]
    shown = [(result, change) for result in alone for change in result.by_group if change.after.group in groups]
    ends = [end for _, change in shown for end in (change.before.value, _after(change.before.value, change.high))]
    ticks = axis(0.0, max(0.01, *(min(1.0, end) for end in ends if end is not None)))
    rows = []
    for at, (result, change) in enumerate(shown):
        before, value = change.before.value or 0.0, change.after.value or 0.0
        low, high = (min(1.0, max(0.0, _after(before, end) or 0.0)) for end in (change.low, change.high))
        above = result.condition.name if not at or shown[at - 1][0] is not result else ""
        cells = (
            phrases.cell_rate(change.before), phrases.cell_rate(change.after),
            difference(change.difference, change.low, change.high), count(change.after.n),
        )  # fmt: skip
        track = change_track(before, Estimate(value, low, high), ticks, hot=result.verdict == "signal")
        rows.append(TrackRow(phrases.group(change.after.group), track, cells, above=above))
    columns = (conditions.baseline.name, "Under the condition", "Change, points", "Images")
    return TrackTable(
        f"{words.conditions_title(conditions)}", "Group", ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%"), columns, tuple(rows), seen=False
    )


def _after(before: float | None, change: float | None) -> float | None:
    return None if before is None or change is None else before + change


def _table(conditions: Conditions) -> Table:
    groups = [rate.group for rate in conditions.baseline_by_group if rate.n]
    columns = ("Condition", "All images", *map(phrases.group, groups), "Worst group", "Gap, points", "Adjusted p")
    worst = phrases.group(conditions.baseline_gap.lowest) if conditions.baseline_gap else ""
    first = [phrases.cell_rate(rate) for rate in conditions.baseline_by_group if rate.n]
    gap = phrases.size(conditions.baseline_gap) if conditions.baseline_gap else ""
    rows = [Row((f"{conditions.baseline.name} (baseline)", phrases.cell_rate(conditions.baseline_overall), *first, worst, gap, ""))]
    rows += [_row(result) for result in conditions.results]
    title = f"{words.conditions_title(conditions)}: {words.measured(conditions)}"
    return Table(title, title, columns, tuple(rows))


def _row(result: ConditionResult) -> Row:
    rates = [phrases.cell_rate(cell.after) for cell in result.by_group if cell.after.n]
    worst = phrases.group(result.gap.lowest) if result.gap else ""
    judged = p_value(result.p_adjusted) if result.p_adjusted is not None else "not judged"
    cells = (phrases.cell_rate(result.overall.after), *rates, worst, phrases.size(result.gap) if result.gap else "", judged)
    return Row((result.condition.name, *cells))


FIELD = "conditions"
_QUESTION: Columns = {
    **{name: name for name in ("question", "kind", "measurement", "metric", "outcome")}, "attribute": "attributes",
    "baseline": "baseline.name",
}  # fmt: skip
_CONDITION: Columns = {
    "condition": "condition.name", "series": "condition.series", "strength": "condition.strength", "p": "p", "p_adjusted": "p_adjusted",
    "verdict": "verdict",
}  # fmt: skip
_GROUP: Columns = {
    "group": "after.group", "status": "before.status", "n": "after.n", "events_before": "before.events", "events_after": "after.events",
    "before": "before.value", "after": "after.value", **{name: name for name in ("difference", "low", "high")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row a condition and group; p is of the condition, and repeats in each of its rows."""
    rows = (
        (audit, condition, result, group)
        for audit in results.audits
        for condition in audit.conditions
        for result in condition.results
        for group in result.by_group
    )
    return tidy((AUDIT, _QUESTION, _CONDITION, _GROUP), rows)
