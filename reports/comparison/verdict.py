"""The verdict of a comparison: the first screen of its page."""

from __future__ import annotations

from dataclasses import dataclass

from reports.comparison.context import ComparisonContext, PlacedChange
from reports.text.notes import sentence

MOST_TOP = 5
"""Most pre-specified changes on the first screen."""


@dataclass(frozen=True)
class FirstScreen:
    """What the first screen shows besides the verdict itself."""

    top: tuple[PlacedChange, ...]
    alone: tuple[str, ...]
    """The verdict of each model's own audit."""
    caveats: tuple[str, ...]


def view(context: ComparisonContext) -> FirstScreen:
    """Return the first screen."""
    comparison, comparisons, primary = context.comparison, context.comparisons, context.primary
    sides = (side for side in comparisons.sides if side.name in (comparison.before, comparison.after))
    return FirstScreen(
        top=(*primary, *context.exploratory)[: max(min(len(primary), MOST_TOP), 3)],
        alone=tuple(f"{side.name} alone: {side.verdicts[comparison.probe]}." for side in sides),
        caveats=tuple(map(sentence, (*comparisons.notes, *comparison.not_compared))),
    )
