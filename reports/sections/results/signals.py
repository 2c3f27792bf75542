"""Signals of exploratory comparisons, and what the default rules left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.context import AuditContext
from reports.text import sentences
from reports.text.headline import left_out_by_rule, signal_sentence
from reports.text.order import strongest_signals


@dataclass(frozen=True)
class SignalLine:
    """A signal, with a link to its card."""

    key: str
    text: str


@dataclass(frozen=True)
class Signals:
    """The section "Not planned"."""

    title: str
    intro: str
    signals: tuple[SignalLine, ...]
    left_out: Sequence[str]


def view(context: AuditContext) -> Signals | None:
    """Return at most three signals, and what was left out; None if there is nothing exploratory and nothing was left out."""
    audit, settings = context.audit, context.results.settings
    signals = strongest_signals(audit.findings)
    placed = tuple(placed for finding in signals for placed in context.exploratory if placed.finding is finding)
    left_out = left_out_by_rule(audit)
    if not context.exploratory and not left_out:
        return None
    return Signals(
        title="Not planned, but visible" if sentences.signals_sentence(audit) else "Not planned",
        intro=sentences.signals_sentence(audit) or sentences.no_signal_sentence(audit),
        signals=tuple(SignalLine(signal.key, signal_sentence(signal.finding, audit, settings)) for signal in placed),
        left_out=left_out,
    )
