"""What the default rules left out or assumed: a phrase for the first sentence, and one sentence per note."""

from __future__ import annotations

from collections.abc import Iterator

from audit.results import AuditResult
from audit.types import Note
from reports.text import notes, phrases
from reports.text.numbers import in_words

_COLUMNS = "attributes_by_rule_of_several"
_RULES = (
    _COLUMNS, "attributes_past_limit", "large_intersections", "classes_not_compared", "claims_without_column",
    "measurements_without_answers", "nearly_true",
    "nearly_copied", "copied", "single_numbers", "levels_not_compared", "answers_of_a_score",
    "made_from_answers", "equal_rows", "log_total",
)  # fmt: skip
"""Codes of notes about something that a default rule, rather than a choice, left out, did not divide into groups, or took for an answer;
and about a chosen attribute that a rule would leave out."""
_NAMED = 3


def left_out_by_rule(audit: AuditResult) -> tuple[str, ...]:
    """Return one sentence for everything that a default rule, not a person, left out or assumed."""
    return tuple(_columns_sentence(note) if note.code == _COLUMNS else notes.sentence(note) for note in _notes(audit))


def without_columns(audit: AuditResult) -> str:
    """Name the columns that a default rule left out: ``without ‘city’ (60 levels)``, if any."""
    columns = [column for note in _notes(audit) for column in _columns(note)]
    if not columns:
        return ""
    more = f" and {in_words(len(columns) - _NAMED, 'more column')}" if len(columns) > _NAMED else ""
    return f"without {', '.join(columns[:_NAMED])}{more}"


def _notes(audit: AuditResult) -> Iterator[Note]:
    return (note for note in (*audit.data.notes, *audit.warnings) if note.code in _RULES)


def _columns(note: Note) -> list[str]:
    """Return the columns that were not used, without the hints that follow their description."""
    others = note.values.get("others", ()) if note.code == _COLUMNS else ()
    return [_short(str(other)) for other in others] if isinstance(others, tuple) else []


def _short(column: str) -> str:
    known, semicolon, _ = column.partition(";")
    return f"{known})" if semicolon else known


def _columns_sentence(note: Note) -> str:
    columns = phrases.some(_columns(note))
    return (
        f"Columns left out by default: {columns}. Without --attributes, text columns with 2 to {note.values.get('levels', '')} levels that "
        "may be groups are compared; name others with it."
    )
