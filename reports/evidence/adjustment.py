"""Adjusted differences: the highest against the lowest group among images that are alike in other attributes."""

from __future__ import annotations

from dataclasses import dataclass

from audit.evidence.adjustment import Adjusted
from reports.charts.tracks import TrackRow, TrackTable, change_track, signed_ends, signed_ticks
from reports.context import AuditContext, PlacedFinding
from reports.text import evidence, phrases
from reports.text.numbers import decimals, number, p_value

TITLE, PLACE = "Adjusted for other attributes", 30


_COLUMNS = ("Raw", "Adjusted [interval]", "Shift", "p", "Strata")


@dataclass(frozen=True)
class AdjustmentView:
    """Raw and adjusted differences of the planned questions."""

    explained: tuple[str, ...]
    """How much of each gap the other attributes explain."""
    table: TrackTable


def view(context: AuditContext) -> AdjustmentView | None:
    """Return the planned questions that were adjusted: one row per attribute that was held equal, and one for all together."""
    adjusted = [(finding, adjustment) for finding in context.primary if (adjustment := finding.finding.evidence.adjustment)]
    if not adjusted:
        return None
    pairs = [pair for _, adjustment in adjusted for pair in adjustment.pairs]
    ticks = signed_ticks([end for pair in pairs for end in (pair.crude, pair.difference.low, pair.difference.high)])
    sentences = (
        evidence.explained_sentence(finding.title, finding.finding) for finding, _ in adjusted if finding.finding.verdict == "disparity"
    )
    return AdjustmentView(
        explained=tuple(filter(None, sentences)),
        table=TrackTable(
            "Highest minus lowest group, in points; hollow: raw, filled: adjusted, with its interval",
            "Groups",
            signed_ends(ticks),
            _COLUMNS,
            tuple(
                _row(pair, ticks, finding if i == 0 else None)
                for finding, adjustment in adjusted
                for i, pair in enumerate(adjustment.pairs)
            ),
        ),
    )


def _row(pair: Adjusted, ticks: tuple[float, ...], first_of: PlacedFinding | None) -> TrackRow:
    raw = number(pair.crude, decimals(pair.difference.low, pair.difference.high), signed=True)
    return TrackRow(
        f"{phrases.group(pair.first)} − {phrases.group(pair.second)}",
        change_track(pair.crude, pair.difference, ticks, hot=pair.shift is not None),
        (raw, phrases.signed(pair.difference), evidence.shift_text(pair), p_value(pair.p), evidence.strata_text(pair)),
        f"at equal {phrases.attributes(pair.others)}",
        above=first_of.title if first_of else "",
        above_key=first_of.key if first_of else "",
    )
