"""Score distributions: how the probabilities of an answer are spread in each group."""

from __future__ import annotations

from audit.evidence.score_spread import GroupSpread, ScoreSpread
from reports.charts.tracks import TrackRow, TrackTable, spread_track
from reports.context import AuditContext
from reports.text import phrases
from reports.text.numbers import count, number

TITLE, PLACE = "Score distributions", 60

_COLUMNS = ("5 %", "25 %", "50 %", "75 %", "95 %")


def view(context: AuditContext) -> tuple[TrackTable, ...] | None:
    """Return one table per score distribution."""
    return tuple(map(_table, (spread for spread in context.audit.evidence.score_spread if spread.groups))) or None


def _table(spread: ScoreSpread) -> TrackTable:
    whose = "the true answer" if spread.outcome is None else f"‘{spread.outcome}’"
    title = f"Probability of {whose} ({spread.measurement}) by {phrases.attributes(spread.attributes)}: quantiles in percent"
    return TrackTable(title, "Group", ("0\u00a0%", "100\u00a0%"), _COLUMNS, tuple(map(_row, spread.groups)), seen=False)


def _row(spread: GroupSpread) -> TrackRow:
    cells = tuple(number(value, 1) for value in spread.quantiles)
    return TrackRow(phrases.group(spread.group), spread_track(spread.quantiles), cells, f"n\u00a0=\u00a0{count(spread.n)}")
