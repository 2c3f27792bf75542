"""Levels that a reader of the data should check: those that differ only in case, or that look like a missing value or a date."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from audit.types import Note
from strictio.tables import quoted


def folded(text: str) -> str:
    """A text without differences that a reader overlooks: case, spaces and Unicode form."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


_NO_VALUE = frozenset({"na", "n/a", "n.a.", "nan", "none", "null", "missing", "not known", "-", "--", "?"})
_MONTH_NAME = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_MANGLED_RANGE = re.compile(rf"\d{{1,2}}-{_MONTH_NAME}|{_MONTH_NAME}-\d{{1,2}}")


def suspicious_levels(name: str, levels: Iterable[str]) -> list[Note]:
    """A note for each set of groups that look alike, and for groups that look like a missing value or a corrupted one.

    Examples
    --------
    >>> for note in suspicious_levels("age", ["N/A", "10-19", "9-Mar"]):
    ...     print(note)
    level like missing: column age, level 'N/A'
    level like date: column age, level '9-Mar'
    """
    everything = sorted(levels)
    empty = [quoted(level) for level in everything if folded(level) in _NO_VALUE]
    dates = [quoted(level) for level in everything if _MANGLED_RANGE.fullmatch(folded(level))]
    notes = [Note("level_like_missing", {"column": name, "level": level}) for level in empty]
    notes += [Note("level_like_date", {"column": name, "level": date}) for date in dates[:1]]
    return near_duplicates(name, everything) + notes


def near_duplicates(name: str, levels: Iterable[str]) -> list[Note]:
    """A note for each set of levels that look alike."""
    alike: dict[str, list[str]] = defaultdict(list)
    for level in sorted(levels):
        alike[folded(level)].append(level)
    return [Note("near_duplicates", {"column": name, "levels": tuple(map(ascii, same))}) for same in alike.values() if len(same) > 1]


# Columns of text whose values are not groups of images: dates, free text and identifiers.


DATES, TIMES, FREE_TEXT, IDENTIFIERS = "dates", "times of day", "free text", "identifiers"
_DAY, _MONTH, _YEAR = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])", r"(19|20)\d\d"
_NAMED_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_TIME = r"([T ]\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[ap]m)?( ?(z|utc|[+-]\d\d:?\d\d))?)?"
_DATE = re.compile(
    rf"({_YEAR}[-/.]{_MONTH}([-/.]{_DAY})?|{_YEAR}{_MONTH}{_DAY}|{_DAY}[-/.]{_MONTH}[-/.]({_YEAR}|\d\d)|{_MONTH}[-/.]{_DAY}[-/.]({_YEAR}|\d\d)"
    rf"|{_DAY}[- ]{_NAMED_MONTH},?[- ]({_YEAR}|\d\d)|{_NAMED_MONTH} {_DAY},? {_YEAR}|{_NAMED_MONTH},?[- ]{_YEAR}){_TIME}",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?( ?[ap]\.?m\.?)?", re.IGNORECASE)
_IDENTIFIER = re.compile(
    r"[^@\s]+@[^@\s]+\.[^@\s]+|[0-9a-f]{16,}|[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[a-z][a-z0-9+.-]*://\S+|.*[^\s.]\.(jpe?g|png|webp|gif|bmp|tiff?|avif|json|txt|csv)",
    re.IGNORECASE,
)
_TEXTS = frozenset({
    "comment", "comments", "remark", "remarks", "note", "notes", "feedback", "rationale", "explanation", "reasoning",
})  # fmt: skip
_NAMES = frozenset({
    "id", "ids", "uid", "uuid", "guid", "hash", "md5", "sha", "sha1", "sha256", "filename", "filepath", "path", "url", "uri",
})  # fmt: skip
_WORDS, _LONG = 6, 10
"""Values with so many words, at the median, are sentences; and so are all if one has as many as this."""
_ROWS = 20
"""In smaller tables, a group may have a single row."""


def no_groups(name: str, levels: Sequence[str], rows: int) -> str | None:
    """What the values of a column are if they are not groups: dates, times, free text or identifiers; else None.

    `levels` are the distinct values, without missing ones; `rows` is the number of rows of the table.

    Examples
    --------
    >>> no_groups("taken", ["2024-03-01", "2024-03-02"], 100), no_groups("age", ["0-2", "3-9", "10-19"], 100)
    ('dates', None)
    >>> no_groups("notes", ["blurred", "fine"], 100), no_groups("photo_id", ["a", "b"], 100), no_groups("race", ["a", "b"], 2)
    ('free text', 'identifiers', None)
    """
    words = {word.casefold() for word in re.split(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])", name)}
    for what, pattern in ((DATES, _DATE), (TIMES, _CLOCK)):
        if all(pattern.fullmatch(level.strip()) for level in levels):
            return what
    lengths = [len(level.split()) for level in levels]
    if words & _TEXTS or median(lengths) >= _WORDS or max(lengths) >= _LONG:
        return FREE_TEXT
    if words & _NAMES or all(_IDENTIFIER.fullmatch(level.strip()) for level in levels) or (rows >= _ROWS and 2 * len(levels) > rows):
        return IDENTIFIERS
    return None
