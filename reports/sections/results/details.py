"""Findings in detail: a card each, the worst first; disparities open, all else folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.context import AuditContext, PlacedFinding
from reports.sections.results.card import Card, card_of
from reports.text.order import strongest_signals

MOST_OPEN, MOST_ROWS, MOST_FOLDED = 2, 16, 4
"""Disparities that are open, the rows that their charts may have together, and cards below them up to which each has a line: the main part
stays within four screens."""


@dataclass(frozen=True)
class FindingDetails:
    """The cards of an audit."""

    cards: Sequence[tuple[Card, bool]]
    """A card, and whether it is open."""
    further: Sequence[Card]
    """Collapsed together."""


def view(context: AuditContext) -> FindingDetails | None:
    """Return the cards of an audit, each with whether it is open; many folded ones together. The strongest signals come last.

    The leading finding is folded too: the answer has its sentence, its chart and its numbers.
    """
    if not context.findings:
        return None
    leading, signals = (
        next((finding for finding in context.primary if finding.finding.gap), None),
        strongest_signals(context.audit.findings),
    )
    shown = [*context.primary, *(finding for finding in context.exploratory if finding.finding in signals)]
    opened = _opened([finding for finding in context.primary if finding.finding.verdict == "disparity" and finding is not leading])
    first, rest = (
        [finding for finding in shown if finding is leading or finding in opened],
        [finding for finding in shown if finding is not leading],
    )
    rest = [finding for finding in rest if finding not in opened]
    few = len(rest) <= MOST_FOLDED
    return FindingDetails(
        cards=[(card_of(finding, context), finding in opened) for finding in (*first, *(rest if few else ()))],
        further=[] if few else [card_of(finding, context) for finding in rest],
    )


def _opened(disparities: Sequence[PlacedFinding]) -> list[PlacedFinding]:
    """Return the first, and as many more as their charts leave room for."""
    rows, opened = 0, list[PlacedFinding]()
    for disparity in disparities[:MOST_OPEN]:
        rows += sum(cell.status == "ok" for cell in disparity.finding.by_group)
        opened += [disparity] if not opened or rows <= MOST_ROWS else []
    return opened
