"""Findings in detail: one card per finding, worst first; the first disparities are open, everything else is collapsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.context import AuditContext, PlacedFinding
from reports.sections.results.card import Card, card_of
from reports.sections.results.confusions import Confusions, confusions
from reports.sections.results.picture_rows import PictureRow, picture_rows
from reports.text.order import strongest_signals

MOST_OPEN, MOST_ROWS, MOST_FOLDED = 2, 16, 4
"""The most open disparities, the most rows of their charts together, and the most collapsed cards that get their own line: the main part
stays within four screens."""


@dataclass(frozen=True)
class FindingDetails:
    """The cards of an audit."""

    confusions: Confusions | None
    """Of the leading finding."""
    pictures: Sequence[PictureRow]
    """Right and wrong answers of its groups; empty if the data do not say that their images may be shown."""
    cards: Sequence[tuple[Card, bool]]
    """A card, and whether it is open."""
    further: Sequence[Card]
    """Collapsed together."""


def view(context: AuditContext) -> FindingDetails | None:
    """Return the cards of an audit, open or collapsed; many collapsed ones are combined. The strongest signals come last.

    The leading finding is collapsed, too: the first screen has its sentence, chart and numbers. What the model confuses in it is open.
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
        pictures=picture_rows(context.audit),
        confusions=confusions(leading.finding, context) if leading else None,
        cards=[(card_of(finding, context), finding in opened) for finding in (*first, *(rest if few else ()))],
        further=[] if few else [card_of(finding, context) for finding in rest],
    )


def _opened(disparities: Sequence[PlacedFinding]) -> list[PlacedFinding]:
    """Return the first disparity, and as many more as fit with their charts."""
    rows, opened = 0, list[PlacedFinding]()
    for disparity in disparities[:MOST_OPEN]:
        rows += sum(cell.status == "ok" for cell in disparity.finding.by_group)
        opened += [disparity] if not opened or rows <= MOST_ROWS else []
    return opened
