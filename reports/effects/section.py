"""Differences of scores between groups, and trends of rates along ordered levels; and the CSV table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.records.effect import Effect, EffectKind, EffectResult
from audit.results import Results
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, difference_track, signed_ends, signed_ticks
from reports.context import AuditContext
from reports.effects import sentences
from reports.section import AnalysisChart, AnalysisView
from reports.table import Row, Table
from reports.text.effects import effect_sentence, effect_text, effect_title, p_text
from reports.text.numbers import count, decimal, number, percent, rate
from reports.text.sentences import STATUSES
from reports.tidy import AUDIT, Columns, TidyTable, tidy

_COLUMNS = ("Estimate [interval]", "p; adjusted", "Verdict")
_KINDS: dict[EffectKind, str] = {"superiority": "Scores", "trend": "Trends along ordered levels"}
_MOST_PAIRS = 21
"""Pairs of a table: those of seven groups; effects.csv has all."""


@dataclass(frozen=True, kw_only=True)
class EffectsChart(AnalysisChart):
    """The questions of one kind."""

    details: tuple[Table, ...]


def view(context: AuditContext) -> AnalysisView[EffectsChart] | None:
    """Return the effect questions of an audit, or None."""
    effects, settings = context.audit.effects, context.results.settings
    if not effects:
        return None
    charts = [_chart(kind, [one for one in effects if one.kind == kind and one.effects]) for kind in _KINDS]
    return AnalysisView(
        asked=sentences.ASKED,
        result=sentences.result(context.audit, settings),
        reading=sentences.READING,
        charts=tuple(chart for chart in charts if chart is not None),
        without=tuple(effect_sentence(effect, settings.alpha) for effect in effects if not effect.effects),
        method=sentences.METHOD,
    )


def _chart(kind: EffectKind, effects: Sequence[EffectResult]) -> EffectsChart | None:
    if not effects:
        return None
    ordered = sorted(effects, key=lambda effect: (not effect.primary, effect.p or 0.0))
    ends = [end for effect in ordered for one in effect.effects for end in (one.low, one.high)]
    ticks = signed_ticks(ends) if kind == "trend" else axis(min(0.5, *ends), max(0.5, *ends))
    texts = tick_texts(ticks)
    scale = signed_ends(ticks) if kind == "trend" else (f"{texts[0]}\u00a0%", f"{texts[-1]}\u00a0%")
    shown = [_row(effect, one, ticks) for effect in ordered if (one := effect.leading) is not None]
    beyond = sum(effect.verdict in ("disparity", "signal") for effect in ordered)
    return EffectsChart(
        title=_KINDS[kind],
        folded=not beyond and not any(effect.primary for effect in ordered),
        chart=TrackTable(sentences.CAPTIONS[kind], "Question", scale, _COLUMNS, tuple(shown)),
        details=tuple(table for effect in ordered for table in _details(effect)),
    )


def _row(effect: EffectResult, one: Effect, ticks: Sequence[float]) -> TrackRow:
    hot = effect.verdict in ("disparity", "signal")
    track = difference_track(one.value, one.low, one.high, ticks, hot=hot, none=effect.none)
    return TrackRow(
        effect_title(effect), track, (effect_text(one, effect), p_text(effect), sentences.status(effect)), sentences.group_note(effect)
    )


def _details(effect: EffectResult) -> Iterable[Table]:
    title = effect_title(effect)
    levels = tuple(
        Row((level.level, count(level.n), _level_value(effect, level.value), STATUSES[level.status]), faint=level.status != "ok")
        for level in effect.levels
    )
    value = "Median score, in percent" if effect.kind == "superiority" else "Rate, in percent"
    yield Table(f"{title}: levels", f"{title}: levels", ("Level", "n", value, "Status"), levels)
    if len(effect.effects) > 1:
        pairs = sorted(effect.effects, key=lambda one: one.p)
        rest = f" (the {_MOST_PAIRS} with the smallest p of {len(pairs)}; effects.csv has all)" if len(pairs) > _MOST_PAIRS else ""
        rows = tuple(Row((f"{one.first} above {one.second}", effect_text(one, effect), decimal(one.p, 4))) for one in pairs[:_MOST_PAIRS])
        yield Table(f"{title}: pairs", f"{title}: every pair{rest}", ("Pair", "Estimate [interval]", "p of the pair"), rows)
    if effect.thresholds:
        yield _sweep(effect, title)


def _level_value(effect: EffectResult, value: float | None) -> str:
    return "" if value is None else number(value, 2 if effect.kind == "superiority" else 1)


def _sweep(effect: EffectResult, title: str) -> Table:
    known = [i for i, level in enumerate(effect.levels) if level.n]
    rows = tuple(
        Row((
            f"above {decimal(point.threshold, 4)}", percent(point.overall, 1),
            *("" if (cell := point.by_level[i]) is None else rate(cell.value, cell.low, cell.high) for i in known),
        ))
        for point in effect.thresholds
    )  # fmt: skip
    columns = ("Score", "All images", *(effect.levels[i].level for i in known))
    caption = f"{title}: share of images above a threshold, in percent, with the interval of each share alone (exploratory)"
    return Table(f"{title}: thresholds", caption, columns, rows)


# ---- table ---------------------------------------------------------------------------------------------------------------------------

_QUESTION: Columns = {
    "question": "id", **{name: name for name in ("kind", "measurement", "metric", "outcome", "attribute", "primary", "tolerance", "steps")},
}  # fmt: skip
_EFFECT: Columns = {name: name for name in ("first", "second", "value", "low", "high", "standard_error", "reach")} | {"p_of_pair": "p"}
_DECIDED: Columns = {name: name for name in ("p", "p_adjusted", "minimum_detectable", "verdict")}


def table(results: Results) -> TidyTable:
    """Return one row per question and pair; p, its adjustment and the verdict belong to the question and are repeated."""
    rows = ((audit, effect, one, effect) for audit in results.audits for effect in audit.effects for one in effect.effects or (None,))
    return tidy((AUDIT, _QUESTION, _EFFECT, _DECIDED), (row for row in rows if row[2] is not None))
