"""Scores of parts, counted in fixed bins while reading: confidence of the answers of each group, and margins over the second answers.

A bin has width .001 and the exact sum of its values, as an integer: the result does not depend on the order of the parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from audit.data.schema import quoted
from audit.errors import DataError
from audit.predictions.answers import Y_PRED, Y_TRUE, decoded, read_labels, read_scores
from audit.predictions.columns import as_text
from audit.predictions.own_tables import SCORE
from audit.predictions.parts.files import PartRows
from audit.types import UNKNOWN, Group, ScoreBins

if TYPE_CHECKING:
    from jaxtyping import Float, Int

BINS = 1000
_UNIT = 2.0**32
"""Resolution of a sum of probabilities: 2³¹ rows fit into 63 bits."""
_BIN, _SUM, _N = "bin of the score", "sum of the scores", "images"
_OFTEN = 16


def score_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns of scores, by label."""
    return tuple(name for name in names if name.startswith(SCORE))


class CountedScores:
    """Scores of all rows added; its size does not grow with their number."""

    def __init__(self, columns: Sequence[str]):
        self._columns = tuple(columns)
        self.labels: Group = tuple(name.removeprefix(SCORE) for name in columns)
        if len(self.labels) < 2:
            raise DataError("scores of one label only", fix="give a column score:LABEL for every label, or y_pred alone")
        self._margins, self._margin_sums = np.zeros((2, BINS), np.int64)
        self._held: dict[str, list[pa.Table]] = {}
        self.not_the_highest = 0

    def add(self, rows: pa.Table, attributes: Sequence[str], batch: PartRows) -> pa.Table:
        """Count the scores of some rows; returns the rows with the answers from the scores if no column has answers."""
        shares = self._shares(rows, batch)
        best = shares.argmax(axis=1)
        answered = best
        if Y_PRED in rows.column_names:
            answered = self._given(rows, batch)
            self.not_the_highest += int(np.count_nonzero(shares[np.arange(len(shares)), answered] < shares.max(axis=1)))
        else:
            answers = pa.DictionaryArray.from_arrays(pa.array(best.astype(np.int16)), pa.array(self.labels, pa.string()))
            rows = rows.append_column(Y_PRED, answers)
        second, first = np.partition(shares, -2, axis=1)[:, -2:].T
        self._count_margins(np.asarray(first - second))
        confidence = shares[np.arange(len(shares)), answered].astype(np.float64)
        columns = {
            _BIN: pa.array(_upper_edge(confidence)),
            _SUM: pa.array(_units(confidence)),
            _N: pa.array(np.ones(len(shares), np.int64)),
        }
        for name in attributes:
            keys = [name, Y_PRED, *([Y_TRUE] if Y_TRUE in rows.column_names else [])]
            counted = pa.table({**{key: rows[key] for key in keys}, **columns})
            self._hold(name, _summed(counted, [*keys, _BIN]))
        return rows

    def binned(self, attributes: Sequence[str]) -> Mapping[str, ScoreBins]:
        """Confidence of the answers, by attribute."""
        return {name: _bins(name, self._added_up(name)) for name in attributes}

    def margins(self) -> tuple[Float[np.ndarray, "m"], Int[np.ndarray, "m"]]:
        """The mean difference of the two best scores in each bin, and the number of images."""
        used = np.flatnonzero(self._margins)
        return self._margin_sums[used] / _UNIT / self._margins[used], self._margins[used]

    def without(self, rows: pa.Table) -> pa.Table:
        """Combinations with a score of 1 for the answer and 0 for all others, which define the labels and their order."""
        text = as_text(rows[Y_PRED], Y_PRED)
        answers = decoded(text, UNKNOWN)
        for label in self.labels:
            rows = rows.append_column(SCORE + label, pa.array((answers == label).astype(np.float32)))
        return rows

    def _shares(self, rows: pa.Table, batch: PartRows) -> Float[np.ndarray, "n k"]:
        try:
            scores = read_scores(rows, self._columns, start=batch.start)
        except DataError as error:
            where = ", ".join(filter(None, (batch.part, error.where)))
            raise DataError(error.what, where=where, why=error.why, fix=error.fix) from error
        assert scores is not None  # noqa: S101  (there are columns)
        return scores.shares

    def _given(self, rows: pa.Table, batch: PartRows) -> Int[np.ndarray, "n"]:
        """The index of the answer among the labels; raises DataError for one that has no score."""
        text = read_labels(rows[Y_PRED], Y_PRED, batch.part, start=batch.start)
        positions = {label: position for position, label in enumerate(self.labels)}
        if unexpected := [level for level in text.dictionary.to_pylist() if level not in positions]:
            raise DataError(
                f"{batch.part}: y_pred holds {quoted(unexpected[0])}, which has no score",
                why=f"the labels with scores are {', '.join(map(quoted, self.labels[:20]))}",
                fix="give each label a column of scores, or none",
            )
        by_code = np.array([positions[level] for level in text.dictionary.to_pylist()], np.int64)
        return np.asarray(by_code[text.indices.to_numpy(zero_copy_only=False)])

    def _count_margins(self, margins: Float[np.ndarray, "n"]) -> None:
        bin_numbers = np.minimum((margins.astype(np.float64) * BINS).astype(np.int64), BINS - 1)
        np.add.at(self._margins, bin_numbers, 1)
        np.add.at(self._margin_sums, bin_numbers, _units(margins.astype(np.float64)))

    def _hold(self, name: str, counted: pa.Table) -> None:
        plain = {key: without_dictionaries(counted[key]) for key in counted.column_names}
        held = self._held.setdefault(name, [])
        held.append(pa.table(plain))
        if len(held) > _OFTEN:
            self._held[name] = [self._added_up(name)]

    def _added_up(self, name: str) -> pa.Table:
        together = pa.concat_tables(self._held[name], promote_options="permissive")
        return _summed(together, [key for key in together.column_names if key not in (_SUM, _N)])


def _upper_edge(confidence: Float[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """The bin of each probability; a bin includes its upper edge, as in a reliability curve."""
    return np.asarray(np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1), np.int16)


def _units(shares: Float[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    return np.asarray(np.rint(shares * _UNIT), np.int64)


def without_dictionaries(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values instead of codes: the dictionaries of two batches differ."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _summed(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    sums = table.group_by(list(keys), use_threads=False).aggregate([(_SUM, "sum"), (_N, "sum")])
    back = {f"{_SUM}_sum": _SUM, f"{_N}_sum": _N}
    return sums.rename_columns([back.get(name, name) for name in sums.column_names])


def _bins(name: str, table: pa.Table) -> ScoreBins:
    """Counted scores in an order that does not depend on that of the parts."""
    columns = {key: decoded(as_text(table[key], key), UNKNOWN) for key in (name, Y_TRUE, Y_PRED) if key in table.column_names}
    order = np.lexsort([table[_BIN].to_numpy(), *(values.astype(str) for values in columns.values())])
    images, sums = table[_N].to_numpy()[order], table[_SUM].to_numpy()[order]
    truth = columns[Y_TRUE][order] if Y_TRUE in columns else None
    return ScoreBins(columns[name][order], truth, columns[Y_PRED][order], sums / _UNIT / images, images)
