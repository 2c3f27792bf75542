"""Text associations: which texts are close to which words, compared with neutral texts; and the CSV table."""

from __future__ import annotations

from dataclasses import dataclass

from audit.extensions.text_association import sentences
from audit.extensions.text_association.record import TextAssociation
from audit.results import Results
from reports.charts.forest import axis
from reports.charts.tracks import TrackRow, TrackTable, chance_track
from reports.context import AuditContext
from reports.text.numbers import decimal, p_value
from reports.tidy import AUDIT, Columns, TidyTable, tidy

_COLUMNS = ("d", "Neutral texts", "Detectable d", "p, other splits", "p, neutral texts", "Adjusted p")


@dataclass(frozen=True)
class TextAssociationView:
    """Which texts are close to which words."""

    asked: str
    result: str
    reading: str
    chart: TrackTable
    method: str


def view(context: AuditContext) -> TextAssociationView | None:
    """Return the text associations of an audit, or None."""
    associations = context.audit.analyses["text_associations"]
    if not associations:
        return None
    ends = [
        value
        for association in associations
        for value in (association.effect_size or 0.0, association.concepts.low, association.concepts.high)
    ]
    ticks = axis(min(0.0, *ends), max(0.0, *ends))
    rows = tuple(_row(association, ticks) for association in associations)
    scale = (decimal(ticks[0], 1), decimal(ticks[-1], 1))
    caption = "Sets of texts compared, and the words: a positive d means that the first set is closer to the first words."
    return TextAssociationView(
        asked=sentences.ASKED,
        result=sentences.text_result(context.audit, context.results.settings),
        reading=sentences.READING,
        chart=TrackTable(caption, "Texts, words", scale, _COLUMNS, rows),
        method=sentences.METHOD,
    )


def _row(association: TextAssociation, ticks: tuple[float, ...]) -> TrackRow:
    known = association.effect_size is not None
    track = chance_track(association.effect_size or 0.0, association.concepts, ticks, hot=association.verdict == "signal") if known else ()
    cells = (
        decimal(association.effect_size, 2), sentences.by_concepts(association), sentences.detectable_d(association),
        p_value(association.p_permuted),
        p_value(association.p_concepts), p_value(association.p_adjusted),
    )  # fmt: skip
    return TrackRow(sentences.row_title(association), track, cells, sentences.row_words(association))


_OWN: Columns = {
    "question": "each.question", **{name: name for name in ("first_texts", "second_texts", "first_words", "second_words")},
    "effect_size": "each.effect_size", "concepts_low": "each.concepts.low", "concepts_high": "each.concepts.high",
    "detectable": "each.detectable",
    **{name: f"each.{name}" for name in ("p_permuted", "exact", "p_concepts", "p", "p_adjusted", "verdict")},
}  # fmt: skip


def table(results: Results) -> TidyTable:
    """Return one row per text association; a positive effect size means that the first texts are closer to the first words."""
    rows = (
        (
            audit,
            {
                "each": text_association,
                **dict(
                    zip(
                        ("first_texts", "second_texts", "first_words", "second_words"),
                        text_association.targets + text_association.words,
                        strict=True,
                    )
                ),
            },
        )
        for audit in results.audits
        for text_association in audit.analyses["text_associations"]
    )
    return tidy((AUDIT, _OWN), rows)
