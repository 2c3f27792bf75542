"""The count table: all that the statistics need to know about the images.

A rate is a ratio of sums over this table, so the cost of later steps does not grow with the number of images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from audit.errors import DataError, UsageError, nearest
from audit.types import NO_ANSWER, UNKNOWN, Group, Predictions

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Shaped


IMAGES, WEIGHT = "n", "sum of weights"
"""Columns of a count table, whose names no attribute may have; the second only if images have weights."""


def count_table(
    attributes: pd.DataFrame,
    y_true: Shaped[np.ndarray, "n"] | None,
    y_pred: Shaped[np.ndarray, "n"],
    by: Sequence[str],
    weight: Float[np.ndarray, "n"] | None = None,
    count: Int[np.ndarray, "n"] | None = None,
) -> pd.DataFrame:
    """Count the images of each observed (attributes, true answer, answer).

    Columns are `by`, ``y_true`` (empty if there is no truth), ``y_pred``, ``n`` and, if images have weights, the sum of these;
    sorted, so that the order of the images does not matter. `attributes` has one row per image, strings only, no missing values; or `count`
    says how many images each row represents. Raises UsageError if an attribute does not exist; DataError if a value is missing: a group-by
    would drop the row, a comparison would count it as "not selected".

    Examples
    --------
    >>> rows = pd.DataFrame({"race": ["B", "A", "B"]})
    >>> count_table(rows, None, np.array(["cat", "cat", "cat"]), ["race"]).values.tolist()
    [['A', '', 'cat', 1], ['B', '', 'cat', 2]]
    """
    _check_names(attributes, by)
    truth = np.full(len(y_pred), "") if y_true is None else y_true
    columns: dict[str, Any] = {**{name: attributes[name] for name in by}, "y_true": truth, "y_pred": y_pred}
    rows = pd.DataFrame({name: pd.Categorical(values) for name, values in columns.items()})  # codes group faster than strings
    check_complete(rows)
    groups = list(columns)
    if count is not None:
        sums = rows.assign(**{IMAGES: count}).groupby(groups, observed=True)[IMAGES].sum().to_frame()
    elif weight is None:
        sums = rows.groupby(groups, observed=True).size().to_frame(IMAGES)
    else:
        # Sorted by weight, since the last digit of a sum of fractions depends on their order.
        rows = rows.assign(**{WEIGHT: weight}).iloc[np.argsort(weight, kind="stable")]
        sums = rows.groupby(groups, observed=True)[WEIGHT].agg(["size", "sum"]).set_axis([IMAGES, WEIGHT], axis=1)
    return sums.reset_index().astype(dict.fromkeys(groups, "str"))


def check_complete(rows: pd.DataFrame) -> None:
    """Raise DataError if a value is missing."""
    missing = rows.columns[rows.isna().any()].tolist()
    if missing:
        raise DataError(f"missing values in {', '.join(missing)}", fix=f"give each image a value, or the word {UNKNOWN!r}")


def _check_names(attributes: pd.DataFrame, by: Sequence[str]) -> None:
    for name in by:
        if name in ("y_true", "y_pred", IMAGES, WEIGHT):
            raise UsageError(f"an attribute cannot be called {name!r}", why="the count table uses that name", fix="rename the column")
        if name not in attributes.columns:
            raise UsageError(f"no attribute {name!r} to slice by", fix=nearest(name, map(str, attributes.columns)))


def group_order(table: pd.DataFrame, by: Sequence[str], levels: Mapping[str, Group]) -> tuple[Group, ...]:
    """The groups to show: every declared combination in declared order, then the observed ones with an unknown value.

    Raises DataError if the table contains a level that is not declared.
    """
    known = [tuple(level for level in levels[name] if level != UNKNOWN) for name in by]
    rank = [{level: position for position, level in enumerate((*declared, UNKNOWN))} for declared in known]
    for name, places in zip(by, rank, strict=True):
        for level in table[name]:
            if level not in places:
                raise DataError(f"undeclared value {level!r} of {name}", fix=nearest(level, places))
    unknown = [group for group in set(table[list(by)].itertuples(index=False, name=None)) if UNKNOWN in group]
    unknown.sort(key=lambda group: [places[level] for places, level in zip(rank, group, strict=True)])
    return (*product(*known), *unknown)


@dataclass(frozen=True)
class GroupedCounts:
    """A count table with the index of each row's group among the groups to show."""

    table: pd.DataFrame
    groups: tuple[Group, ...]
    codes: Int[np.ndarray, "r"]
    """Index into `groups` of each row of `table`."""

    def known_truth(self) -> GroupedCounts:
        """Only rows that have a true answer: without one, an answer is neither right nor wrong."""
        keep = (self.table["y_true"] != UNKNOWN).to_numpy()
        return self if keep.all() else GroupedCounts(self.table[keep], self.groups, self.codes[keep])

    def answered(self) -> GroupedCounts:
        """Only rows whose answer commits itself: neither "unclear" nor a refusal."""
        keep = ~self.table["y_pred"].isin(NO_ANSWER).to_numpy()
        return GroupedCounts(self.table[keep], self.groups, self.codes[keep])

    @property
    def measure(self) -> str:
        """The column whose sums form a rate: number of images, or sum of weights."""
        return WEIGHT if WEIGHT in self.table else IMAGES

    def by_group(self, counted: Bool[np.ndarray, "r"], column: str = IMAGES) -> Int[np.ndarray, "g"] | Float[np.ndarray, "g"]:
        """Number of images of each group in the counted rows, or the sum of another column."""
        values = self.table[column].to_numpy()
        sums = np.zeros(len(self.groups), values.dtype)
        np.add.at(sums, self.codes, np.where(counted, values, 0))
        return sums


