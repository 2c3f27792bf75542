"""Models compared: each model of a run against the first, paired on the same images, as on the page of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.records.comparison import SCHEMA_VERSION, Comparisons, Side
from audit.results import Results
from reports.comparison import changes, verdict
from reports.comparison.changes import ChangedQuestions
from reports.comparison.context import ComparisonContext, comparison_contexts
from reports.comparison.verdict import FirstScreen
from reports.text.error_rates import comparisons_as_errors
from reports.text.notes import sentence


@dataclass(frozen=True)
class ModelComparison:
    """One model against the first, under one probe."""

    context: ComparisonContext
    first: FirstScreen
    questions: ChangedQuestions | None


@dataclass(frozen=True)
class PairedModelsView:
    """Every model of a run against the first."""

    shown: Sequence[ModelComparison]
    family: int
    """Number of changes that the verdicts are corrected for."""
    notes: tuple[str, ...]


def view(results: Results) -> PairedModelsView | None:
    """Return each comparison with the chart of its leading change and its questions; None if nothing was compared."""
    paired = results.paired_models
    if paired is None:
        return None
    shown = [_shown(context) for context in comparison_contexts(comparisons_as_errors(_comparisons(results)))]
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
    """Return one comparison; its rows lead nowhere, since each change in detail is on the page of `vlm-audit compare`."""
    unlinked = replace(context, changes=tuple(replace(placed, key="") for placed in context.changes))
    return ModelComparison(context, replace(verdict.view(context), steps=()), changes.view(unlinked))
