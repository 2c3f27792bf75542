"""The count table of a measurement, as `results.json` keeps it."""

from __future__ import annotations

from audit.records.base import record
from audit.types import Group


@record
class CountRecord:
    """Images of a measurement by every attribute, true answer and answer: what any rate of any slice can be read off.

    Attributes, true answer (where there is one) and answer span a grid, the last varying fastest; `cells` holds the places that have
    images, increasing, and `n` how many. ``numpy.unravel_index(cells, sizes)`` gives the codes back.
    """

    measurement: str
    attributes: tuple[str, ...]
    levels: tuple[Group, ...]
    """Of each attribute, in the order in which they are shown; the unknown last, where it occurs."""
    answers: Group
    """Possible answers in declared order, then other true answers; levels of the true answer and of the answer."""
    truth: bool
    """Whether the grid has an axis of true answers."""
    cells: tuple[int, ...]
    n: tuple[int, ...]
    left_out: tuple[str, ...]
    """Axes that a table of at most 20,000 rows had no room for, the one with the most levels first to go; counts add up over them."""
