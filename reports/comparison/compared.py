"""The section "What was compared": images and models, caveats, and what was not tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.comparison.context import ComparisonContext
from reports.text.comparison import images_sentence
from reports.text.notes import sentence


@dataclass(frozen=True)
class ComparisonScope:
    """What was compared."""

    subjects: Sequence[str]
    """The images, the question of the probe, and the verdict of each model's own audit."""
    caveats: Sequence[str]
    not_tested: Sequence[str]


def view(context: ComparisonContext) -> ComparisonScope:
    """Return what was compared."""
    comparison, comparisons, probe = context.comparison, context.comparisons, context.probe
    sides = (side for side in comparisons.sides if side.name in (comparison.before, comparison.after))
    return ComparisonScope(
        subjects=(images_sentence(comparison), probe.question, *(f"{side.name} alone: {side.verdicts[probe.name]}." for side in sides)),
        caveats=tuple(map(sentence, (*comparisons.notes, *comparison.not_compared))),
        not_tested=probe.not_tested,
    )
