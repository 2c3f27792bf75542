"""The sections of a comparison, listed in page order, and the page that `page.html` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Comparisons, to_json
from reports.comparison import changes, compared, details, gates, models, steps, verdict
from reports.comparison.context import ComparisonContext, comparison_contexts
from reports.comparison.overview import ComparisonsOverview, comparisons_overview
from reports.provenance import Provenance, provenance
from reports.read import COMPARISON
from reports.section import Article, Page, Section, appendix_parts, contents, shown_sections
from reports.text import comparison as text
from reports.text import phrases
from reports.text.detail.found import appendix_note
from reports.text.error_rates import comparisons_as_errors

OF_COMPARISON: Sequence[Section[ComparisonContext]] = (
    Section("Verdict", "comparison/verdict", verdict.view),
    Section("Gates", "comparison/gates", gates.view),
    Section("Questions", "comparison/changes", changes.view),
    Section("In detail", "comparison/details", details.view),
    Section("What was compared", "comparison/compared", compared.view),
)
"""Once per comparison."""
OF_PAGE: Sequence[Section[Comparisons]] = (Section("What this cannot tell", "comparison/limits"),)
"""Once per page, after the comparisons."""
APPENDIX: Sequence[Section[Comparisons]] = (
    Section("Models", "comparison/models", models.view),
    Section("Method", "comparison/method"),
    Section("Reproduce", "base/reproduce"),
)
"""Collapsed, once per page."""


@dataclass(frozen=True, kw_only=True)
class ComparisonPage(Page):
    """The page of a comparison."""

    about: Provenance
    deck: str
    comparisons: Comparisons
    series: tuple[steps.SeriesView, ...]
    shown: Sequence[Article[ComparisonContext]]
    overview: ComparisonsOverview | None
    """None if there is one comparison."""


def comparison_page(comparisons: Comparisons) -> ComparisonPage:
    """Return everything that the templates print about `comparisons`."""
    facts, comparisons = to_json(comparisons), comparisons_as_errors(comparisons)
    contexts, closing = comparison_contexts(comparisons), shown_sections(OF_PAGE, comparisons)
    shown = [Article(context, shown_sections(OF_COMPARISON, context, context.key)) for context in contexts]
    series, several = steps.series_views(comparisons), len(shown) > 1
    hashes = [side.model.sha256 for side in comparisons.sides if not phrases.answers_only(side.model)]
    return ComparisonPage(
        what="comparison",
        about=provenance(comparisons, text.comparisons_title(comparisons), hashes, COMPARISON, facts),
        deck=text.deck(comparisons),
        contents=[
            *((_series_name(view, several=len(series) > 1), view.key, "") for view in series),
            *contents(*((_name(part.context) if several else "", part.context.key, part.sections) for part in shown), ("", "", closing)),
        ],
        comparisons=comparisons,
        series=series,
        shown=shown,
        closing=closing,
        appendix=appendix_parts(("", None, shown_sections(APPENDIX, comparisons))),
        appendix_note=appendix_note(COMPARISON, has_tables=False),
        signed=True,
        overview=comparisons_overview(contexts) if several else None,
    )


def _series_name(view: steps.SeriesView, *, several: bool) -> str:
    name = text.series_name(view.series)
    return f"{name} · {view.series.probe}" if several else name


def _name(context: ComparisonContext) -> str:
    return f"{context.comparison.after} · {context.comparison.probe}"
