"""The verdict of a comparison: the first screen of its page, with the groups of the leading change before and after in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Change, Comparison
from audit.types import Note
from reports.charts.dumbbells import ChangeChart, change_chart
from reports.comparison.context import ComparisonContext
from reports.text import verdicts
from reports.text.changes import levelled_sentence, unpaired_images
from reports.text.notes import sentence
from reports.text.verdicts import VerdictSentence


@dataclass(frozen=True)
class DrawnChange:
    """The groups of a change before and after, with title and caption."""

    marks: ChangeChart
    title: str
    caption: str


@dataclass(frozen=True)
class FirstScreen:
    """The first screen."""

    lead: Sequence[str]
    """Printed before the headline: which of the two models shows no evidence of using the images."""
    verdict: VerdictSentence
    counts: Sequence[tuple[str, str]]
    """Each outcome of the pre-specified questions with its count in words, worst first."""
    details: Sequence[str]
    tiles: Sequence[tuple[str, str]]
    """Number and label."""
    chart: DrawnChange | None


def view(context: ComparisonContext) -> FirstScreen:
    """Return the first screen."""
    comparison, settings = context.comparison, context.comparisons.settings
    verdict = verdicts.comparison_sentence(comparison)
    leading = verdict.leading[:1]
    moved = [verdicts.moved_sentence(change, settings) for change in leading]
    return FirstScreen(
        lead=[sentence(note) for note in context.comparisons.notes if _is_lead(note, comparison)],
        verdict=verdict,
        counts=verdicts.outcome_counts(comparison),
        details=(*moved, *levelled_sentence(comparison), *unpaired_images(comparison)),
        tiles=verdicts.change_tiles(verdict, comparison, settings),
        chart=next((drawn_change(change, context) for change in leading), None),
    )


def _is_lead(note: Note, comparison: Comparison) -> bool:
    """Whether a note says that one of the two models may not use the images: its gap may shrink to nothing for that reason alone."""
    return note.code == "does_not_look" and note.values["name"] in (comparison.before, comparison.after)


def drawn_change(change: Change, context: ComparisonContext) -> DrawnChange | None:
    """Return the chart of a change, or None if nothing can be compared."""
    settings = context.comparisons.settings
    marks = change_chart(change, settings.alpha)
    if marks is None:
        return None
    return DrawnChange(
        marks, f"{verdicts.question_title(change, context.comparison)}, before and after", verdicts.groups_chart_caption(change, settings)
    )
