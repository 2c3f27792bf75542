"""Exploratory comparisons, one row each. Their groups are in rates.csv; the strongest signals have their own cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.context import AuditContext, PlacedFinding
from reports.sections.results.card import Card, card_of
from reports.text.order import strongest_signals

MOST_ROWS, MOST_CARDS = 40, 8
"""The most rows (gaps.csv has all), and the most comparisons that get cards, too."""


@dataclass(frozen=True)
class Exploratory:
    """The exploratory comparisons of an audit."""

    rows: tuple[tuple[PlacedFinding, bool], ...]
    """A comparison that can be estimated, and whether it has a card."""
    cards: Sequence[Card]
    estimable: int
    of: int


def view(context: AuditContext) -> Exploratory | None:
    """Return the exploratory comparisons that can be estimated, which of them have a card, and how many there are in all."""
    strongest = strongest_signals(context.audit.findings)
    estimable, of = [finding for finding in context.exploratory if finding.finding.gap], len(context.exploratory)
    others = [finding for finding in context.exploratory if finding.finding not in strongest]
    carded = others if len(others) <= MOST_CARDS else []
    linked = {finding.key for finding in (*carded, *(finding for finding in context.exploratory if finding.finding in strongest))}
    rows = tuple((finding, finding.key in linked) for finding in estimable[:MOST_ROWS])
    return Exploratory(rows, [card_of(finding, context) for finding in carded], len(estimable), of) if of else None
