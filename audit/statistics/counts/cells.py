"""The count table of a whole measurement: all attributes at once, small enough for `results.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.records.counts import CountRecord
from audit.statistics.counts.count_table import GroupedCounts, coarser
from audit.types import UNKNOWN, Group, Measurement, Predictions

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped

MOST_ROWS = 20_000
LARGEST_GRID = 2**53
"""Programs that read JSON numbers as floats cannot represent larger indices exactly."""


@dataclass(frozen=True)
class _Column:
    name: str
    levels: Group
    codes: Int[np.ndarray, "n"]


def count_record(measurement: Measurement, predictions: Predictions, levels: Mapping[str, Group]) -> CountRecord:
    """Count the images of a measurement by all attributes, true answer and answer, without empty cells.

    A table of more than 20,000 rows would dominate the file: the attribute with the most levels (the last one of several) is then dropped
    and recorded, then the next, and finally the true answer. The remaining table is exact: coarser, but complete. Attributes without
    declared levels are not included.
    """
    known = [name for name in levels if name in predictions.attributes.columns]
    attributes = [_column(name, levels[name], predictions.attributes[name]) for name in known]
    answer_columns = [predictions.y_pred] if predictions.y_true is None else [predictions.y_true, predictions.y_pred]
    both = _column("y_pred", predictions.answers, np.concatenate(answer_columns))  # true answers and predictions have the same levels
    codes = np.split(both.codes, len(answer_columns))
    answers = [_Column(name, both.levels, code) for name, code in zip(("y_true", "y_pred")[-len(answer_columns) :], codes, strict=True)]
    columns = [*attributes, *answers]
    widest_first = sorted(attributes, key=lambda column: len(column.levels))[::-1]
    kept, cells, n = _counted(columns, [*widest_first, *answers], predictions.images_of_rows)
    names = {column.name for column in kept}
    shown = [column for column in attributes if column.name in names]
    return CountRecord(
        measurement=measurement.name,
        attributes=tuple(column.name for column in shown),
        levels=tuple(column.levels for column in shown),
        answers=both.levels,
        truth="y_true" in names,
        cells=tuple(cells.tolist()),
        n=tuple(n.tolist()),
        left_out=tuple(column.name for column in columns if column.name not in names),
    )


def _column(name: str, declared: Group, values: pd.Series | Shaped[np.ndarray, "n"]) -> _Column:
    """Number the level of each image: the declared levels, then others that occur, unknown last."""
    codes, occurring = pd.factorize(values)
    texts = [str(level) for level in occurring]
    known = tuple(level for level in declared if level != UNKNOWN)
    others = sorted(set(texts) - {*known, UNKNOWN})
    levels = (*known, *others, *((UNKNOWN,) if UNKNOWN in texts else ()))
    return _Column(name, levels, np.array([levels.index(level) for level in texts], np.int64)[codes])


def _counted(
    columns: Sequence[_Column], droppable: Sequence[_Column], images: Int[np.ndarray, "n"]
) -> tuple[list[_Column], Int[np.ndarray, "r"], Int[np.ndarray, "r"]]:
    """The columns that fit, the non-empty cells of their grid, and the number of images in each."""
    for dropped in range(len(droppable) + 1):
        names = {column.name for column in droppable[:dropped]}
        kept = [column for column in columns if column.name not in names]
        sizes = [len(column.levels) for column in kept]
        if prod(sizes) >= LARGEST_GRID:
            continue
        position = np.zeros(len(columns[-1].codes), np.int64)
        for column, size in zip(kept, sizes, strict=True):
            position = position * size + column.codes
        cells, cell = np.unique(position, return_inverse=True)
        if len(cells) <= MOST_ROWS:
            n = np.zeros(len(cells), np.int64)
            np.add.at(n, cell, images)
            return kept, cells, n
    raise AssertionError("a table without columns has one row")


@dataclass(frozen=True)
class CellTable:
    """A count record unpacked: one row per non-empty cell of the grid."""

    answered: Predictions
    """Answers for the images of each cell; without scores."""
    n: Int[np.ndarray, "r"]
    """Number of images in each cell."""
    levels: Mapping[str, Group]
    codes: Mapping[str, Int[np.ndarray, "r"]]
    """attribute -> each cell's index into its levels."""

    def place(self, by: Sequence[str]) -> tuple[tuple[Group, ...], Int[np.ndarray, "r"]]:
        """The groups without an unknown level, in display order, and each cell's group; -1 if a level is unknown."""
        return tuple(product(*(self._known(name) for name in by))), self.codes_of(by)

    def has(self, by: Sequence[str]) -> bool:
        """Whether the table has these attributes: if there are too many, `count_record` drops some."""
        return set(by) <= set(self.levels)

    def codes_of(self, by: Sequence[str]) -> Int[np.ndarray, "r"]:
        """Number of each cell's group without enumerating the groups (30 attributes of two levels have 10⁹); -1 if unknown."""
        position, unknown = np.zeros(len(self.n), np.int64), np.zeros(len(self.n), bool)
        for name in by:
            known = len(self._known(name))
            position = position * known + self.codes[name]
            unknown |= self.codes[name] >= known
        return np.where(unknown, -1, position)

    def _known(self, name: str) -> Group:
        return tuple(level for level in self.levels[name] if level != UNKNOWN)


def unpack(record: CountRecord) -> CellTable:
    """Convert the cells of a count record to rows.

    Examples
    --------
    >>> record = CountRecord("m", ("race",), (("B", "A"),), ("yes", "no"), False, (1, 2), (5, 7), ())
    >>> cells = unpack(record)
    >>> cells.answered.attributes["race"].tolist(), cells.answered.y_pred.tolist(), cells.n.tolist()
    (['B', 'A'], ['no', 'yes'], [5, 7])
    """
    axes = [*record.levels, *([record.answers] if record.truth else []), record.answers]
    codes = np.unravel_index(np.array(record.cells, np.int64), [len(axis) for axis in axes])
    columns = [np.array(axis, dtype=object)[code] for axis, code in zip(axes, codes, strict=True)]
    attributes = pd.DataFrame(dict(zip(record.attributes, columns, strict=False)), index=range(len(record.cells)), dtype="str")
    return CellTable(
        Predictions(
            labels=record.answers,
            answers=record.answers,
            scores=np.zeros((len(record.cells), 0), np.float32),
            y_pred=columns[-1].astype(str),
            y_true=columns[-2].astype(str) if record.truth else None,
            attributes=attributes,
            margin=np.zeros(len(record.cells), np.float32),
        ),
        np.array(record.n, np.int64),
        dict(zip(record.attributes, record.levels, strict=True)),
        dict(zip(record.attributes, codes, strict=False)),
    )


def regrouped(cells: CellTable, by: Sequence[str], levels: Mapping[str, Group]) -> GroupedCounts:
    """Sum the cells to groups of some attributes: the same counts as from the images."""
    answered = cells.answered
    truth = "" if answered.y_true is None else answered.y_true
    return coarser(answered.attributes[list(by)].assign(y_true=truth, y_pred=answered.y_pred, n=cells.n), by, levels)
