"""Tables of values at paths within objects: one row per item, one column per path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from audit.types import Note
from reports.text.notes import sentence

Columns = Mapping[str, str]
"""Path of the value of each column, such as ``gap.before.value``; the name of an empty group may follow after " or "."""
TidyTable = tuple[tuple[str, ...], Iterable[Sequence[object]]]
"""Column names, and rows of values; None is not estimable."""

AUDIT: Columns = {"model": "model.name", "probe": "probe.name"}


def tidy(columns: Sequence[Columns], items: Iterable[Sequence[object]]) -> TidyTable:
    """Return a table; every item is a sequence of objects, one per set of columns."""
    header = tuple(name for part in columns for name in part)
    return header, ([_value(item, path) for part, item in zip(columns, row, strict=True) for path in part.values()] for row in items)


def _value(item: object, path: str) -> object:
    """Return the value at a path; None if any part of it is None.

    Examples
    --------
    >>> _value({"group": ("a", "b")}, "group"), _value({"group": ()}, "group or all images"), _value({"gap": None}, "gap.value")
    ('a x b', 'all images', None)
    """
    dotted, _, empty = path.partition(" or ")
    for part in dotted.split("."):
        if item is None:
            return None
        item = item[int(part)] if isinstance(item, tuple) else item[part] if isinstance(item, Mapping) else getattr(item, part)
    if isinstance(item, tuple):
        return " x ".join(map(str, item)) or empty
    return sentence(item) if isinstance(item, Note) else item
