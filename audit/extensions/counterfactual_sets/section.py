"""Counterfactual sets: how often answers change with the person, compared with harmless changes, and in which direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.counterfactual_sets import sentences
from audit.extensions.counterfactual_sets.record import CounterfactualSets, MemberPair
from audit.results import Results
from reports.charts.forest import axis, tick_texts
from reports.charts.tracks import TrackRow, TrackTable, baseline_track, difference_track, signed_ends, signed_ticks
from reports.context import AuditContext
from reports.table import Row, Table
from reports.text.numbers import count, decimal, difference, number, p_value
from reports.tidy import AUDIT, Columns, TidyTable, tidy

MOST_PAIRS = 6
"""Visible rows of the chart of directions; the others are collapsed."""


@dataclass(frozen=True)
class CounterfactualSetsView:
    """How often answers change with the person, and in which direction."""

    asked: str
    result: str
    reading: str
    direction: str
    """How to read the chart of shifts."""
    changes: TrackTable | None
    shifts: TrackTable | None
    rest: TrackTable | None
    """The remaining shifts, collapsed."""
    rest_title: str
    harmless: Table | None
    members: Table | None
    """Sets of more than two members."""
    not_judged: Table | None
    """Why sets are shown without a verdict, or not at all."""
    method: str


def view(context: AuditContext) -> CounterfactualSetsView | None:
    """Return the counterfactual sets of an audit, or None."""
    with_sets = [sets for sets in context.audit.analyses["counterfactual_sets"] if sets.sets]
    if not context.audit.analyses["counterfactual_sets"]:
        return None
    pairs = sorted(((sets, pair) for sets in with_sets for pair in sets.pairs), key=_significance)
    ends = [end for _, pair in pairs for end in (pair.net.low, pair.net.high)]
    ticks = signed_ticks(ends) if ends else ()
    judged = any(sets.reason is None for sets in with_sets)
    return CounterfactualSetsView(
        asked=sentences.ASKED,
        result=sentences.sets_result(context.audit, context.results.settings),
        reading=sentences.READING if with_sets else "",
        direction=sentences.DIRECTION if pairs else "",
        changes=_changes(with_sets) if with_sets else None,
        shifts=_shifts(pairs[:MOST_PAIRS], ticks) if pairs else None,
        rest=_shifts(pairs[MOST_PAIRS:], ticks) if pairs[MOST_PAIRS:] else None,
        rest_title=f"The other {count(len(pairs) - MOST_PAIRS)} comparisons" if pairs[MOST_PAIRS:] else "",
        harmless=_harmless(with_sets),
        members=_members(with_sets),
        not_judged=_not_judged(context.audit.analyses["counterfactual_sets"]),
        method=sentences.method(with_sets) if judged else "",
    )


def _significance(named: tuple[CounterfactualSets, MemberPair]) -> tuple[bool, float, float]:
    sets, pair = named
    return sets.reason is not None, min(pair.net_p_adjusted, pair.shift_p_adjusted), -abs(pair.net.value)


def _changes(all_sets: Sequence[CounterfactualSets]) -> TrackTable:
    shown = [end for sets in all_sets for end in (sets.differing, sets.harmless and sets.harmless.rate) if end]
    ticks = axis(0.0, max(0.01, *(end.high for end in shown)))
    columns = ("Another person", "Harmless change", "Excess, points", "Adjusted p", "Sets")
    questions = [sets.question for sets in all_sets]
    rows = tuple(
        _change(sets, ticks, "" if i and questions[i - 1] == sets.question else sentences.asked_in_full(sets))
        for i, sets in enumerate(all_sets)
    )
    ends = ("0\u00a0%", f"{tick_texts(ticks)[-1]}\u00a0%")
    return TrackTable("How often the answer changes", "Changed", ends, columns, rows)


def _change(sets: CounterfactualSets, ticks: tuple[float, ...], above: str) -> TrackRow:
    baseline = sets.harmless
    hot = baseline is not None and baseline.verdict == "signal"
    track = baseline_track(sets.differing, baseline.rate if baseline else None, ticks, hot=hot) if sets.differing else ()
    cells = (
        sentences.estimate(sets.differing), sentences.estimate(baseline and baseline.rate),
        number(baseline.excess, 1, signed=True) if baseline else "",
        p_value(baseline.p_adjusted) if baseline and sets.reason is None else "not judged", sentences.sizes(sets),
    )  # fmt: skip
    return TrackRow(sentences.changed(sets), track, cells, faint=sets.reason is not None, above=above)


def _shifts(pairs: Sequence[tuple[CounterfactualSets, MemberPair]], ticks: tuple[float, ...]) -> TrackTable:
    columns = ("Net difference, points", "Only first", "Only second", "Adjusted p", "Shift of probability, points", "Adjusted p of it")
    rows = tuple(_shift(sets, pair, ticks) for sets, pair in pairs)
    return TrackTable("In which direction it changes", "First and second", signed_ends(ticks), columns, rows)


def _shift(sets: CounterfactualSets, pair: MemberPair, ticks: tuple[float, ...]) -> TrackRow:
    net, judged = pair.net, sets.reason is None
    track = difference_track(net.value, net.low, net.high, ticks, hot=pair.verdict == "signal")
    known = pair.shift_low is not None
    cells = (
        difference(net.value, net.low, net.high), count(pair.only_first), count(pair.only_second),
        p_value(pair.net_p_adjusted) if judged else "not judged",
        difference(pair.shift, pair.shift_low, pair.shift_high) if known else number(pair.shift, 1, signed=True),
        p_value(pair.shift_p_adjusted) if judged else "not judged",
    )  # fmt: skip
    return TrackRow(f"{pair.first}, {pair.second}", track, cells, f"‘{sets.outcome}’", faint=not judged)


def _harmless(all_sets: Sequence[CounterfactualSets]) -> Table | None:
    known = [(sets, sets.harmless) for sets in all_sets if sets.harmless]
    if not known:
        return None
    columns = ("Question", *(change.name for change in known[0][1].changes), "Sets")
    rows = tuple(
        Row((f"{sentences.asked_in_full(sets)} {sentences.changed(sets)}", *sentences.harmless_cells(base), count(base.sets)))
        for sets, base in known
    )
    title = "Answers that a harmless change alters"
    return Table(title, title, columns, rows)


def _members(all_sets: Sequence[CounterfactualSets]) -> Table | None:
    known = [(sets, sets.members_differ) for sets in all_sets if sets.members_differ]
    if not known:
        return None
    title = "Sets of more than two members"
    columns = ("Question", "Sets that flip", "Cochran’s Q", "Adjusted p of Q", "Adjusted p of probabilities")
    rows = tuple(
        Row(
            (
                f"{sentences.asked_in_full(sets)} {sentences.changed(sets)}",
                sentences.estimate(sets.flip_rate),
                f"{decimal(test.cochran_q, 1)} ({test.freedom} degrees of freedom)",
                *(p_value(p) if sets.reason is None else "not judged" for p in (test.q_p_adjusted, test.score_p_adjusted)),
            )
        )
        for sets, test in known
    )
    return Table(title, title, columns, rows)


def _not_judged(all_sets: Sequence[CounterfactualSets]) -> Table | None:
    rows = tuple(
        Row((sentences.asked_in_full(sets), sentences.changed(sets), sentences.sizes(sets), sentences.why_not(sets)))
        for sets in all_sets
        if sets.reason
    )
    title = "Not judged"
    return Table(title, title, ("Question", "Changed", "Sets", "Why"), rows, kind="wrapped") if rows else None


_SETS: Columns = {
    **{name: name for name in ("question", "attribute", "outcome", "cluster_attribute", "clusters", "sets", "incomplete", "reason")},
    "flips": "flips", "flip_rate": "flip_rate.value", "differing": "differing.value", "differing_low": "differing.low",
    "differing_high": "differing.high", "harmless": "harmless.rate.value", "harmless_low": "harmless.rate.low",
    "harmless_high": "harmless.rate.high", "excess": "harmless.excess", "excess_p": "harmless.p",
    "excess_p_adjusted": "harmless.p_adjusted",
    "excess_verdict": "harmless.verdict", "cochran_q": "members_differ.cochran_q", "q_p": "members_differ.q_p",
    "q_p_adjusted": "members_differ.q_p_adjusted", "score_p": "members_differ.score_p",
    "score_p_adjusted": "members_differ.score_p_adjusted",
}  # fmt: skip
_PAIR: Columns = {
    **{name: name for name in ("first", "second", "only_first", "only_second")},
    "net": "net.value", "net_low": "net.low", "net_high": "net.high",
    **{name: name for name in ("net_p", "net_p_adjusted", "shift", "shift_low", "shift_high", "shift_p", "shift_p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row per pair of members; values of the whole set are repeated in all its rows."""
    rows = ((audit, sets, pair) for audit in results.audits for sets in audit.analyses["counterfactual_sets"] for pair in sets.pairs)
    return tidy((AUDIT, _SETS, _PAIR), rows)
