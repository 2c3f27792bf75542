"""Several comparisons of a page at a glance: small multiples of the questions, the models as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Change, GapEnds
from reports.charts.multiples import MOST_COLUMNS, ModelsChart, ModelVerdict, RateRange, multiple_column
from reports.comparison.context import ComparisonContext, PlacedChange
from reports.text import comparison as text
from reports.text import phrases, verdicts
from reports.text.numbers import number


@dataclass(frozen=True)
class ComparisonsOverview:
    """How the models differ from the first."""

    counts: Sequence[tuple[str, str]]
    """Each outcome with the number of comparisons that have it, worst first."""
    headline: str
    chart: ModelsChart | None
    """None if no question can be compared."""


_Asked = tuple[ComparisonContext, PlacedChange]


def comparisons_overview(contexts: Sequence[ComparisonContext]) -> ComparisonsOverview:
    """Return the first model and those that are compared with it, those whose gaps changed before the others."""
    ordered = sorted(contexts, key=_weight)
    questions: dict[tuple[str, str], list[_Asked]] = {}
    for context in ordered:
        for placed in context.primary:
            if placed.change.gap:
                questions.setdefault((context.comparison.probe, placed.change.id), []).append((context, placed))
    drawn = sorted(questions.values(), key=lambda asked: min(text.by_weight(placed.change) for _, placed in asked))[:MOST_COLUMNS]
    worst = ordered[0].comparison
    return ComparisonsOverview(
        counts=verdicts.comparison_counts([context.comparison for context in contexts]),
        headline=f"{text.which(worst)}: {verdicts.comparison_sentence(worst).headline}",
        chart=_chart(drawn, ordered) if drawn else None,
    )


def _weight(context: ComparisonContext) -> tuple[float, ...]:
    return min((text.by_weight(placed.change) for placed in context.primary), default=(float("inf"),))


def _chart(drawn: Sequence[Sequence[_Asked]], contexts: Sequence[ComparisonContext]) -> ModelsChart:
    first = contexts[0].comparison.before
    rows = [first, *dict.fromkeys(context.comparison.after for context in contexts)]
    columns = []
    for asked in drawn:
        placed = asked[0][1]
        ranges = {first: _range(placed.change, after=False, key="")}
        ranges |= {other.comparison.after: _range(change.change, after=True, key=change.key) for other, change in asked}
        columns.append(multiple_column(placed.title, ranges, rows))
    return ModelsChart([(name, _verdicts(name, contexts)) for name in rows], columns, verdicts.models_chart_caption(first))


def _verdicts(name: str, contexts: Sequence[ComparisonContext]) -> list[ModelVerdict]:
    own = [context for context in contexts if context.comparison.after == name]
    return [
        ModelVerdict(
            context.key, text.outcome(context.comparison), verdicts.comparison_sentence(context.comparison).word, context.comparison.probe
        )
        for context in own
    ]


def _range(change: Change, *, after: bool, key: str) -> RateRange:
    """Return the gap of one model; of the first, in grey."""
    assert change.gap is not None  # noqa: S101  (only questions with a gap are drawn)
    ends: GapEnds = change.gap.after if after else change.gap.before
    cells = {cell.before.group: cell.after if after else cell.before for cell in change.by_group}
    lowest, highest = cells[ends.lowest], cells[ends.highest]
    own = change.verdict_after if after else change.verdict_before
    disparity = own == "disparity"
    places = text.few_places(change)
    return RateRange(
        kind=text.outcome(change) if after and own != "not estimable" else "not estimable",
        lower=lowest.value or 0.0,
        higher=highest.value or 0.0,
        affected=(disparity and change.better == "high", disparity and change.better == "low"),
        gap=number(ends.value, places),
        interval=f"{number(change.gap.difference, places, signed=True)}" if after else "",
        groups=" → ".join(f"{phrases.group(cell.group)} {phrases.cell_value(cell, lowest, highest)}" for cell in (lowest, highest)),
        key=key,
    )
