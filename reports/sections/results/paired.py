"""Counterfactual pairs: what changes in the answer when one attribute changes."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.finding import PairedFinding
from reports.charts.tracks import TrackRow, TrackTable, difference_track, signed_ends, signed_ticks
from reports.sections.context import AuditContext
from reports.text import phrases
from reports.text.numbers import count, difference, in_words, p_value, rate


def _columns(event: str) -> tuple[str, ...]:
    return (
        "Net difference, points", "Pairs", "Answers that flip", f"{event} only for first", f"{event} only for second", "McNemar p",
        "Clustered p", "Adjusted p",
    )  # fmt: skip


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the pairs that the probe has."""
    paired = context.audit.paired
    if not paired:
        return None
    ticks = signed_ticks([end for each in paired for end in (each.low, each.high) if end is not None])
    title = "What changes when one attribute does"
    right, given = ([_row(each, ticks) for each in paired if (each.outcome is not None) is asked] for asked in (False, True))
    tables = [
        TrackTable(f"{title}: {event.lower()}" if right and given else title, "Changed", signed_ends(ticks), _columns(event), tuple(rows))
        for event, rows in (("Right", right), ("Given", given))
        if rows
    ]
    units = dict.fromkeys(phrases.attributes([each.cluster_attribute]) for each in paired)
    return SimpleNamespace(tables=tables, right=bool(right), given=bool(given), unit=" or ".join(units))


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
