"""Parts of a table of predictions, counted while reading: the result has one row for each combination of attributes and answers.

Every rate is a function of those counts, so no verdict needs the rows. Options that do need them are rejected, or listed as not tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.schema import quoted
from audit.encoder import Value
from audit.errors import DataError, UsageError
from audit.predictions.answers import Y_PRED, Y_TRUE, read_labels
from audit.predictions.bins import Bins, bin_table
from audit.predictions.columns import holds_labels, renamed
from audit.predictions.own_tables import SCORE
from audit.predictions.parts.files import COUNTED, PartRows, batches, check_named, common_schema, parts_name, parts_of
from audit.predictions.parts.scores import CountedScores, score_columns, without_dictionaries
from audit.predictions.read import PLAIN, PredictionFile, read_answers
from audit.predictions.rows import FEW_LEVELS, ID_COLUMNS, LABELS_KEY, ColumnOptions, MeasurementAnswers, code_of_units
from audit.predictions.units import may_name_units, possible_units
from audit.types import Note
from strictio.files import sha256_of_files

NOT_OF_ROWS = (
    "single rows: parts are counted as they are read (scores in bins of a thousandth), so the spread of scores, pairs, clusters and "
    "weights are not looked at",
)
MOST_COMBINATIONS = 1_000_000
_ROWS = "rows of parts"
"""The column of counts; no flag and no file can use this name, since it is added last."""
_OFTEN = 64
"""Number of batches whose combinations are summed together."""


def load_parts(path: Path, wanted: ColumnOptions) -> PredictionFile:
    """Read the Parquet parts of one table of predictions: a folder, or a pattern such as ``answers/*.parquet``.

    Columns are those of a file (`audit.predictions.read.load_predictions`): attributes, ``y_pred``, ``y_true``. Memory does not grow with
    the number of rows, but with the combinations that occur. Raises UsageError if `wanted` needs single rows; DataError as for a file, with
    the name of the part.
    """
    source = parts_name(path)
    _refuse_rows(wanted, source)
    parts = parts_of(path)
    schema = common_schema(parts)
    if LABELS_KEY in (schema.metadata or {}):
        why = "an audit wrote them, with a row for each question"
        raise UsageError(f"{source} cannot be read as parts", why=why, fix="name each file: --predictions FILE --predictions FILE")
    named = _renamed(schema.empty_table(), wanted, source).column_names
    check_named(named, [*(wanted.attributes or ()), *(binning.column for binning in wanted.bins)], source)
    keys, unused = _keys(schema, named, wanted)
    stored = dict(zip(named, schema.names, strict=True))
    # Scores belong to the question without a name; if there are only named ones, it is unknown to which one they belong.
    scores = score_columns(named) if Y_PRED in keys or not any(name.startswith(f"{Y_PRED}:") for name in keys) else ()
    counted = _Counted(keys, wanted, source, CountedScores(scores) if scores else None)
    for batch in batches(parts, [stored[name] for name in (*keys, *scores)]):
        counted.add(batch)
    answers, notes = counted.answers()
    notes = (*notes, *_units(parts, schema, stored, wanted))
    left_out = (*unused, *(f"{quoted(name)} (more than {FEW_LEVELS} levels)" for name in counted.dropped))
    facts: dict[str, Value] = {"parts": len(parts), "rows": answers[0].predictions.images}
    counted_note = Note(COUNTED[1], {**facts, "columns": left_out}) if left_out else Note(COUNTED[0], facts)
    return PredictionFile(
        source, sha256_of_files(parts), answers, (*notes, *(binning.note() for binning in wanted.bins), counted_note), wanted.bins
    )


def _units(parts: Sequence[Path], schema: pa.Schema, stored: Mapping[str, str], wanted: ColumnOptions) -> list[Note]:
    """A note about the columns by which rows may belong together; only the first rows are examined, where a sorted table repeats."""
    requested = {*(wanted.attributes or wanted.slices), *(binning.column for binning in wanted.bins)}
    names = [
        name for name, column in stored.items()
        if may_name_units(name) and holds_labels(schema.field(column).type) and not (name in requested or _is_answer(name))
    ]  # fmt: skip
    if not names:
        return []
    first = next(batches(parts, [stored[name] for name in names])).rows
    return possible_units(first.rename_columns(names), names, code_of_units(wanted))


def _refuse_rows(wanted: ColumnOptions, source: str) -> None:
    flags = {
        "--cluster": wanted.cluster, "--weights": wanted.weights, "--pairs": wanted.changing, "--tags": wanted.tags,
        "--texts": wanted.texts,
    }  # fmt: skip
    for flag, value in flags.items():
        if value:
            why = f"{source} is read in parts, and counts of combinations do not say which rows belong together"
            raise UsageError(f"{flag} cannot be used with parts of predictions", why=why, fix="give one file: --predictions FILE")
    if quantiles := [binning.column for binning in wanted.bins if not binning.edges]:
        why = "where quantiles lie is known only after every row was read"
        raise UsageError(f"--bins {quantiles[0]} needs edges with parts of predictions", why=why, fix=f"--bins {quantiles[0]}=18,30,60")


def _renamed(table: pa.Table, wanted: ColumnOptions, source: str) -> pa.Table:
    return renamed(table, {"--prediction-column": (wanted.prediction, Y_PRED), "--truth-column": (wanted.truth, Y_TRUE)}, source)


def _keys(schema: pa.Schema, named: Sequence[str], wanted: ColumnOptions) -> tuple[list[str], list[str]]:
    """The columns to count by, and those that are not used: identifiers, numbers and other columns that are not text."""
    requested = {*(wanted.attributes or wanted.slices), *(binning.column for binning in wanted.bins)}
    by_rule = not wanted.attributes and not wanted.slices
    keys, unused = [], []
    for name, field in zip(named, schema, strict=True):
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        candidate = by_rule and holds_labels(field.type) and not numeric and not name.startswith(SCORE) and name not in ID_COLUMNS
        if candidate or _is_answer(name) or name in requested:
            keys.append(name)
        elif not name.startswith(SCORE):
            unused.append(quoted(name))
    return keys, unused


def _is_answer(name: str) -> bool:
    return name in (Y_PRED, Y_TRUE) or name.startswith((f"{Y_PRED}:", f"{Y_TRUE}:"))


class _Counted:
    """Combinations and how often each occurs, over all batches added."""

    def __init__(self, keys: Sequence[str], wanted: ColumnOptions, source: str, scores: CountedScores | None):
        self._keys, self._wanted, self._source, self._scores = list(keys), wanted, source, scores
        self._fixed = {*(wanted.attributes or wanted.slices), *(binning.column for binning in wanted.bins)}
        self._held: list[pa.Table] = []
        self.dropped: list[str] = []

    def add(self, batch: PartRows) -> None:
        rows = _cut(_renamed(batch.rows, self._wanted, batch.part), self._wanted.bins, batch)
        if self._scores is not None:
            rows = self._scores.add(rows, self._attributes, batch)
            self._keys += [] if Y_PRED in self._keys else [Y_PRED]
        rows = rows.select(self._keys)
        counts = rows.group_by(self._keys, use_threads=False).aggregate([([], "count_all")])
        counts = counts.set_column(counts.column_names.index("count_all"), _ROWS, counts["count_all"])
        self._check_answers(counts, rows, batch)
        self._held.append(pa.table({name: without_dictionaries(counts[name]) for name in counts.column_names}))
        if len(self._held) > _OFTEN:
            self._held = [self.together()]

    @property
    def _attributes(self) -> list[str]:
        return [name for name in self._keys if not _is_answer(name)]

    def answers(self) -> tuple[tuple[MeasurementAnswers, ...], tuple[Note, ...]]:
        """The answers to each question, and notes about the table."""
        table = self.together()
        images = table[_ROWS].to_numpy()
        options, rows = replace(self._wanted, prediction=None, truth=None, bins=()), table.drop_columns([_ROWS])
        if self._scores is None:
            return read_answers(rows, options, self._source, images)
        answers, notes = read_answers(self._scores.without(rows), options, self._source, images)
        margin, margin_count = self._scores.margins()
        completed = []
        for answer in answers:
            predictions = replace(answer.predictions, scores=np.zeros((len(images), 0), np.float32), margin=np.zeros(0, np.float32))
            if answer.measurement == PLAIN:
                binned = self._scores.binned(list(map(str, predictions.attributes.columns)))
                predictions = replace(predictions, margin=margin, margin_count=margin_count, binned=binned)
            completed.append(replace(answer, predictions=predictions))
        differ = self._scores.not_the_highest
        return tuple(completed), (*notes, *([Note("not_the_highest_score", {"count": differ})] if differ else []))

    def together(self) -> pa.Table:
        """One row per combination, in the order in which they first occur, without the columns that have too many levels."""
        if not self._held:
            raise DataError(f"{self._source} has columns but no rows", fix="give parts with one row per prediction")
        summed = self._summed(pa.concat_tables(self._held, promote_options="permissive"))
        for name in [name for name in self._attributes if name not in self._fixed]:
            if pc.count_distinct(summed[name]).as_py() > FEW_LEVELS:
                self._keys.remove(name)
                self.dropped.append(name)
        summed = self._summed(summed.select([*self._keys, _ROWS]))
        if len(summed) > MOST_COMBINATIONS:
            raise DataError(
                f"{self._source}: {len(summed):,} combinations of {', '.join(map(quoted, self._keys))}",
                why=f"counts are kept of at most {MOST_COMBINATIONS:,}",
                fix="name fewer columns: --attributes race,gender",
            )
        return summed

    def _summed(self, table: pa.Table) -> pa.Table:
        summed = table.group_by(self._keys, use_threads=False).aggregate([(_ROWS, "sum")])
        return summed.rename_columns([_ROWS if name == f"{_ROWS}_sum" else name for name in summed.column_names])

    def _check_answers(self, counts: pa.Table, rows: pa.Table, batch: PartRows) -> None:
        """Raise an error about the answers that names the row of its part, which is unknown after counting."""
        for name in filter(_is_answer, self._keys):
            truth = not name.startswith(Y_PRED)
            try:
                read_labels(counts[name], name, batch.part, missing=truth)
            except DataError:
                read_labels(rows[name], name, batch.part, missing=truth, start=batch.start)
                raise


def _cut(rows: pa.Table, bins: Sequence[Bins], batch: PartRows) -> pa.Table:
    if not bins:
        return rows
    source = f"{batch.part}, of the {len(rows):,} rows from row {batch.start + 1} on" if batch.start else batch.part
    return bin_table(rows, bins, source)[0]
