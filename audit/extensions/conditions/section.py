"""Conditions: the rate of each group over the strengths of a change, or before and after it; and the CSV table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.analyses.records import ConditionResult, Conditions
from audit.extensions.conditions import sentences
from audit.extensions.conditions.chart import ConditionPanel, compared_groups, line_legend, series_panels
from audit.records.base import Estimate
from audit.results import Results
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, change_track
from reports.context import AuditContext
from reports.section import AnalysisView
from reports.table import Row, Table
from reports.text import phrases
from reports.text.notes import sentence
from reports.text.numbers import count, difference, p_value, percent
from reports.tidy import AUDIT, Columns, TidyTable, tidy


@dataclass(frozen=True)
class ConditionsChart:
    """The conditions of one question by one attribute."""

    title: str
    panels: tuple[ConditionPanel, ...]
    legend: tuple[tuple[str, str], ...]
    """CSS class and group."""
    alt: str
    reading: str
    slopes: TrackTable | None
    """Rates before and after, for conditions that no panel shows."""
    slopes_reading: str
    table: Table
    error: str
    """The mean corruption error in a sentence; empty without one, and `errors` is None."""
    errors: Table | None
    notes: tuple[str, ...]


def view(context: AuditContext) -> AnalysisView[ConditionsChart] | None:
    """Return the conditions of an audit, or None."""
    audit = context.audit
    if not audit.analyses["conditions"]:
        return None
    return AnalysisView(
        asked=sentences.what_was_asked(audit),
        result=sentences.result(audit),
        charts=_read_once(tuple(map(_view, audit.analyses["conditions"]))),
        without=tuple(filter(None, map(sentences.unjudged, audit.analyses["conditions"]))),
        method=sentences.method(audit),
    )


def _read_once(charts: Sequence[ConditionsChart]) -> tuple[ConditionsChart, ...]:
    """Explain how to read a kind of chart only with the first chart of that kind."""
    first = next((chart for chart in charts if chart.reading), None)
    first_slopes = next((chart for chart in charts if chart.slopes_reading), None)
    return tuple(
        replace(
            chart,
            reading=chart.reading if chart is first else "",
            slopes_reading=chart.slopes_reading if chart is first_slopes else "",
        )
        for chart in charts
    )


def _view(conditions: Conditions) -> ConditionsChart:
    panels = series_panels(conditions)
    alone = [result for result in conditions.results if not result.condition.series or not panels]
    return ConditionsChart(
        title=sentences.conditions_title(conditions),
        panels=panels,
        legend=line_legend(conditions) if panels else (),
        alt=f"{sentences.conditions_title(conditions)}: {sentences.measured(conditions)} of each group at each strength; "
        "the table below has the numbers.",
        reading=sentences.READING if panels else "",
        slopes=_slopes(conditions, alone) if alone else None,
        slopes_reading=sentences.SLOPES if alone else "",
        table=_table(conditions),
        error=sentences.error_in_words(conditions),
        errors=_errors(conditions),
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
        f"{sentences.conditions_title(conditions)}",
        "Group",
        ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%"),
        columns,
        tuple(rows),
        seen=False,
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
    title = f"{sentences.conditions_title(conditions)}: {sentences.measured(conditions)}"
    return Table(title, title, columns, tuple(rows))


def _row(result: ConditionResult) -> Row:
    rates = [phrases.cell_rate(cell.after) for cell in result.by_group if cell.after.n]
    worst = phrases.group(result.gap.lowest) if result.gap else ""
    judged = p_value(result.p_adjusted) if result.p_adjusted is not None else "not judged"
    cells = (phrases.cell_rate(result.overall.after), *rates, worst, phrases.size(result.gap) if result.gap else "", judged)
    return Row((result.condition.name, *cells))


def _errors(conditions: Conditions) -> Table | None:
    """Return the error under each kind, mean over its severities, and the mean corruption error."""
    if (error := conditions.corruption_error) is None:
        return None
    shown = [at for at, group in enumerate(error.by_group) if group.n]
    named = (error.normalized_by,) if error.normalized_by else ()
    columns = ("Kind", *named, "All images", *(phrases.group(error.by_group[at].group) for at in shown))
    rows = []
    for kind in error.kinds:
        baseline = (percent(kind.baseline) if kind.baseline is not None else "not comparable",) if named else ()
        name = kind.kind if kind.in_mean else f"{kind.kind}, not in the mean"
        rows.append(Row((name, *baseline, percent(kind.overall), *(percent(kind.by_group[at]) for at in shown))))
    means = (sentences.group_error(error.overall), *(sentences.group_error(error.by_group[at]) for at in shown))
    rows.append(Row(("Mean corruption error", *("100\u00a0%" for _ in named), *means)))
    title = f"{sentences.conditions_title(conditions)}: wrong answers under each kind of corruption"
    return Table(title, title, columns, tuple(rows))


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
    """Return one row per condition and group; p belongs to the condition and is repeated in all its rows."""
    rows = (
        (audit, condition, result, group)
        for audit in results.audits
        for condition in audit.analyses["conditions"]
        for result in condition.results
        for group in result.by_group
    )
    return tidy((AUDIT, _QUESTION, _CONDITION, _GROUP), rows)
