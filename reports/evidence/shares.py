"""How often an answer was given to a group, and how often it is true there: the mix of the data, and what the model adds."""

from __future__ import annotations

from dataclasses import dataclass

from audit.records.finding import TruthShare
from audit.results import Finding
from audit.types import UNKNOWN
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, pair_track
from reports.context import AuditContext
from reports.text import phrases
from reports.text.numbers import count, difference, number, percent

TITLE, PLACE = "Answers given and true answers", 52
MOST_TABLES, MOST_GROUPS = 6, 20
"""If there are more, those with the largest excess of answers given over true answers are shown."""


@dataclass(frozen=True)
class SharesView:
    """Answers given and true answers."""

    tables: tuple[TrackTable, ...]
    of: int
    """Number of comparisons with known truth, shown or not."""


def view(context: AuditContext) -> SharesView | None:
    """Return one table per outcome with known truth and single attribute; if there are many, those with the largest excess."""
    findings = [finding for finding in context.audit.findings if finding.shares and len(finding.attributes) == 1]
    readable = [finding for finding in findings if len(_known(finding)) <= MOST_GROUPS]
    if not readable:
        return None
    shown = sorted(readable, key=_largest_excess, reverse=True)[:MOST_TABLES]
    return SharesView(tuple(map(_table, shown)), len(findings))


def _known(finding: Finding) -> list[TruthShare]:
    return [share for share in finding.shares if share.n and UNKNOWN not in share.group]


def _largest_excess(finding: Finding) -> float:
    return max((abs(share.excess or 0.0) for share in _known(finding)), default=0.0)


def _table(finding: Finding) -> TrackTable:
    known = _known(finding)
    ticks = axis(0.0, max(max(share.given or 0.0, share.true or 0.0) for share in known) or 0.01)
    texts = tick_texts(ticks)
    rows = tuple(
        TrackRow(
            phrases.group(share.group),
            pair_track(share.true or 0.0, share.given or 0.0, ticks),
            (percent(share.given, 1), percent(share.true, 1), _excess(share)),
            note=f"n\u00a0=\u00a0{count(share.n)}",
        )
        for share in known
    )
    by = phrases.attributes(finding.attributes)
    caption = f"‘{finding.outcome}’ by {by}: share given (filled) and true share (hollow)"
    return TrackTable(
        caption, by.capitalize(), (f"{texts[0]}\u00a0%", f"{texts[-1]}\u00a0%"), ("Given", "True", "Difference, points"), rows
    )


def _excess(share: TruthShare) -> str:
    if share.excess is None or share.low is None or share.high is None:
        return number(share.excess or 0.0, 1, signed=True)
    return difference(share.excess, share.low, share.high)
