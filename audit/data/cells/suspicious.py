"""Levels that a reader of the data should check: those that differ only in case, or that look like a missing value or a date."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from audit.types import Note
from strictio.tables import quoted


def folded(text: str) -> str:
    """A text without differences that a reader overlooks: case, spaces and Unicode form."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


_NO_VALUE = frozenset({"na", "n/a", "n.a.", "nan", "none", "null", "missing", "not known", "-", "--", "?"})
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DATE = re.compile(rf"\d{{1,2}}-{_MONTH}|{_MONTH}-\d{{1,2}}")


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
    dates = [quoted(level) for level in everything if _DATE.fullmatch(folded(level))]
    notes = [Note("level_like_missing", {"column": name, "level": level}) for level in empty]
    notes += [Note("level_like_date", {"column": name, "level": date}) for date in dates[:1]]
    return near_duplicates(name, everything) + notes


def near_duplicates(name: str, levels: Iterable[str]) -> list[Note]:
    """A note for each set of levels that look alike."""
    alike: dict[str, list[str]] = defaultdict(list)
    for level in sorted(levels):
        alike[folded(level)].append(level)
    return [Note("near_duplicates", {"column": name, "levels": tuple(map(ascii, same))}) for same in alike.values() if len(same) > 1]
