"""Counterfactual pairs: how answers change when one attribute changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.finding import PairedFinding
from reports.charts.tracks import TrackRow, TrackTable, difference_track, signed_ends, signed_ticks
from reports.context import AuditContext
from reports.text import phrases
from reports.text.numbers import count, difference, in_words, p_value, rate


def _columns(event: str) -> tuple[str, ...]:
    return (
        "Net difference, points", "Pairs", "Answers that flip", f"{event} only for first", f"{event} only for second", "McNemar p",
        "Clustered p", "Adjusted p",
    )  # fmt: skip


@dataclass(frozen=True)
class Pairs:
    """The counterfactual pairs of an audit."""

    tables: Sequence[TrackTable]
    right: bool
    """Whether some pairs count right answers."""
    given: bool
    """Whether some pairs count how often an outcome is given."""
    unit: str
    """Sampling unit."""


def view(context: AuditContext) -> Pairs | None:
    """Return the counterfactual pairs of the probe; None if it has none."""
    paired = context.audit.paired
    if not paired:
        return None
    ticks = signed_ticks([end for pair in paired for end in (pair.low, pair.high) if end is not None])
    title = "What changes when one attribute does"
    right, selected = ([_row(pair, ticks) for pair in paired if (pair.outcome is not None) is has_outcome] for has_outcome in (False, True))
    tables = [
        TrackTable(
            f"{title}: {event.lower()}" if right and selected else title, "Changed", signed_ends(ticks), _columns(event), tuple(rows)
        )
        for event, rows in (("Right", right), ("Given", selected))
        if rows
    ]
    units = dict.fromkeys(phrases.attributes([pair.cluster_attribute]) for pair in paired)
    return Pairs(tables, bool(right), bool(selected), " or ".join(units))


def _row(pair: PairedFinding, ticks: tuple[float, ...]) -> TrackRow:
    known = pair.difference is not None and pair.low is not None and pair.high is not None
    incomplete = f", {count(pair.incomplete)} incomplete" if pair.incomplete else ""
    return TrackRow(
        phrases.paired_title(pair),
        difference_track(pair.difference or 0.0, pair.low or 0.0, pair.high or 0.0, ticks) if known else (),
        (
            difference(pair.difference, pair.low, pair.high), f"{count(pair.n)}{incomplete}",
            rate(pair.flip_rate, pair.flip_low, pair.flip_high), count(pair.only_first_correct), count(pair.only_second_correct),
            p_value(pair.mcnemar_p), f"{p_value(pair.sign_flip_p)} ({in_words(pair.clusters, 'cluster')})", p_value(pair.p_adjusted),
        ),
        pair.measurement,
    )  # fmt: skip
