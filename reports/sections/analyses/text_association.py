"""Text associations: which texts are near to which words, beside what neutral texts give."""

from __future__ import annotations

from types import SimpleNamespace

from audit.analyses.text_association.record import TextAssociation
from reports.charts.forest import axis
from reports.charts.tracks import TrackRow, TrackTable, chance_track
from reports.sections.context import AuditContext
from reports.text.analyses import text_association
from reports.text.numbers import decimal, p_value

TITLE, PLACE = "Which texts are near to which words", 25
_COLUMNS = ("d", "Neutral texts", "p, dealt otherwise", "p, neutral texts", "Adjusted p")


def view(context: AuditContext) -> SimpleNamespace | None:
    """Return the text associations of an audit; None without any."""
    found = context.audit.text_associations
    if not found:
        return None
    ends = [value for each in found for value in (each.effect_size or 0.0, each.concepts.low, each.concepts.high)]
    ticks = axis(min(0.0, *ends), max(0.0, *ends))
    rows = tuple(_row(each, ticks) for each in found)
    scale = (decimal(ticks[0], 1), decimal(ticks[-1], 1))
    caption = "Sets of texts compared, and the words: a positive d says that the first set is nearer to the first words."
    return SimpleNamespace(
        asked=text_association.ASKED,
        result=text_association.text_result(context.audit, context.results.settings),
        reading=text_association.READING,
        chart=TrackTable(caption, "Texts, words", scale, _COLUMNS, rows),
        method=text_association.METHOD,
    )


def _row(each: TextAssociation, ticks: tuple[float, ...]) -> TrackRow:
    known = each.effect_size is not None
    track = chance_track(each.effect_size or 0.0, each.concepts, ticks, hot=each.verdict == "signal") if known else ()
    cells = (
        decimal(each.effect_size, 2), text_association.by_concepts(each), p_value(each.p_permuted), p_value(each.p_concepts),
        p_value(each.p_adjusted),
    )  # fmt: skip
    return TrackRow(text_association.row_title(each), track, cells, text_association.row_words(each))
