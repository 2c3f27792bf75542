"""The count table of a whole measurement: every attribute at once, small enough to travel in `results.json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.evidence import CountRecord
from audit.types import UNKNOWN

if TYPE_CHECKING:
    from jaxtyping import Int

    from audit.types import Group, Measurement, Predictions

MOST_ROWS = 20_000
LARGEST_GRID = 2**53
"""Places beyond this are no whole numbers to a program that reads JSON into floats."""


@dataclass(frozen=True)
class _Column:
    name: str
    levels: Group
    codes: Int[np.ndarray, "n"]


def count_record(measurement: Measurement, predictions: Predictions, levels: Mapping[str, Group]) -> CountRecord:
    """Count the images of a measurement by all attributes together, true answer and answer.

    A table of more than 20,000 rows would outweigh everything else: the attribute with the most levels is then left out and named, of
    equals the last, then the next, and at last the true answer. What remains is exact: coarser, never cut.

    Parameters
    ----------
    measurement : Measurement
    predictions : Predictions
    levels : mapping of str to tuple of str
        attribute -> declared levels in the order in which they are shown; attributes without declared levels are not counted by.

    Returns
    -------
    CountRecord
        Rows in the order of the grid, without empty cells.
    """
    known = [name for name in levels if name in predictions.attributes.columns]
    values = {name: predictions.attributes[name] for name in known}
    attributes = [_column(name, _present(levels[name], [values[name]]), values[name]) for name in known]
    answers = _present(predictions.answers, [predictions.y_pred, *([] if predictions.y_true is None else [predictions.y_true])])
    truth = [] if predictions.y_true is None else [_column("y_true", answers, predictions.y_true)]
    columns = [*attributes, *truth, _column("y_pred", answers, predictions.y_pred)]
    kept, cells, n = _counted(columns, [*_widest_first(attributes), *truth, columns[-1]])
    names = {column.name for column in kept}
    shown = [column for column in attributes if column.name in names]
    return CountRecord(
        measurement=measurement.name,
        attributes=tuple(column.name for column in shown),
        levels=tuple(column.levels for column in shown),
        answers=answers,
        truth="y_true" in names,
        cells=tuple(cells.tolist()),
        n=tuple(n.tolist()),
        left_out=tuple(column.name for column in columns if column.name not in names),
    )


def _column(name: str, levels: Group, values: Iterable[str]) -> _Column:
    return _Column(name, levels, np.asarray(pd.Index(levels).get_indexer(pd.Index(values))))


def _present(declared: Group, values: Sequence[Iterable[str]]) -> Group:
    """Return the declared levels, then what else occurs, the unknown last."""
    occurring = {str(value) for each in values for value in pd.unique(pd.Index(each))}
    others = sorted(occurring - {*declared, UNKNOWN})
    known = tuple(level for level in declared if level != UNKNOWN)
    return (*known, *others, *((UNKNOWN,) if UNKNOWN in occurring else ()))


def _widest_first(attributes: Sequence[_Column]) -> list[_Column]:
    return [attributes[i] for i in sorted(range(len(attributes)), key=lambda i: (-len(attributes[i].levels), -i))]


def _counted(columns: Sequence[_Column], droppable: Sequence[_Column]) -> tuple[list[_Column], Int[np.ndarray, "r"], Int[np.ndarray, "r"]]:
    """Return the columns that fit, the occupied cells of their grid, and the images in each."""
    for dropped in range(len(droppable) + 1):
        names = {column.name for column in droppable[:dropped]}
        kept = [column for column in columns if column.name not in names]
        sizes = [len(column.levels) for column in kept]
        if prod(sizes) >= LARGEST_GRID:
            continue
        place = np.zeros(len(columns[-1].codes), np.int64)
        for column, size in zip(kept, sizes, strict=True):
            place = place * size + column.codes
        cells, n = np.unique(place, return_counts=True)
        if len(cells) <= MOST_ROWS:
            return kept, cells, n
    raise AssertionError("a table without columns has one row")
