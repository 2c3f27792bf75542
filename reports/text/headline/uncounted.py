"""What the verdict does not count, or may count twice."""

from __future__ import annotations

from collections.abc import Iterator

from audit.results import AuditResult
from reports.text import notes

_CODES = ("log_limited", "equal_rows_by_group")


def uncounted_sentences(audit: AuditResult) -> Iterator[str]:
    """Say which samples of a log were not run, and which rows are equal to others, if they stand out in a group."""
    yield from (notes.sentence(note) for note in audit.data.notes if note.code in _CODES)
