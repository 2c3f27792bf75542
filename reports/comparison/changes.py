"""The section "Questions" of a comparison: every planned question in one row, its change on a shared axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import GapChange
from reports.charts.gaps import ChangeMark, change_mark, changes_axis
from reports.comparison.context import ComparisonContext, PlacedChange
from reports.text import comparison as text
from reports.text import comparison_headline
from reports.text.changes import change_tags
from reports.text.headline import captions
from reports.text.numbers import end, number


@dataclass(frozen=True)
class ChangedQuestion:
    """A question that can be compared."""

    placed: PlacedChange
    outcome: str
    tags: Sequence[str]
    ends: str
    """Both gaps: ``7.9 → 2.8``."""
    size: str
    interval: str
    mark: ChangeMark
    moved: str
    """The groups whose own rate changed."""


@dataclass(frozen=True)
class ChangedQuestions:
    """All planned questions of a comparison."""

    title: str
    caption: str
    ticks: tuple[tuple[str, str], ...]
    rows: Sequence[ChangedQuestion]
    rest: Sequence[PlacedChange]
    """Questions that cannot be estimated."""


def view(context: ComparisonContext) -> ChangedQuestions | None:
    """Return the questions; None if nothing was planned."""
    if not context.primary:
        return None
    judged = [(placed, placed.change.gap) for placed in context.primary if placed.change.gap]
    changes, settings = [placed.change for placed, _ in judged], context.comparisons.settings
    scale, ticks = changes_axis(changes)
    return ChangedQuestions(
        title=captions.questions_title(len(context.primary)),
        caption=comparison_headline.changes_caption(changes, context.comparisons.family, settings),
        ticks=ticks,
        rows=[_row(placed, gap, change_mark(placed.change, gap, scale), settings.alpha) for placed, gap in judged],
        rest=[placed for placed in context.primary if placed.change.gap is None],
    )


def _row(placed: PlacedChange, gap: GapChange, mark: ChangeMark, alpha: float) -> ChangedQuestion:
    change, places = placed.change, text.few_places(placed.change)
    return ChangedQuestion(
        placed=placed,
        outcome=text.outcome(change),
        tags=change_tags(change, alpha),
        ends=f"{number(gap.before.value, places)} → {number(gap.after.value, places)}",
        size=number(gap.difference, places, signed=True),
        interval=f"{end(gap.low, places, signed=True)} to {end(gap.high, places, signed=True)}",
        mark=mark,
        moved=comparison_headline.moved_names(change, alpha),
    )
