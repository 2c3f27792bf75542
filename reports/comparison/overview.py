"""Several comparisons of a page at a glance: small multiples of the questions, the models as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Change, GapEnds
from reports.charts.forest import Scale, short
from reports.charts.gaps import model_mark, models_axis
from reports.charts.multiples import MOST_COLUMNS, ChartedModel, ModelGap, ModelsChart, ModelVerdict, QuestionColumn
from reports.comparison.context import ComparisonContext, PlacedChange
from reports.text import comparison as text
from reports.text import comparison_headline, phrases, several
from reports.text.next_steps import preferred_model
from reports.text.numbers import number, span


@dataclass(frozen=True)
class ComparisonsOverview:
    """How the models differ from the first."""

    counts: Sequence[tuple[str, str]]
    """Each outcome with the number of comparisons that have it, worst first."""
    headline: str
    steps: Sequence[str]
    """What to do next."""
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
    said = comparison_headline.comparison_sentence(worst, contexts[0].comparisons.settings)
    return ComparisonsOverview(
        counts=comparison_headline.comparison_counts([context.comparison for context in contexts]),
        headline=f"{text.which(worst)}: {said.whole if said.lost else said.headline}",
        steps=[_preferred(drawn[0])] if drawn else [],
        chart=_chart(drawn, ordered) if drawn else None,
    )


def _preferred(asked: Sequence[_Asked]) -> str:
    first, changes = asked[0][0], [(context.comparison.after, placed.change) for context, placed in asked]
    return preferred_model(first.comparison.before, changes, first.comparisons.settings.alpha)


def _weight(context: ComparisonContext) -> tuple[float, ...]:
    """Sort key: models that are shown to be worse over all images first, then by the gap that changed most."""
    lost = comparison_headline.comparison_sentence(context.comparison, context.comparisons.settings).lost
    return (not lost, *min((text.by_weight(placed.change) for placed in context.primary), default=(float("inf"),)))


def _chart(drawn: Sequence[Sequence[_Asked]], contexts: Sequence[ComparisonContext]) -> ModelsChart:
    first = contexts[0].comparison.before
    models = [first, *dict.fromkeys(context.comparison.after for context in contexts)]
    changes = [placed.change for asked in drawn for _, placed in asked]
    scale, ticks = models_axis(changes)
    return ModelsChart(
        models=[ChartedModel(name, _verdicts(name, contexts), "") for name in models],
        columns=[_column(asked, models, scale) for asked in drawn],
        ticks=ticks,
        caption=comparison_headline.models_chart_caption(first),
        legend=comparison_headline.models_chart_legend(changes, contexts[0].comparisons.settings),
    )


def _column(asked: Sequence[_Asked], models: Sequence[str], scale: Scale) -> QuestionColumn:
    """Return the gaps of one question, that of the first model without a colour."""
    changes, places = [placed.change for _, placed in asked], min(text.few_places(placed.change) for _, placed in asked)
    gaps = {models[0]: _gap(changes[0], scale, places, key="")}
    gaps |= {context.comparison.after: _gap(placed.change, scale, places, key=placed.key) for context, placed in asked}
    return QuestionColumn(asked[0][1].title, several.images_that_count(changes), tuple(gaps.get(name) for name in models))


def _verdicts(name: str, contexts: Sequence[ComparisonContext]) -> list[ModelVerdict]:
    own = [context for context in contexts if context.comparison.after == name]
    return [
        ModelVerdict(
            context.key,
            text.outcome(context.comparison),
            comparison_headline.comparison_sentence(context.comparison, context.comparisons.settings).word,
            context.comparison.probe,
        )
        for context in own
    ]


def _gap(change: Change, scale: Scale, places: int, key: str) -> ModelGap:
    """Return the gap after a change or, without a key, before it: that of the first model."""
    assert change.gap is not None  # noqa: S101  (only questions with a gap are drawn)
    ends: GapEnds = change.gap.after if key else change.gap.before
    cells = {cell.before.group: cell.after if key else cell.before for cell in change.by_group}
    lowest, highest = cells[ends.lowest], cells[ends.highest]
    named = (f"{short(phrases.group(cell.group))} {phrases.cell_value(cell, lowest, highest)}" for cell in (lowest, highest))
    by = f"change {number(change.gap.difference, places, signed=True)}: " if key else ""
    return ModelGap(
        verdict=text.outcome(change) if key else "",
        marks=model_mark(ends, change.tolerance, scale),
        gap=number(ends.value, places),
        interval=span(ends.low, ends.high, places),
        groups=by + " → ".join(named),
        key=key,
    )
