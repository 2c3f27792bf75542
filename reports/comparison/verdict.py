"""Verdict of a comparison: the first screen."""

from __future__ import annotations

from types import SimpleNamespace

from reports.comparison.context import ComparisonContext
from reports.text.notes import sentence

MOST_TOP = 5
"""Sentences of the first screen."""


def view(context: ComparisonContext) -> SimpleNamespace:
    """Return the first screen."""
    comparison, comparisons, primary = context.comparison, context.comparisons, context.primary
    sides = (side for side in comparisons.sides if side.name in (comparison.before, comparison.after))
    return SimpleNamespace(
        top=(*primary, *context.exploratory)[: max(min(len(primary), MOST_TOP), 3)],
        # The verdict of each model's own audit.
        alone=tuple(f"{side.name} alone: {side.verdicts[comparison.probe]}." for side in sides),
        caveats=tuple(map(sentence, (*comparisons.notes, *comparison.not_compared))),
    )
