"""The page of a mitigation: what it did to the gap, what it cost, and whether random maps do as well; drawn from `mitigation.json`.

The sections are listed in page order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from audit.extensions.mitigate import sentences as text
from audit.extensions.mitigate.page import answers, evidence, plan, verdict
from audit.extensions.mitigate.record import FILE, MITIGATION, Mitigation
from audit.records.comparison import Comparisons
from reports.comparison import changes, details, gates, models
from reports.comparison.context import ComparisonContext, comparison_contexts
from reports.environment import draw
from reports.provenance import Provenance, provenance
from reports.section import Article, Page, Section, appendix_parts, contents, shown_sections
from reports.text.detail.found import appendix_note


@dataclass(frozen=True)
class _Context:
    """What the sections share: the facts, and the comparison of the two models as on a page of comparisons."""

    facts: Mitigation

    @cached_property
    def compared(self) -> ComparisonContext:
        """The changed model against the original."""
        return comparison_contexts(self.facts.compared)[0]


OF_MITIGATION: Sequence[Section[_Context]] = (
    Section("What happened", "mitigate/verdict", lambda context: verdict.view(context.facts, context.compared)),
    Section("Gates", "comparison/gates", lambda context: gates.view(context.compared)),
    Section("Questions", "comparison/changes", lambda context: changes.view(context.compared)),
    Section("Where answers changed", "mitigate/answers", lambda context: answers.view(context.facts, context.compared)),
    Section("Cost in accuracy", "mitigate/cost", lambda context: evidence.cost_view(context.facts)),
    Section("Random maps as a control", "mitigate/controls", lambda context: evidence.controls_view(context.facts, training=False)),
    Section("Trainings as a control", "mitigate/controls", lambda context: evidence.controls_view(context.facts, training=True)),
    Section("All methods", "mitigate/methods", lambda context: evidence.methods_view(context.facts)),
    Section(text.LIMITS[False], "mitigate/limits", lambda context: plan.limits_view(context.facts, training=False)),
    Section(text.LIMITS[True], "mitigate/limits", lambda context: plan.limits_view(context.facts, training=True)),
    Section("Use the changed model", "mitigate/use", lambda context: plan.use_view(context.facts)),
)
APPENDIX: Sequence[Section[_Context]] = (
    Section("The plan, and earlier runs", "mitigate/plan", lambda context: plan.view(context.facts)),
    Section("Questions in detail", "mitigate/details", lambda context: details.view(context.compared)),
    Section("Models", "comparison/models", lambda context: models.view(context.facts.compared)),
    Section("Method", "mitigate/how", lambda context: context.facts),
    Section("Method of the comparison", "comparison/method", lambda context: context.facts),
    Section("Reproduce", "base/reproduce", lambda context: context.facts),
)
"""Collapsed."""


@dataclass(frozen=True, kw_only=True)
class MitigationPage(Page):
    """The page of a mitigation."""

    about: Provenance
    deck: str
    shown: Article[_Context]
    comparisons: Comparisons
    """For the parts that a page of comparisons has, too."""
    series: tuple[()] = ()


def mitigation_page(facts: Mitigation) -> MitigationPage:
    """Return everything that the templates print about a mitigation."""
    context = _Context(facts)
    shown = Article(context, shown_sections(OF_MITIGATION, context))
    hashes = [facts.fold.source, facts.fold.written]
    return MitigationPage(
        what="mitigation",
        about=provenance(facts, text.page_title(facts), hashes, MITIGATION, FILE.to_json(facts)),
        deck=text.mitigation_deck(facts),
        contents=contents(("", "", shown.sections)),
        shown=shown,
        appendix=appendix_parts(("", None, shown_sections(APPENDIX, context))),
        appendix_note=appendix_note(MITIGATION, has_tables=False),
        signed=True,
        comparisons=facts.compared,
    )


def render_mitigation(facts: Mitigation) -> str:
    """Return the page of a mitigation as HTML."""
    return draw("mitigate/page.html", page=mitigation_page(facts))