def grouped_counts(predictions: Predictions, by: Sequence[str], levels: Mapping[str, Group]) -> GroupedCounts:
    """Count the predictions by (attributes, true answer, answer) and number the groups in display order."""
    return _grouped(_counted(predictions, by), by, levels)


def _counted(predictions: Predictions, by: Sequence[str]) -> pd.DataFrame:
    return count_table(predictions.attributes, predictions.y_true, predictions.y_pred, by, predictions.weight, predictions.count)


def all_counts(
    predictions: Predictions, slices: Sequence[tuple[str, ...]], levels: Mapping[str, Group]
) -> dict[tuple[str, ...], GroupedCounts]:
    """Count the predictions for several slicings in one pass over the images: coarser tables are sums of the finest one."""
    if len(slices) < 2:
        return {by: grouped_counts(predictions, by, levels) for by in slices}
    names = tuple(dict.fromkeys(name for by in slices for name in by))
    finest = _counted(predictions, names)
    return {by: coarser(finest, by, levels) for by in slices}


def coarser(table: pd.DataFrame, by: Sequence[str], levels: Mapping[str, Group]) -> GroupedCounts:
    """Sum a finer count table to the groups of some of its attributes."""
    summed = [name for name in (IMAGES, WEIGHT) if name in table]
    return _grouped(table.groupby([*by, "y_true", "y_pred"], as_index=False, observed=True)[summed].sum(), by, levels)


def _grouped(table: pd.DataFrame, by: Sequence[str], levels: Mapping[str, Group]) -> GroupedCounts:
    return GroupedCounts(table, *group_codes(table, by, levels))


def group_codes(table: pd.DataFrame, by: Sequence[str], levels: Mapping[str, Group]) -> tuple[tuple[Group, ...], Int[np.ndarray, "r"]]:
    """The groups in display order, and the index of each row's group."""
    groups = group_order(table, by, levels)
    code_of = {group: code for code, group in enumerate(groups)}
    return groups, np.fromiter((code_of[row] for row in table[list(by)].itertuples(index=False, name=None)), np.int64, len(table))


def row_codes(attributes: pd.DataFrame, by: Sequence[str], levels: Mapping[str, Group]) -> tuple[tuple[Group, ...], Int[np.ndarray, "n"]]:
    """The groups in display order, and the index of each image's group.

    A declared group without images keeps its index. Raises DataError for an undeclared level or a missing value.
    """
    rows = attributes[list(by)].reset_index(drop=True)
    check_complete(rows)
    number = rows.groupby(list(by), observed=True, sort=True).ngroup().to_numpy()
    observed = rows.iloc[np.unique(number, return_index=True)[1]]
    groups, codes = group_codes(observed, by, levels)
    return groups, codes[number]
