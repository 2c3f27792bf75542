"""The count table of a measurement in `results.json`."""

from __future__ import annotations

from audit.records.base import record
from audit.types import Group


@record
class CountRecord:
    """Images of a measurement by every attribute, true answer and answer: any rate of any slice can be computed from it.

    Attributes, true answer (if there is one) and answer form a grid, the last varying fastest; `cells` lists the indices of non-empty
    cells, ascending, and `n` their numbers of images. ``numpy.unravel_index(cells, sizes)`` recovers the codes.
    """

    measurement: str
    attributes: tuple[str, ...]
    levels: tuple[Group, ...]
    """Levels of each attribute, in display order; unknown comes last, if it occurs."""
    answers: Group
    """Possible answers in declared order, then other true answers: the levels of the true answer and of the answer."""
    truth: bool
    """Whether the grid has an axis of true answers."""
    cells: tuple[int, ...]
    n: tuple[int, ...]
    left_out: tuple[str, ...]
    """Axes omitted to keep the table within 20,000 rows, the one with the most levels first; counts are summed over them."""
