"""What nobody planned to ask and shows all the same; and what a rule left out."""

from __future__ import annotations

from types import SimpleNamespace

from reports.context import AuditContext
from reports.text import sentences
from reports.text.headline import left_out_by_rule, signal_sentence
from reports.text.order import strongest_signals


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return at most three signals, and what was left out; None where neither is."""
    audit, settings = context.audit, context.results.settings
    signals = strongest_signals(audit.findings)
    placed = tuple(placed for finding in signals for placed in context.exploratory if placed.finding is finding)
    left_out = left_out_by_rule(audit)
    if not context.exploratory and not left_out:
        return None
    return SimpleNamespace(
        title="Not planned, but visible" if signals else "Not planned",
        intro=sentences.signals_sentence(audit) or sentences.no_signal_sentence(audit),
        signals=tuple(SimpleNamespace(key=signal.key, text=signal_sentence(signal.finding, audit, settings)) for signal in placed),
        left_out=left_out,
    )
