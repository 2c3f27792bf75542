"""Tables of a page, made from items with one function per column; `base/macros.html` prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
Columns = Sequence[tuple[str, Callable[[T], str]]]


@dataclass(frozen=True)
class Row:
    """Texts of a row; the first is its heading."""

    cells: tuple[str, ...]
    faint: bool = False
    """Whether the row is not part of the comparison."""
    key: str = ""
    """Anchor that the heading links to, if any."""


@dataclass(frozen=True)
class Table:
    """A table as it is printed."""

    label: str
    """Name of the scrollable region for screen readers."""
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    foot: tuple[Row, ...] = ()
    unseen: bool = False
    """Whether the caption is for screen readers only."""
    kind: str = ""
    """CSS class."""


def table_rows(columns: Columns[T], items: Iterable[T], *, faint: Callable[[T], bool] = lambda _: False) -> tuple[Row, ...]:
    """Return one row per item."""
    return tuple(Row(tuple(cell(item) for _, cell in columns), faint(item)) for item in items)


def headers(columns: Columns[T]) -> tuple[str, ...]:
    """Return the column headings."""
    return tuple(name for name, _ in columns)


MOST_ITEMS, ENDS = 20, 5


def only_the_ends(items: Iterable[T], size: Callable[[T], float], file: str = "results.json") -> tuple[list[T], str]:
    """Return the items of a table or a row of charts (only the smallest and the largest few of many), and a note for the caption."""
    all_items = list(items)
    if len(all_items) <= MOST_ITEMS:
        return all_items, ""
    ordered = sorted(all_items, key=size)
    kept = {id(item) for item in (*ordered[:ENDS], *ordered[-ENDS:])}
    return [
        item for item in all_items if id(item) in kept
    ], f" (the {ENDS} lowest and the {ENDS} highest of {len(all_items)}; {file} has all)"
