"""Models compared: each model of a run against the first, paired on the same images, as on the page of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.records.comparison import SCHEMA_VERSION, Comparisons, Side
from audit.results import Results
from reports.comparison import details
from reports.comparison.context import ComparisonContext, PlacedChange, comparison_contexts
from reports.text.comparison import headline
from reports.text.notes import sentence

MOST_DRAWN = 4
"""The most changes with charts, among those whose gap changed; the page of `vlm-audit compare` has charts for every question."""


@dataclass(frozen=True)
class ModelComparison:
    """One model against the first, under one probe."""

    context: ComparisonContext
    rows: Sequence[PlacedChange]
    details: Sequence[details.ChangeCard]


@dataclass(frozen=True)
class PairedModelsView:
    """Every model of a run against the first."""

    shown: Sequence[ModelComparison]
    family: int
    """Number of changes that the verdicts are corrected for."""
    notes: tuple[str, ...]


def view(results: Results) -> PairedModelsView | None:
    """Return each comparison with its table, and charts of the gaps that changed; None if nothing was compared."""
    paired = results.paired_models
    if paired is None:
        return None
    shown = [_shown(context) for context in comparison_contexts(_comparisons(results))]
    return PairedModelsView(shown, paired.family, tuple(map(sentence, paired.notes)))


def _comparisons(results: Results) -> Comparisons:
    """Return the comparisons as `comparison.json` would contain them."""
    paired, names = results.paired_models, dict.fromkeys(audit.model.name for audit in results.audits)
    assert paired is not None  # noqa: S101  (called only if there are some)
    by_name = {audit.probe.name: audit.probe for audit in results.audits}
    sides = tuple(_side(name, results) for name in names)
    probes = tuple(by_name[name] for name in dict.fromkeys(comparison.probe for comparison in paired.comparisons))
    return Comparisons(
        SCHEMA_VERSION, "complete", results.tool, results.command, results.settings, paired.family, sides, probes, paired.comparisons, (),
        paired.notes, results.environment, results.timing,
    )  # fmt: skip


def _side(name: str, results: Results) -> Side:
    own = [audit for audit in results.audits if audit.model.name == name]
    return Side(name, own[0].model, "", "", results.timing.created, {audit.probe.name: audit.verdict for audit in own})


def _shown(context: ComparisonContext) -> ModelComparison:
    drawn = [placed for placed in context.primary if placed.change.direction][:MOST_DRAWN]
    primary = details.view(replace(context, changes=tuple(drawn))).primary
    # p-values and the other statistics are in the tables.
    shown = [replace(card, facts=(), reason=headline(card.placed.change, p=False)) for card in primary]
    return ModelComparison(context, _linked(context.primary, drawn), shown)


def _linked(rows: Sequence[PlacedChange], drawn: Sequence[PlacedChange]) -> list[PlacedChange]:
    """Return the rows of the table; only those with charts are links."""
    return [row if row in drawn else replace(row, key="") for row in rows]
