"""Findings in detail: a card each, the worst first; disparities open, all else folded."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from reports.sections.context import AuditContext, PlacedFinding
from reports.sections.results.card import card_of
from reports.text.order import strongest_signals

MOST_OPEN, MOST_ROWS, MOST_FOLDED = 2, 16, 4
"""Disparities that are open, the rows that their charts may have together, and cards below them up to which each has a line: the main part
stays within four screens."""


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the cards of an audit, each with whether it is open; many folded ones together. The strongest signals come last.

    The leading finding is folded too: the answer has its sentence, its chart and its numbers.
    """
    if not context.findings:
        return None
    leading, signals = next((each for each in context.primary if each.finding.gap), None), strongest_signals(context.audit.findings)
    shown = [*context.primary, *(each for each in context.exploratory if each.finding in signals)]
    opened = _opened([each for each in context.primary if each.finding.verdict == "disparity" and each is not leading])
    first, rest = [each for each in shown if each is leading or each in opened], [each for each in shown if each is not leading]
    rest = [each for each in rest if each not in opened]
    few = len(rest) <= MOST_FOLDED
    return SimpleNamespace(
        cards=[(card_of(each, context), each in opened) for each in (*first, *(rest if few else ()))],
        further=[] if few else [card_of(each, context) for each in rest],
    )


def _opened(disparities: Sequence[PlacedFinding]) -> list[PlacedFinding]:
    """Return the first, and as many more as their charts leave room for."""
    rows, opened = 0, list[PlacedFinding]()
    for each in disparities[:MOST_OPEN]:
        rows += sum(cell.status == "ok" for cell in each.finding.by_group)
        opened += [each] if not opened or rows <= MOST_ROWS else []
    return opened
