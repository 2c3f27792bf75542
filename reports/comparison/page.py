"""The sections of a comparison, listed in page order: comparisons in, the page that `page.html` prints out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Comparisons, Side, to_json
from reports.comparison import details, models, steps, verdict
from reports.comparison.context import ComparisonContext, PlacedChange, comparison_contexts
from reports.comparison.steps import SeriesView
from reports.provenance import Provenance, provenance
from reports.read import COMPARISON
from reports.section import Link, Section, ShownSection, links, shown_sections
from reports.text import comparison as text

OF_COMPARISON: Sequence[Section[ComparisonContext]] = (
    Section("Verdict", "comparison/verdict", verdict.view),
    Section("All changes", "comparison/changes"),
    Section("In detail", "comparison/details", details.view),
)
"""Once a comparison."""
OF_PAGE: Sequence[Section[Comparisons]] = (
    Section("Models", "comparison/models", models.view),
    Section("Method", "comparison/method"),
    Section("Reproduce", "base/reproduce"),
    Section("Sign-off", "base/sign_off"),
)
"""Once a page, after the comparisons."""


@dataclass(frozen=True)
class ShownComparison:
    """A comparison with its sections."""

    context: ComparisonContext
    sections: tuple[ShownSection, ...]


@dataclass(frozen=True)
class ComparisonPage:
    """Everything that the templates print."""

    what = "comparison"
    script = ""
    about: Provenance
    deck: str
    comparisons: Comparisons
    series: tuple[SeriesView, ...]
    shown: tuple[ShownComparison, ...]
    closing: tuple[ShownSection, ...]

    @property
    def contents(self) -> list[Link]:
        """The lines of the contents."""
        many = len(self.series) > 1
        lines = [Link(f"Step by step · {each.series.probe}" if many else "Step by step", each.key) for each in self.series]
        for each in self.shown:
            found = each.context.comparison
            lines += [Link(f"{found.after} · {found.probe}", each.context.key, "contents-audit")] if len(self.shown) > 1 else []
            lines += links(each.sections)
        return [*lines, *links(self.closing)]

    @property
    def ends(self) -> list[tuple[str, Side]]:
        """What the masthead names: the first model and those that are compared with it."""
        names = {"before": "First", "after": "Last"} if self.series else {"before": "Before", "after": "After"}
        return [(names[role], side) for side, role in models.roles(self.comparisons) if role in names]

    @property
    def overview(self) -> list[tuple[ComparisonContext, PlacedChange | None]]:
        """The comparisons of a page with several."""
        return verdict.most_changed(each.context for each in self.shown) if len(self.shown) > 1 else []


def comparison_page(comparisons: Comparisons) -> ComparisonPage:
    """Return the page of `comparisons`."""
    hashes = [side.model.sha256 for side in comparisons.sides]
    return ComparisonPage(
        about=provenance(comparisons, text.comparisons_title(comparisons), hashes, COMPARISON, to_json(comparisons)),
        deck=text.deck(comparisons),
        comparisons=comparisons,
        series=steps.series_views(comparisons),
        shown=tuple(
            ShownComparison(context, shown_sections(OF_COMPARISON, context, context.key)) for context in comparison_contexts(comparisons)
        ),
        closing=shown_sections(OF_PAGE, comparisons),
    )
