"""Verdict: the first screen, with three to five sentences, what was not tested, caveats, and gates."""

from __future__ import annotations

from dataclasses import dataclass

from reports.charts.panels import Strip, strip
from reports.sections.context import AuditContext
from reports.text import sentences
from reports.text.gates import GateRow, gate_rows
from reports.text.notes import sentence
from reports.text.order import by_significance


@dataclass(frozen=True)
class TopSentence:
    """A sentence of the first screen that leads to its section."""

    sentence: str
    title: str
    key: str
    verdict: str
    strip: Strip | None


@dataclass(frozen=True)
class VerdictView:
    """The first screen of an audit."""

    top: tuple[TopSentence, ...]
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]
    sensitive: tuple[tuple[str, str], ...]
    """Anchor and question of each answer that depends on its prompt."""
    gates: tuple[GateRow, ...]


def view(context: AuditContext) -> VerdictView:
    """Return the first screen."""
    audit = context.audit
    curves = enumerate(audit.specifications, 1)
    return VerdictView(
        top=_top(context),
        left_out=sentences.left_out(audit),
        warnings=tuple(map(sentence, audit.warnings)),
        sensitive=tuple((f"{context.key}-s{i}", curve.question) for i, curve in curves if sentences.is_prompt_sensitive(curve)),
        gates=gate_rows(context.results, audit),
    )


def _top(context: AuditContext) -> tuple[TopSentence, ...]:
    """Three to five sentences: the worst findings, pre-specified ones first, and the most significant pair."""
    pairs = sorted(context.audit.paired, key=by_significance)[:1]
    room = max(min(len(context.primary), 4), 3 - len(pairs))
    shown = [
        TopSentence(sentences.headline(each.finding, context.audit), each.title, each.key, each.finding.verdict, strip(each.finding))
        for each in (*context.primary, *context.exploratory)[:room]
    ]
    pair = [TopSentence(sentences.paired_headline(each), "Counterfactual pairs", f"{context.key}-paired", "", None) for each in pairs]
    return (*shown, *pair)
