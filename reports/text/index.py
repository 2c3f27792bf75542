"""Texts of an index of audits."""

from __future__ import annotations

from reports.text.numbers import in_words
from reports.text.numbers import level as level

TITLE = "Audits at a glance"
TABLE, BROKEN = "All audits", "Cannot be read"
COLUMNS = ("Model", "Probe", "Data", "Images", "Verdict", "Most severe planned question", "Gap, points", "Interval", "Date")
VERDICTS = ("disparity", "inconclusive", "equivalent", "not estimable")
"""In sort order: those that need attention come first."""
NONE_PLANNED = "no planned question"
CAPTION = (
    "One row per audit. The gap is that of its most severe pre-specified question, in points, with the interval at the level of that "
    "audit. Do not compare models by overlapping intervals: use vlm-audit compare."
)
SORT = "Click a column heading to sort; click again to reverse."


def deck(audits: int, directories: int) -> str:
    """Say how many audits there are, in how many directories."""
    return f"{in_words(audits, 'audit')} in {in_words(directories, 'directory', 'directories')}"
