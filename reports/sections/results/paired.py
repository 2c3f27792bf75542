"""Counterfactual pairs: what changes in the answer when one attribute changes."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.results import PairedFinding
from reports.charts.tracks import TrackRow, TrackTable, difference_track, signed_ends, signed_ticks
from reports.sections.context import AuditContext
from reports.text import phrases
from reports.text.numbers import count, difference, in_words, p_value, rate

_COLUMNS = (
    "Net difference, points", "Pairs", "Answers that flip", "Right only for first", "Right only for second", "McNemar p", "Clustered p",
    "Adjusted p",
)  # fmt: skip


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the pairs that the probe has."""
    paired = context.audit.paired
    if not paired:
        return None
    ticks = signed_ticks([end for each in paired for end in (each.low, each.high) if end is not None])
    rows = tuple(_row(each, ticks) for each in paired)
    table = TrackTable("What changes when one attribute does", "Changed", signed_ends(ticks), _COLUMNS, rows)
    return SimpleNamespace(table=table, unit=phrases.attributes([paired[0].cluster_attribute]))


def _row(each: PairedFinding, ticks: tuple[float, ...]) -> TrackRow:
    known = each.difference is not None and each.low is not None and each.high is not None
    incomplete = f", {count(each.incomplete)} incomplete" if each.incomplete else ""
    return TrackRow(
        phrases.paired_title(each),
        difference_track(each.difference or 0.0, each.low or 0.0, each.high or 0.0, ticks) if known else (),
        (
            difference(each.difference, each.low, each.high), f"{count(each.n)}{incomplete}",
            rate(each.flip_rate, each.flip_low, each.flip_high), count(each.only_first_correct), count(each.only_second_correct),
            p_value(each.mcnemar_p), f"{p_value(each.sign_flip_p)} ({in_words(each.clusters, 'cluster')})", p_value(each.p_adjusted),
        ),
        each.measurement,
    )  # fmt: skip
