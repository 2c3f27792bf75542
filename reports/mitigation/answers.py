"""The section "Where answers changed": for each group of the question, the images that count only before, and only after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import RateChange
from audit.records.mitigation import MITIGATION, Mitigation
from reports.charts.tracks import TrackRow, TrackTable, exchange_track, signed_ends, signed_ticks
from reports.comparison.context import ComparisonContext
from reports.table import only_the_ends
from reports.text import mitigation as text
from reports.text import phrases
from reports.text.comparison import change_text
from reports.text.numbers import count

_COLUMNS = ("Images", "Only before", "Only after", "Change, points")


@dataclass(frozen=True)
class ChangedAnswers:
    """Where the answers of the question changed."""

    asked: str
    table: TrackTable


def view(facts: Mitigation, context: ComparisonContext) -> ChangedAnswers | None:
    """Return the changed answers by group; None if the question cannot be compared."""
    change = text.leading_change(facts)
    if change is None:
        return None
    cells, of = only_the_ends([cell for cell in change.by_group if cell.before.n], lambda cell: cell.difference or 0.0, MITIGATION)
    ticks = signed_ticks([end for cell in cells for end in _shares(cell)])
    caption = (
        "Share of a group’s images that count towards its rate only before the change (left) and only after it (right): a gap can close "
        f"because one group loses or because the other gains{of}."
    )
    rows = tuple(_row(cell, ticks) for cell in cells)
    return ChangedAnswers(text.rate_of(change, facts), TrackTable(caption, "Group", signed_ends(ticks), _COLUMNS, rows))


def _shares(cell: RateChange) -> tuple[float, float]:
    return -cell.lost / cell.before.n, cell.gained / cell.before.n


def _row(cell: RateChange, ticks: Sequence[float]) -> TrackRow:
    numbers = (count(cell.before.n), count(cell.lost), count(cell.gained), change_text(cell))
    return TrackRow(
        phrases.group(cell.before.group), exchange_track(*_shares(cell), ticks), numbers, faint=cell.before.status != "ok"
    )  # fmt: skip
