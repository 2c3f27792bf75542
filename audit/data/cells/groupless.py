"""Columns of text whose values are not groups of images: dates, free text and identifiers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

DATES, FREE_TEXT, IDENTIFIERS = "dates", "free text", "identifiers"
_DAY, _MONTH, _YEAR = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])", r"(19|20)\d\d"
_NAMED_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_TIME = r"([T ]\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[ap]m)?( ?(z|utc|[+-]\d\d:?\d\d))?)?"
_DATE = re.compile(
    rf"({_YEAR}[-/.]{_MONTH}([-/.]{_DAY})?|{_YEAR}{_MONTH}{_DAY}|{_DAY}[-/.]{_MONTH}[-/.]({_YEAR}|\d\d)|{_MONTH}[-/.]{_DAY}[-/.]({_YEAR}|\d\d)"
    rf"|{_DAY}[- ]{_NAMED_MONTH},?[- ]({_YEAR}|\d\d)|{_NAMED_MONTH} {_DAY},? {_YEAR}|{_NAMED_MONTH},?[- ]{_YEAR}){_TIME}",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(
    r"[0-9a-f]{16,}|[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[a-z][a-z0-9+.-]*://\S+|.*[^\s.]\.(jpe?g|png|webp|gif|bmp|tiff?|avif|json|txt|csv)",
    re.IGNORECASE,
)
_TEXTS = frozenset({
    "comment", "comments", "remark", "remarks", "note", "notes", "feedback", "rationale", "explanation", "reasoning",
})  # fmt: skip
_NAMES = frozenset({
    "id", "ids", "uid", "uuid", "guid", "hash", "md5", "sha", "sha1", "sha256", "filename", "filepath", "path", "url", "uri",
})  # fmt: skip
_WORDS = 6
"""Values with so many words, at the median, are sentences."""
_ROWS = 20
"""In smaller tables, a group may have a single row."""


def no_groups(name: str, levels: Sequence[str], rows: int) -> str | None:
    """What the values of a column are if they are no groups: dates, free text or identifiers; else None.

    `levels` are the distinct values, without missing ones; `rows` is the number of rows of the table.

    Examples
    --------
    >>> no_groups("taken", ["2024-03-01", "2024-03-02"], 100), no_groups("age", ["0-2", "3-9", "10-19"], 100)
    ('dates', None)
    >>> no_groups("notes", ["blurred", "fine"], 100), no_groups("photo_id", ["a", "b"], 100), no_groups("race", ["a", "b"], 2)
    ('free text', 'identifiers', None)
    """
    words = {word.casefold() for word in re.split(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])", name)}
    if all(_DATE.fullmatch(level.strip()) for level in levels):
        return DATES
    if words & _TEXTS or median(len(level.split()) for level in levels) >= _WORDS:
        return FREE_TEXT
    if words & _NAMES or all(_IDENTIFIER.fullmatch(level.strip()) for level in levels) or (rows >= _ROWS and 2 * len(levels) > rows):
        return IDENTIFIERS
    return None
