"""The verdict of a comparison: the first screen of its page, with the groups of the leading change before and after in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Change, Comparison
from audit.types import Note
from reports.charts.dumbbells import ChangeChart, change_chart
from reports.comparison.context import ComparisonContext
from reports.text import comparison_headline
from reports.text.changes import unpaired_images
from reports.text.comparison_headline import VerdictSentence
from reports.text.next_steps import comparison_steps
from reports.text.notes import sentence

MOST_ROWS = 14
"""The most groups, over both changes of a headline, for which both are drawn."""


@dataclass(frozen=True)
class DrawnChange:
    """The groups of a change before and after, with title and caption."""

    marks: ChangeChart
    title: str
    legend: tuple[tuple[str, str], tuple[str, str]]
    """The marks of the two models: hollow and filled, with their names."""
    caption: str


@dataclass(frozen=True)
class FirstScreen:
    """The first screen."""

    lead: Sequence[str]
    """Printed before the headline: which of the two models shows no evidence of using the images."""
    verdict: VerdictSentence
    counts: Sequence[tuple[str, str]]
    """Each outcome of the planned questions with its count in words, worst first."""
    details: Sequence[str]
    tiles: Sequence[tuple[str, str]]
    """Number and label."""
    steps: Sequence[str]
    """What to do next; empty if the page has several comparisons."""
    charts: Sequence[DrawnChange]


def view(context: ComparisonContext) -> FirstScreen:
    """Return the first screen."""
    comparison, settings = context.comparison, context.comparisons.settings
    verdict = comparison_headline.comparison_sentence(comparison, settings)
    charts = (drawn_change(change, context) for change in drawn_changes(verdict))
    return FirstScreen(
        lead=[sentence(note) for note in context.comparisons.notes if _is_lead(note, comparison)],
        verdict=verdict,
        counts=comparison_headline.outcome_counts(comparison),
        details=(*comparison_headline.moved_sentences(verdict.leading, comparison, settings), *unpaired_images(comparison)),
        tiles=comparison_headline.change_tiles(verdict, comparison, settings),
        steps=comparison_steps(verdict, comparison, context.comparisons) if len(context.comparisons.comparisons) == 1 else (),
        charts=[chart for chart in charts if chart],
    )


def drawn_changes(verdict: VerdictSentence) -> tuple[Change, ...]:
    """Return the changes drawn on the first screen: those of the headline, but only the first if both have many groups."""
    rows = sum(cell.before.status == "ok" for change in verdict.leading for cell in change.by_group)
    return verdict.leading if rows <= MOST_ROWS else verdict.leading[:1]


def _is_lead(note: Note, comparison: Comparison) -> bool:
    """Whether a note says that one of the two models may not use the images: its gap may shrink to nothing for that reason alone."""
    return note.code == "does_not_look" and note.values["name"] in (comparison.before, comparison.after)


def drawn_change(change: Change, context: ComparisonContext) -> DrawnChange | None:
    """Return the chart of a change, or None if nothing can be compared."""
    marks = change_chart(change, context.comparisons.settings.alpha)
    if marks is None:
        return None
    title = f"{comparison_headline.question_title(change, context.comparison)}, before and after"
    legend = comparison_headline.models_legend(context.comparison)
    return DrawnChange(marks, title, legend, comparison_headline.groups_chart_caption(change, context.comparisons.settings.alpha))
