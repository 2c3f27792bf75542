"""The sections of a mitigation, listed in page order, and the page that `page.html` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from audit.records.comparison import Comparisons
from audit.records.mitigation import FILE, MITIGATION, Mitigation
from reports.comparison import changes, details, gates, models
from reports.comparison.context import ComparisonContext, comparison_contexts
from reports.mitigation import answers, evidence, plan, verdict
from reports.provenance import Provenance, provenance
from reports.section import Article, Page, Section, appendix_parts, contents, shown_sections
from reports.text import mitigation as text
from reports.text.detail.found import appendix_note


@dataclass(frozen=True)
class MitigationContext:
    """What the sections share: the facts, and the comparison of the two models as on a page of comparisons."""

    facts: Mitigation

    @cached_property
    def compared(self) -> ComparisonContext:
        """The changed model against the original."""
        return comparison_contexts(self.facts.compared)[0]


OF_MITIGATION: Sequence[Section[MitigationContext]] = (
    Section("What happened", "mitigation/verdict", lambda context: verdict.view(context.facts, context.compared)),
    Section("Gates", "comparison/gates", lambda context: gates.view(context.compared)),
    Section("Questions", "comparison/changes", lambda context: changes.view(context.compared)),
    Section("Where answers changed", "mitigation/answers", lambda context: answers.view(context.facts, context.compared)),
    Section("Cost in accuracy", "mitigation/cost", lambda context: evidence.cost_view(context.facts)),
    Section("Random maps as a control", "mitigation/controls", lambda context: evidence.controls_view(context.facts, training=False)),
    Section("Trainings as a control", "mitigation/controls", lambda context: evidence.controls_view(context.facts, training=True)),
    Section("All methods", "mitigation/methods", lambda context: evidence.methods_view(context.facts)),
    Section(text.LIMITS[False], "mitigation/limits", lambda context: plan.limits_view(context.facts, training=False)),
    Section(text.LIMITS[True], "mitigation/limits", lambda context: plan.limits_view(context.facts, training=True)),
    Section("Use the changed model", "mitigation/use", lambda context: plan.use_view(context.facts)),
)
APPENDIX: Sequence[Section[MitigationContext]] = (
    Section("The plan, and earlier runs", "mitigation/plan", lambda context: plan.view(context.facts)),
    Section("Questions in detail", "mitigation/details", lambda context: details.view(context.compared)),
    Section("Models", "comparison/models", lambda context: models.view(context.facts.compared)),
    Section("Method", "mitigation/how", lambda context: context.facts),
    Section("Method of the comparison", "comparison/method", lambda context: context.facts),
    Section("Reproduce", "base/reproduce", lambda context: context.facts),
)
"""Collapsed."""


@dataclass(frozen=True, kw_only=True)
class MitigationPage(Page):
    """The page of a mitigation."""

    about: Provenance
    deck: str
    shown: Article[MitigationContext]
    comparisons: Comparisons
    """For the parts that a page of comparisons has, too."""
    series: tuple[()] = ()


def mitigation_page(facts: Mitigation) -> MitigationPage:
    """Return everything that the templates print about a mitigation."""
    context = MitigationContext(facts)
    shown = Article(context, shown_sections(OF_MITIGATION, context))
    hashes = [facts.fold.source, facts.fold.written]
    return MitigationPage(
        what="mitigation",
        about=provenance(facts, text.page_title(facts), hashes, MITIGATION, FILE.to_json(facts)),
        deck=text.deck(facts),
        contents=contents(("", "", shown.sections)),
        shown=shown,
        appendix=appendix_parts(("", None, shown_sections(APPENDIX, context))),
        appendix_note=appendix_note(MITIGATION, has_tables=False),
        signed=True,
        comparisons=facts.compared,
    )
