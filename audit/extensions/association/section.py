"""Associations: which groups' images are closer to which words, compared with shuffled groups; and the CSV table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.association import sentences
from audit.extensions.association.record import AssociatedGroup, AssociationTest
from audit.results import Results
from audit.types import Settings
from reports.charts.forest import axis
from reports.charts.tracks import TrackRow, TrackTable, chance_track
from reports.context import AuditContext
from reports.section import AnalysisChart, AnalysisView
from reports.table import Row, Table
from reports.text import phrases
from reports.text.numbers import count, decimal, p_value
from reports.text.phrases import left_out_sentence
from reports.tidy import AUDIT, Columns, TidyTable, tidy

MOST_WORDS = 10
"""Rows of a chart; the table and the CSV file list all words and groups."""
_COLUMNS = ("d", "By chance", "Difference in cosine", "Adjusted p")


@dataclass(frozen=True, kw_only=True)
class AssociationChart(AnalysisChart):
    """The words and groups of one question by one attribute."""

    left_out: str
    """A sentence that names the groups not shown."""
    all: Table | None
    """All words and groups, if the chart shows only some of them."""


def view(context: AuditContext) -> AnalysisView[AssociationChart] | None:
    """Return the associations of an audit, or None."""
    associations, settings = context.audit.analyses["associations"], context.results.settings
    if not associations:
        return None
    return AnalysisView(
        asked=sentences.asked_sentence(associations),
        result=sentences.association_result(context.audit, settings),
        reading=sentences.READING,
        charts=(
            *(_view(association, settings) for association in associations if association.groups and association.second),
            *(_concepts(tests, settings) for tests in _by_question(associations) if tests[0].groups),
        ),
        # Many words by one attribute share a reason: print it once.
        without=tuple(dict.fromkeys(text for association in associations if (text := sentences.why_not(association)))),
        method=sentences.method_sentence(associations),
    )


def _view(association: AssociationTest, settings: Settings) -> AssociationChart:
    ends = [
        value for group in association.groups if group.chance for value in (group.effect_size or 0.0, group.chance.low, group.chance.high)
    ]
    ticks = axis(min(0.0, *ends), max(0.0, *ends)) if ends else axis(-1.0, 1.0)
    scale = (f"{decimal(ticks[0], 2)}, ‘{association.second}’", f"‘{association.first}’, {decimal(ticks[-1], 2)}")
    rows = tuple(_row(group, ticks) for group in sorted(association.groups, key=lambda group: -(group.effect_size or 0.0)))
    return AssociationChart(
        title=sentences.association_title(association),
        folded=not any(group.verdict == "signal" for group in association.groups),
        chart=TrackTable(phrases.stopped(association.question), "Group", scale, _COLUMNS, rows),
        left_out=left_out_sentence(association.left_out, settings),
        all=None,
    )


def _by_question(associations: Sequence[AssociationTest]) -> tuple[tuple[AssociationTest, ...], ...]:
    """Group single-word tests by question and attribute."""
    together: dict[tuple[str, str], list[AssociationTest]] = {}
    for association in associations:
        if not association.second:
            together.setdefault((association.question, association.attribute), []).append(association)
    return tuple(map(tuple, together.values()))


def _concepts(tests: Sequence[AssociationTest], settings: Settings) -> AssociationChart:
    """Return the chart of the most significant words, then those with the largest effect, and the table of all words."""
    pairs = [(test, group) for test in tests for group in test.groups]
    pairs.sort(key=lambda pair: (pair[1].p_adjusted, -abs(pair[1].effect_size or 0.0)))
    shown = pairs[:MOST_WORDS]
    bands = [(group.effect_size or 0.0, group.chance.low, group.chance.high) for _, group in shown if group.chance]
    ends = [value for band in bands for value in band]
    ticks = axis(min(0.0, *ends), max(0.0, *ends)) if ends else axis(-1.0, 1.0)
    shown.sort(key=lambda pair: (pair[1].group, -(pair[1].effect_size or 0.0)))
    rows = tuple(_row(group, ticks, test.first) for test, group in shown)
    return AssociationChart(
        title=sentences.association_title(tests[0]),
        folded=not any(group.verdict == "signal" for _, group in pairs),
        chart=TrackTable(
            sentences.concepts_caption(tests), "Word, group", (f"{decimal(ticks[0], 2)}, less close", f"closer, {decimal(ticks[-1], 2)}"),
            _COLUMNS, rows,
        ),
        left_out=left_out_sentence(tests[0].left_out, settings),
        all=_every(tests),
    )  # fmt: skip


def _every(tests: Sequence[AssociationTest]) -> Table:
    title = f"{sentences.association_title(tests[0])}: d of every word and group, adjusted p in brackets"
    rows = (Row((test.first, *(f"{decimal(g.effect_size, 2)} ({p_value(g.p_adjusted)})" for g in test.groups))) for test in tests)
    groups = (f"{phrases.group((group.group,))}, n\u00a0=\u00a0{count(group.n)}" for group in tests[0].groups)
    return Table(title, title, ("Word", *groups), tuple(rows))


def _row(group: AssociatedGroup, ticks: tuple[float, ...], word: str = "") -> TrackRow:
    known = group.effect_size is not None and group.chance is not None
    track = chance_track(group.effect_size or 0.0, group.chance, ticks, hot=group.verdict == "signal") if known and group.chance else ()
    cells = (decimal(group.effect_size, 2), sentences.by_chance(group), decimal(group.difference), p_value(group.p_adjusted))
    name, n = phrases.group((group.group,)), f"n\u00a0=\u00a0{count(group.n)}"
    return TrackRow(word or name, track, cells, f"{name}, {n}" if word else n)


_ASSOCIATION: Columns = {
    **{name: f"test.{name}" for name in ("question", "attribute", "first", "second")},
    **{name: f"group.{name}" for name in ("group", "n", "difference", "effect_size")}, "chance_low": "group.chance.low",
    "chance_high": "group.chance.high", **{name: f"group.{name}" for name in ("p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row per association and group; a positive effect size means closer to the first words."""
    rows = (
        (audit, {"test": test, "group": group})
        for audit in results.audits
        for test in audit.analyses["associations"]
        for group in test.groups
    )
    return tidy((AUDIT, _ASSOCIATION), rows)
