"""The count table: all that the statistics need to know about the images.

A rate is a ratio of sums over this table, so the cost of later steps does not grow with the number of images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from audit.data.cells.votes import votes
from audit.errors import DataError, UsageError, nearest
from audit.records.counts import CountRecord
from audit.types import NO_ANSWER, UNKNOWN, Group, Measurement, Predictions

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


# The count table of a whole measurement: all attributes at once, small enough for `results.json`.


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
    kept, cells, n = _cell_counts(columns, [*widest_first, *answers], predictions.images_of_rows)
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


def _cell_counts(
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


# Answers by group, computed from the count table: sums of counts and nothing else.


@dataclass(frozen=True)
class Crosstab:
    """Images by group, true answer and answer."""

    levels: Group
    """Levels of the attribute; of several attributes every combination, as in ``Black × Female``."""
    truths: Group
    """The true answers that occur; one empty name if there is no truth."""
    answers: Group
    """The possible answers and those that occur."""
    n: Int[np.ndarray, "g t a"]


def crosstab(record: CountRecord, *attributes: str) -> Crosstab:
    """Number of images for each level of an attribute, or of several together, by true answer and answer.

    Examples
    --------
    Two levels, two answers, no truth: 3 images of the second level got the first answer.

    >>> from audit.records.counts import CountRecord
    >>> record = CountRecord("m", ("light",), (("day", "night"),), ("yes", "no"), False, (1, 2), (4, 3), ())
    >>> crosstab(record, "light").n.tolist()
    [[[0, 4]], [[3, 0]]]
    """
    truths = record.answers if record.truth else ("",)
    shape = (*map(len, record.levels), len(truths), len(record.answers))
    *levels, truth, answer = np.unravel_index(np.array(record.cells, np.int64), shape)
    axes = [record.attributes.index(attribute) for attribute in attributes]
    sizes = [shape[axis] for axis in axes]
    group = np.ravel_multi_index([levels[axis] for axis in axes], sizes)
    n = np.zeros((prod(sizes), *shape[-2:]), np.int64)
    np.add.at(n, (group, truth, answer), np.array(record.n, np.int64))
    occurs = (n.sum(axis=(0, 2)) > 0) | (not record.truth)
    names = tuple(map(" × ".join, product(*(record.levels[axis] for axis in axes))))
    return Crosstab(names, tuple(np.array(truths, object)[occurs]), record.answers, n[:, occurs])


# Images that count in several groups: one row per image and group, weighted by the image's share in the group.


def level_shares(column: pd.Series) -> tuple[Int[np.ndarray, "r"], np.ndarray, Float[np.ndarray, "r"]]:
    """Image, level and share of every vote of an image; the shares of an image sum to 1.

    Examples
    --------
    >>> image, level, share = level_shares(pd.Series(["3|3|4", "unknown"]))
    >>> image.tolist(), level.tolist(), share.round(3).tolist()
    ([0, 0, 1], ['3', '4', 'unknown'], [0.667, 0.333, 1.0])
    """
    codes, texts = pd.factorize(column)
    chosen = [Counter(votes(str(text))) for text in texts]
    sizes = np.array([len(tally) for tally in chosen], np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    levels = np.array([level for tally in chosen for level in tally], object)
    parts = np.array([count / tally.total() for tally in chosen for count in tally.values()])
    many = sizes[codes]
    image = np.repeat(np.arange(len(codes)), many)
    within = np.arange(len(image)) - np.repeat(np.cumsum(many) - many, many)
    position = starts[codes[image]] + within
    return image, levels[position], parts[position]


def expanded(predictions: Predictions, names: Sequence[str]) -> Predictions:
    """Predictions with one row for each combination of an image's values of some attributes.

    The weight of a row is the product of its shares times the weight of the image; the cluster is that of the image, or the image itself.
    If every image has one value of each attribute, rows have no weights.
    """
    rows, share, levels = np.arange(len(predictions.y_pred)), np.ones(len(predictions.y_pred)), dict[str, np.ndarray]()
    for name in names:
        image, level, part = level_shares(predictions.attributes[name].iloc[rows])
        rows, share = rows[image], share[image] * part
        levels = {**{other: values[image] for other, values in levels.items()}, name: level}
    attributes = predictions.attributes.iloc[rows].assign(**levels).astype("str")
    if len(rows) == len(predictions.y_pred):
        return replace(predictions, attributes=attributes)
    cluster = np.arange(len(predictions.y_pred)) if predictions.cluster is None else predictions.cluster
    return replace(
        predictions,
        scores=predictions.scores[rows],
        y_pred=predictions.y_pred[rows],
        y_true=None if predictions.y_true is None else predictions.y_true[rows],
        attributes=attributes,
        margin=predictions.margin[rows] if len(predictions.margin) else predictions.margin,
        cluster=cluster[rows],
        weight=share if predictions.weight is None else share * predictions.weight[rows],
    )
