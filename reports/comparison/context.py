"""What the sections of a comparison share: its records, and the anchor of each change on the page."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records.comparison import Change, Comparison, Comparisons
from audit.records.inputs import ProbeRecord
from reports.text import comparison as text
from reports.text import comparison_headline

MANY_GROUPS = 18
"""With more groups than this, a chart is collapsed and a table over steps is shortened."""


@dataclass(frozen=True)
class PlacedChange:
    """A change with its name and its anchor."""

    key: str
    title: str
    change: Change


@dataclass(frozen=True)
class ComparisonContext:
    """One model against the first, under one probe."""

    key: str
    comparison: Comparison
    comparisons: Comparisons
    changes: tuple[PlacedChange, ...]
    """Changed gaps come first."""

    @property
    def primary(self) -> tuple[PlacedChange, ...]:
        """The planned questions."""
        return tuple(change for change in self.changes if change.change.primary)

    @property
    def exploratory(self) -> tuple[PlacedChange, ...]:
        """The other comparisons."""
        return tuple(change for change in self.changes if not change.change.primary)

    @property
    def probe(self) -> ProbeRecord:
        """The probe of the comparison."""
        return next(probe for probe in self.comparisons.probes if probe.name == self.comparison.probe)


def comparison_contexts(comparisons: Comparisons) -> tuple[ComparisonContext, ...]:
    """Return the context of every comparison on a page."""
    return tuple(
        ComparisonContext(f"c{i}", comparison, comparisons, _placed(f"c{i}", comparison))
        for i, comparison in enumerate(comparisons.comparisons, 1)
    )


def _placed(key: str, comparison: Comparison) -> tuple[PlacedChange, ...]:
    placed = (
        PlacedChange(f"{key}-f{i}", comparison_headline.question_title(change, comparison), change)
        for i, change in enumerate(comparison.changes, 1)
    )
    return tuple(sorted(placed, key=lambda placed_change: text.by_weight(placed_change.change)))
