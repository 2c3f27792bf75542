"""The section "Where answers changed": for each group of the question, the images that count only before, and only after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.mitigate import sentences as text
from audit.extensions.mitigate.record import MITIGATION, Mitigation, MovedAnswers
from audit.records.comparison import RateChange
from reports.charts.tracks import TrackRow, TrackTable, exchange_track, signed_ends, signed_ticks
from reports.comparison.context import ComparisonContext
from reports.table import Columns, Table, headers, only_the_ends, table_rows
from reports.text import phrases
from reports.text.comparison import change_text
from reports.text.numbers import count

_MOVED: Columns[MovedAnswers] = (
    ("Group", lambda moved: phrases.group((moved.group,))),
    ("Answer before", lambda moved: phrases.group((moved.before,))),
    ("Answer after", lambda moved: phrases.group((moved.after,))),
    ("Images", lambda moved: count(moved.images)),
    ("Right only before", lambda moved: count(moved.lost)),
    ("Right only after", lambda moved: count(moved.gained)),
)
_COLUMNS = ("Images", "Only before", "Only after", "Change, points")


@dataclass(frozen=True)
class ChangedAnswers:
    """How many answers changed in each group, and which."""

    asked: str
    table: TrackTable
    moved: Table | None


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
    return ChangedAnswers(text.changed_rate(change, facts), TrackTable(caption, "Group", signed_ends(ticks), _COLUMNS, rows), _moved(facts))


def _moved(facts: Mitigation) -> Table | None:
    if not facts.moved:
        return None
    asked, by = facts.plan.question.partition("/")[0], phrases.attributes([facts.plan.attribute])
    caption = f"Which answers changed ({asked} by {by}): the most frequent changes"
    return Table(caption, caption, headers(_MOVED), table_rows(_MOVED, facts.moved), unseen=True)


def _shares(cell: RateChange) -> tuple[float, float]:
    return -cell.lost / cell.before.n, cell.gained / cell.before.n


def _row(cell: RateChange, ticks: Sequence[float]) -> TrackRow:
    numbers = (count(cell.before.n), count(cell.lost), count(cell.gained), change_text(cell))
    return TrackRow(
        phrases.group(cell.before.group), exchange_track(*_shares(cell), ticks), numbers, faint=cell.before.status != "ok"
    )  # fmt: skip
