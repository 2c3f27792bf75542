"""Verdict: the first screen, with three to five sentences, what was not tested, caveats, and gates."""

from __future__ import annotations

from types import SimpleNamespace

from reports.charts.panels import strip
from reports.sections.context import AuditContext
from reports.text import sentences
from reports.text.gates import gate_rows
from reports.text.notes import sentence
from reports.text.order import by_significance, reversed_at_equal, strongest_signals
from reports.text.responsiveness import look_sentences

MOST_TOP = 4


def view(context: AuditContext) -> SimpleNamespace:
    """Return the first screen."""
    audit = context.audit
    curves = enumerate(audit.specifications, 1)
    return SimpleNamespace(
        top=_top(context),
        signals=tuple(each for finding in strongest_signals(audit.findings) for each in context.exploratory if each.finding is finding),
        left_out=sentences.left_out(audit),
        warnings=tuple(map(sentence, audit.warnings)),
        looks=look_sentences(audit),
        # Anchor and question of each answer that depends on its prompt.
        sensitive=tuple((f"{context.key}-s{i}", curve.question) for i, curve in curves if sentences.is_prompt_sensitive(curve)),
        gates=gate_rows(context.results, audit),
    )


def _top(context: AuditContext) -> list[tuple[str, str, str, str, SimpleNamespace | None]]:
    """Up to five sentences that lead to their sections: the worst of the pre-specified questions, and the most significant pair."""
    pairs = sorted(context.audit.paired, key=by_significance)[:1]
    shown = [
        (sentences.headline(each.finding, context.audit), each.title, each.key, each.finding.verdict, strip(each.finding))
        for place, each in enumerate(context.primary)
        if place < MOST_TOP or reversed_at_equal(each.finding)
    ]
    pair = [(sentences.paired_headline(each), "Counterfactual pairs", f"{context.key}-paired", "", None) for each in pairs]
    return [*shown, *pair]
