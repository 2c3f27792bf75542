"""Associations: whose images are nearer to which words, beside what shuffled groups give."""

from __future__ import annotations

from types import SimpleNamespace

from audit.records.analyses.similarity import AssociatedGroup, AssociationTest
from audit.types import Settings
from reports.charts.forest import axis
from reports.charts.tracks import TrackRow, TrackTable, chance_track
from reports.sections.context import AuditContext
from reports.text import phrases
from reports.text.analyses import association
from reports.text.analyses.ranking import left_out_sentence
from reports.text.numbers import count, decimal, p_value

TITLE, PLACE = "Who is near to which words", 20
_COLUMNS = ("d", "By chance", "Difference in cosine", "Adjusted p")


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the associations of an audit; None without any."""
    found, settings = context.audit.associations, context.results.settings
    if not found:
        return None
    return SimpleNamespace(
        asked=association.ASKED,
        result=association.association_result(context.audit, settings),
        reading=association.READING,
        charts=tuple(_view(each, settings) for each in found if each.groups),
        without=tuple(text for each in found if (text := association.why_not(each))),
        draws=next((count(each.draws) for each in found if each.groups), ""),
    )


def _view(each: AssociationTest, settings: Settings) -> SimpleNamespace:
    ends = [value for group in each.groups if group.chance for value in (group.effect_size or 0.0, group.chance.low, group.chance.high)]
    ticks = axis(min(0.0, *ends), max(0.0, *ends)) if ends else axis(-1.0, 1.0)
    scale = (f"{decimal(ticks[0], 2)}, ‘{each.second}’", f"‘{each.first}’, {decimal(ticks[-1], 2)}")
    rows = tuple(_row(group, ticks) for group in sorted(each.groups, key=lambda group: -(group.effect_size or 0.0)))
    return SimpleNamespace(
        title=association.association_title(each),
        folded=not any(group.verdict == "signal" for group in each.groups),
        chart=TrackTable(phrases.stopped(each.question), "Group", scale, _COLUMNS, rows),
        left_out=left_out_sentence(each.left_out, settings),
    )


def _row(group: AssociatedGroup, ticks: tuple[float, ...]) -> TrackRow:
    known = group.effect_size is not None and group.chance is not None
    track = chance_track(group.effect_size or 0.0, group.chance, ticks, hot=group.verdict == "signal") if known and group.chance else ()
    cells = (decimal(group.effect_size, 2), association.by_chance(group), decimal(group.difference), p_value(group.p_adjusted))
    return TrackRow(phrases.group((group.group,)), track, cells, f"n\u00a0=\u00a0{count(group.n)}")
