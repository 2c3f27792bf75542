"""Parts of a table of predictions, counted while reading: the result has one row for each combination of attributes and answers.

Every rate is a function of those counts, so no verdict needs the rows. Options that do need them are rejected, or listed as not tested.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.arrow import hub_features
from audit.data.schema import quoted
from audit.data.shards import parquet_files
from audit.encoder import Value
from audit.errors import DataError, UnsafeError, UsageError, nearest
from audit.predictions.answers import Y_PRED, Y_TRUE, check_same_edges, decoded, read_labels, read_scores
from audit.predictions.bins import Bins, bin_table
from audit.predictions.columns import as_text, holds_labels, renamed
from audit.predictions.hub_tables import is_saved_folder, text_schema, with_class_names
from audit.predictions.own_tables import SCORE
from audit.predictions.read import PLAIN, PredictionFile, read_answers
from audit.predictions.rows import FEW_LEVELS, ID_COLUMNS, LABELS_KEY, ColumnOptions, MeasurementAnswers, code_of_units
from audit.predictions.units import may_name_units, possible_units
from audit.types import UNKNOWN, Group, Note, ScoreBins
from strictio.files import sha256_of_files
from strictio.tables import check_distinct
from strictio.tables.parquet import parquet_batches, parquet_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from jaxtyping import Float, Int

# The files that are parts of one table, and their rows in batches: all must have the columns of the first.


COUNTED = ("counted_parts", "counted_parts_of_several")
"""Codes of the note that predictions were counted while reading; the second names columns that were not used."""
BATCH = 1 << 17
MOST_BYTES = 2**30
"""Maximum size of one batch: larger rows cannot be answers."""
_ENDING = ".parquet"


@dataclass(frozen=True)
class PartRows:
    """Consecutive rows of a part."""

    part: str
    start: int
    """Number of earlier rows of the part."""
    rows: pa.Table


def is_parts(path: Path) -> bool:
    """Whether a path means several files: a folder, or a pattern such as ``answers/*.parquet`` that is not itself the name of a file.

    A folder of `save_to_disk` is one table.
    """
    return (path.is_dir() and not is_saved_folder(path)) or (not path.exists() and glob.escape(str(path)) != str(path))


def parts_name(path: Path) -> str:
    """The name of the parts, without the folders above them.

    Examples
    --------
    >>> parts_name(Path("here/answers/*.parquet"))
    'answers/*.parquet'
    """
    folder = "" if path.is_dir() or not path.parent.name else f"{path.parent.name}/"
    return f"{folder}{path.resolve().name if path.is_dir() else path.name}"


def parts_of(path: Path) -> list[Path]:
    """The parts, sorted by name; raises DataError without any, UsageError if one is not Parquet."""
    matching = glob.glob(str(path))  # noqa: PTH207  (a pattern may be absolute)
    parts = parquet_files(path) if path.is_dir() else sorted(map(Path, matching))
    if others := [part.name for part in parts if part.suffix.lower() != _ENDING or not part.is_file()]:
        why = f"{others[0]!r} is not; only Parquet files are read in batches"
        raise UsageError(f"parts of predictions must be Parquet files: {parts_name(path)}", why=why, fix="--predictions 'DIR/*.parquet'")
    if not parts:
        fix = "give a folder of Parquet files, or a pattern in quotation marks: --predictions 'DIR/*.parquet'"
        raise DataError(f"no Parquet file in {parts_name(path)!r}", fix=fix)
    if strange := [part.name for part in parts if not part.name.isprintable()]:
        raise DataError(f"the name {strange[0]!a} cannot be printed", fix="give the file a name of letters, digits and dashes")
    return parts


def common_schema(parts: Sequence[Path]) -> pa.Schema:
    """The columns of the first part; raises DataError for the first part with other columns, or a column of another type."""
    first = parquet_schema(parts[0])
    check_distinct(first.names, parts[0].name)
    for part in parts[1:]:
        other = parquet_schema(part)
        check_distinct(other.names, part.name)
        if unlike := sorted(set(first.names) ^ set(other.names)):
            where = f"{parts[0].name if unlike[0] in first.names else part.name} has the column {quoted(unlike[0])}, the other has not"
            raise _unlike(parts[0], part, where)
        for name in first.names:
            mine, others = (_plain(schema.field(name).type) for schema in (first, other))
            if mine != others:
                raise _unlike(parts[0], part, f"the column {quoted(name)} holds {mine} in the one and {others} in the other")
    return text_schema(first, parts[0].name)


def _unlike(first: Path, part: Path, why: str) -> DataError:
    return DataError(
        f"{part.name} is not a part of the table of {first.name}", why=why, fix="write it again, or leave it out of the pattern"
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type without details that do not matter to readers: how text is stored."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def batches(parts: Sequence[Path], columns: Sequence[str]) -> Iterator[PartRows]:
    """Yield the rows of all parts, at most `BATCH` at a time; texts are dictionary-encoded, so that each is stored once per batch.

    Raises DataError for a part that cannot be read, UnsafeError if a batch would exhaust memory.
    """
    import pyarrow as pa

    for part in parts:
        start = 0
        schema = parquet_schema(part)
        features = hub_features(schema, part.name)
        texts = [field.name for field in schema if _plain(field.type) == pa.string()]
        for batch in parquet_batches(part, columns, texts, BATCH):
            if batch.nbytes > MOST_BYTES:
                why, fix = f"{len(batch):,} rows take {batch.nbytes:,} bytes", "leave texts and pictures out of the parts"
                raise UnsafeError(f"{part.name} would fill the memory", why=why, fix=fix)
            yield PartRows(part.name, start, with_class_names(pa.Table.from_batches([batch]), features, part.name))
            start += len(batch)


def check_named(names: Sequence[str], wanted: Sequence[str | None], source: str) -> None:
    """Raise `UsageError` for the first wanted column that the parts lack."""
    for name in wanted:
        if name is not None and name not in names:
            raise UsageError(f"{source} has no column {quoted(name)}", fix=nearest(name, names))


# Scores of parts, counted in fixed bins while reading: confidence of the answers of each group, and margins over the second answers.
#
# A bin has width .001 and the exact sum of its values, as an integer: the result does not depend on the order of the parts.


BINS = 1000
_UNIT = 2.0**32
"""Resolution of a sum of probabilities: 2³¹ rows fit into 63 bits."""
_BIN, _SUM, _N = "bin of the score", "sum of the scores", "images"
_MOST_HELD = 16


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
            _SUM: pa.array(_fixed_point(confidence)),
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
        np.add.at(self._margin_sums, bin_numbers, _fixed_point(margins.astype(np.float64)))

    def _hold(self, name: str, counted: pa.Table) -> None:
        plain = {key: without_dictionaries(counted[key]) for key in counted.column_names}
        held = self._held.setdefault(name, [])
        held.append(pa.table(plain))
        if len(held) > _MOST_HELD:
            self._held[name] = [self._added_up(name)]

    def _added_up(self, name: str) -> pa.Table:
        together = pa.concat_tables(self._held[name], promote_options="permissive")
        return _summed(together, [key for key in together.column_names if key not in (_SUM, _N)])


def _upper_edge(confidence: Float[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """The bin of each probability; a bin includes its upper edge, as in a reliability curve."""
    return np.asarray(np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1), np.int16)


def _fixed_point(shares: Float[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
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
    source, wanted = parts_name(path), wanted.with_bins_of_answers()
    _refuse_rows(wanted, source)
    check_same_edges(wanted.bins, source)
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
