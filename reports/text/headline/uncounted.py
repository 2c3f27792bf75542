"""What the verdict does not count, or may count twice."""

from __future__ import annotations

from collections.abc import Iterator

from audit.results import AuditResult
from reports.text import notes


def uncounted_sentences(audit: AuditResult) -> Iterator[str]:
    """Say which rows are equal to others, if they stand out in a group."""
    yield from (notes.sentence(note) for note in audit.data.notes if note.code == "equal_rows_by_group")
