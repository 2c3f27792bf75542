"""External predictions: a table with attributes, answers, and optionally true answers and scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.schema import quoted
from audit.encoder import Value
from audit.errors import DataError, UsageError, nearest
from audit.extension import AnswerReader
from audit.naming import natural_order
from audit.predictions.answers import (
    Y_PRED,
    Y_TRUE,
    ScoreColumns,
    build_predictions,
    by_answer,
    check_not_numbers,
    check_same_edges,
    distinct,
    read_labels,
    read_scores,
    with_complement,
)
from audit.predictions.bins import Bins, bin_table
from audit.predictions.columns import FRAME, as_text, check_finite, check_printable, frame_columns, like_answers, read_columns, renamed
from audit.predictions.join import joined
from audit.predictions.made import Answered
from audit.predictions.own_tables import OWN_COLUMNS, SCORE, check_metadata, notes_of_bins, notes_of_units, scores_of
from audit.predictions.readers import not_read, read_with, reader_of, refuse_given
from audit.predictions.rows import LABELS_KEY, ColumnOptions, MeasurementAnswers, code_of_units, read_rows, with_wanted_columns
from audit.predictions.texts import MODEL, NO, SOME, TEXTS, columns_of_texts, read_texts, without_tags
from audit.types import UNKNOWN, Note, Predictions
from strictio.files import sha256_of_file, sha256_of_files

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

PLAIN = "predictions"
"""Name of the measurement of a file with a single column of answers."""
BARE_SCORE = "score"
_ANSWERS_KEY = b"vlm_audit.answers"
"""Metadata of an audit's file for labels that share an answer: "probe/measurement" -> label -> answer, and how labels are combined."""
_CLUSTER_KEY, _WEIGHTS_KEY, _NUMBERED_KEY = b"vlm_audit.cluster", b"vlm_audit.weights", b"vlm_audit.numbered"
"""More metadata: probe -> the columns of its clusters and weights; the probes whose rows are identified only by their position."""


@dataclass(frozen=True)
class PredictionFile:
    """The contents of a file or a data frame of predictions."""

    name: str
    """File name without its folder, or "data frame"."""
    sha256: str
    answers: tuple[MeasurementAnswers, ...]
    notes: tuple[Note, ...] = ()
    bins: tuple[Bins, ...] = ()
    """The requested bins, with their edges."""
    source: str = ""
    """What was read, for the report, if it is not a table."""
    model: str | None = None
    """The model that the file names."""
    limited: bool = False
    """Whether it holds a part of its data set, which settles nothing."""


def load_predictions(source: Path | pd.DataFrame, wanted: ColumnOptions) -> PredictionFile:
    """Read external predictions from a table.

    Columns: attributes; ``y_pred``, or ``y_pred:NAME`` for several questions, or only scores; optionally ``y_true`` (``y_true:NAME``),
    a column ``score:LABEL`` for each label, and an identifier. Or columns of texts. The ``predictions.parquet`` and ``texts.csv`` of an
    audit can be read, too. Raises DataError if the file cannot be read, a required column is missing, an answer is missing, an identifier
    is repeated, a score is not a probability, or every true answer is empty; UsageError if `wanted` names an unknown column, or `source`
    is something else.

    A file that a reader of answers recognises (`audit.predictions.readers`) is read as a table with the same columns.

    A data frame with the same columns gives the predictions of the file that ``to_parquet`` writes and the sha256 of the file that
    ``to_csv(index=False)`` writes (a named index is a column).
    """
    opened = _opened(source, wanted.with_bins_of_answers())
    wanted, source_name = opened.wanted, opened.name
    table, alike_notes = with_wanted_columns(opened.table, wanted, source_name)
    named = (*(wanted.attributes or ()), wanted.cluster, wanted.weights, *wanted.beside, *wanted.changing, wanted.tags)
    for name in (*named, *(wanted.texts or ())):
        if name is not None and name not in table.column_names:
            raise UsageError(f"{source_name} has no column {quoted(name)}", fix=nearest(name, table.column_names))
    table, bins = bin_table(table, wanted.bins, source_name)
    check_same_edges(bins, source_name)
    if LABELS_KEY in (table.schema.metadata or {}) and set(OWN_COLUMNS) <= set(table.column_names):
        parts = [_read_audit_rows(part, wanted, source_name) for part in _audit_parts(table)]
        notes = tuple(distinct([note for _, more in parts for note in more]))
        notes = (*alike_notes, *notes, *notes_of_bins(table, {binning.column for binning in bins}), *(binning.note() for binning in bins))
        notes += _equal_rows(opened.table, [answers for answers, _ in parts])
        return replace(opened.file, answers=tuple(answers for answers, _ in parts), notes=notes, bins=bins)
    columns = columns_of_texts(table.column_names, wanted.texts, source_name)
    if columns:
        answers, notes = _read_texts(table, columns, wanted, source_name)
    else:
        answers, notes = read_answers(table, wanted, source_name, judged=bool(opened.file.source))
    notes = (*opened.file.notes, *alike_notes, *notes, *(binning.note() for binning in bins), *_equal_rows(opened.table, answers))
    return replace(opened.file, answers=tuple(map(opened.named, answers)), notes=notes, bins=bins)


def _equal_rows(table: pa.Table, answers: Sequence[MeasurementAnswers]) -> tuple[Note, ...]:
    """The note about rows that repeat, where only their position in the file identifies them."""
    if not all(one.numbered for one in answers):
        return ()
    numbers = [name for name in ("id",) if name in table.column_names]  # row numbers, as an audit writes them
    return equal_rows(table.drop_columns(numbers), answers[0].predictions.attributes)


@dataclass(frozen=True)
class _Opened:
    """A file or data frame as a table, before anything in it is interpreted."""

    file: PredictionFile
    """Without its answers."""
    table: pa.Table
    wanted: ColumnOptions
    """The options that remain."""
    model: str | None = None

    @property
    def name(self) -> str:
        return self.file.name

    def named(self, answers: MeasurementAnswers) -> MeasurementAnswers:
        """The answers under the name of the model that the file states."""
        return replace(answers, model=self.model or answers.model)


def _opened(source: Path | pd.DataFrame, wanted: ColumnOptions) -> _Opened:
    if isinstance(source, Path):
        check_printable(source)
        reader = reader_of(source)
        if reader is not None:
            return _opened_with(reader, source, wanted)
        table = _read_table(source, wanted.encoding)
        check_metadata(table, source.name)
        name, sha256 = source.name, sha256_of_source(source)
    else:
        table, sha256 = frame_columns(source)
        name = FRAME
    table = _renamed(table, replace(wanted, truth=None if wanted.join else wanted.truth), name)
    refuse_given(wanted, name)
    return _joined(_Opened(PredictionFile(name, sha256, ()), table, wanted), "id")


def _read_table(source: Path, encoding: str | None) -> pa.Table:
    try:
        return read_columns(source, encoding)
    except DataError as error:
        if source.is_file():
            raise not_read(error) from error
        raise


def _opened_with(reader: AnswerReader, source: Path, wanted: ColumnOptions) -> _Opened:
    refuse_given(wanted, source.name, reader)
    found = read_with(reader, source, wanted)
    file = PredictionFile(
        source.name, sha256_of_source(source), (), found.notes, source=found.source, model=found.model, limited=found.limited
    )
    left = replace(wanted, cluster=wanted.cluster or found.cluster)
    return _joined(_Opened(file, found.table, left, found.model), found.cluster or "id")


def _joined(opened: _Opened, sample: str) -> _Opened:
    """With the columns of the data set that `--join` names; `sample`: the column of samples."""
    wanted = opened.wanted
    if wanted.join is None:
        return opened
    table, note = joined(opened.table, wanted.join, wanted.on or "", wanted.truth, opened.name, sample)
    return replace(opened, table=table, file=replace(opened.file, notes=(*opened.file.notes, note)))


def _renamed(table: pa.Table, wanted: ColumnOptions, source: str) -> pa.Table:
    return renamed(table, {"--prediction-column": (wanted.prediction, Y_PRED), "--truth-column": (wanted.truth, Y_TRUE)}, source)


def sha256_of_source(source: Path) -> str:
    """The sha256 of a file; of a folder that of the list of its data files."""
    if source.is_dir():
        return sha256_of_files(sorted(source.glob("*.arrow")))
    return sha256_of_file(source)


# ---- the three layouts -----------------------------------------------------------------------------------------------------------------


def read_answers(
    table: pa.Table, wanted: ColumnOptions, source: str, images: Int[np.ndarray, "n"] | None = None, *, judged: bool = False
) -> tuple[tuple[MeasurementAnswers, ...], tuple[Note, ...]]:
    """The answers of a table with one column per question; `images` is the number of images that each row represents, None: one.

    `judged`: whether a tool judged the answers, so that numbers are not compared here; otherwise, many numbers raise DataError.
    """
    used = None if wanted.attributes is None else {*wanted.attributes, wanted.cluster or "", *wanted.beside, *wanted.changing}
    table, tags = without_tags(table, wanted.tags, source, used) if wanted.tags else (table, None)
    names = table.column_names
    scores = tuple(name for name in names if name.startswith(SCORE))
    questions = {
        PLAIN if name == Y_PRED else name.removeprefix(f"{Y_PRED}:"): name
        for name in names
        if name == Y_PRED or name.startswith(f"{Y_PRED}:")
    }
    if not questions and not scores:
        raise DataError(
            f"{source} has no column 'y_pred'",
            why=f"found the columns: {', '.join(name[:80] for name in names[:50])}",
            fix=f"{like_answers(names)}, or give one column per label: score:LABEL",
        )
    if nameless := [name for name in (*scores, *questions.values()) if not name.partition(":")[2].strip() and ":" in name]:
        raise DataError(f"{source}: the column {quoted(nameless[0])} has no name after the colon", fix="score:LABEL, y_pred:NAME")
    if BARE_SCORE in names:  # it belongs to no label, so it is not used; but if it is not a number, the program that wrote it is broken
        check_finite(table[BARE_SCORE], BARE_SCORE)
    reserved = {*scores, *questions.values(), *(name for name in names if name == Y_TRUE or name.startswith(f"{Y_TRUE}:"))}
    given = [_read_question(table, question, column, scores, source) for question, column in (questions or {PLAIN: None}).items()]
    for one in given if not judged else ():
        check_not_numbers(one.answers, one.truths, () if one.scores is None else one.scores.labels, one.columns, source)
    answered = [Answered.of(one.answers, one.truths, one.scores) for one in given]
    rows, notes = read_rows(table, wanted, reserved, source, images, answered)
    collected = []
    for one in given:
        predictions, more = build_predictions(one.answers, one.truths, one.scores, rows.attributes, one.source, images)
        predictions = replace(predictions, labels=(NO, SOME), answers=(NO, SOME)) if tags else predictions
        collected.append(replace(rows.answers(source, None, one.name, predictions), tags=tags))
        notes += [*one.notes, *more]
    return tuple(collected), tuple(notes)


@dataclass(frozen=True)
class _Question:
    """The columns of one question."""

    name: str
    source: str
    answers: pa.Array | None
    truths: pa.Array | None
    scores: ScoreColumns | None
    notes: Sequence[Note]
    columns: tuple[str, str]
    """The names of the columns of answers and of true answers."""


def _read_question(table: pa.Table, name: str, column: str | None, scores: Sequence[str], source: str) -> _Question:
    """Read the answers, true answers and scores of a question; `column` has the answers, None if only scores are given."""
    plain = column in (None, Y_PRED)
    suffix = "" if plain or column is None else column.removeprefix(Y_PRED)
    truth = next((name for name in (Y_TRUE + suffix, Y_TRUE) if name in table.column_names), None)
    probabilities = read_scores(table, scores) if plain else None
    answers = read_labels(table[column], column, source) if column else None
    truths = read_labels(table[truth], truth, source, missing=True) if truth else None
    shown = source if plain else f"{source}, {column}"
    probabilities, notes = with_complement(probabilities, answers, truths, shown)
    return _Question(name, shown, answers, truths, probabilities, notes, (column or Y_PRED, truth or Y_TRUE))


def _read_texts(
    table: pa.Table, columns: Mapping[str, str], wanted: ColumnOptions, source: str
) -> tuple[tuple[MeasurementAnswers, ...], tuple[Note, ...]]:
    """The texts of each model, by the column ``model`` if it exists."""
    wanted = wanted if wanted.attributes is None else replace(wanted, slices=())
    several = MODEL in table.column_names and MODEL not in {*columns.values(), *(wanted.attributes or ())}
    models = as_text(table[MODEL], MODEL).dictionary_decode().fill_null(UNKNOWN) if several else pa.array([source] * len(table))
    collected, notes = [], []
    for model in pc.unique(models).to_pylist():
        part = table.filter(pc.equal(models, model))
        rows, more = read_rows(part, wanted, {*columns.values(), *((MODEL,) if several else ())}, source)
        left = slice(None) if rows.weight is None else rows.weight > 0
        texts = {name: tuple(np.array(read_texts(part[column], column, source), object)[left]) for name, column in columns.items()}
        n = len(part)
        nothing = Predictions((), (), np.zeros((n, 0), np.float32), np.full(n, ""), None, rows.attributes, np.zeros(0, np.float32))
        collected.append(replace(rows.answers(model, None, TEXTS, nothing), texts=texts))
        notes += more
    return tuple(collected), tuple(distinct(notes))


def _audit_parts(table: pa.Table) -> list[pa.Table]:
    """The rows of each (model, probe, measurement), in the order of the file."""
    keys = table.select(["model", "probe", "measurement"]).to_pandas()
    number, combinations = pd.factorize(pd.MultiIndex.from_frame(keys))
    return [table.filter(pa.array(number == part)) for part in range(len(combinations))]


def _read_audit_rows(table: pa.Table, wanted: ColumnOptions, source: str) -> tuple[MeasurementAnswers, list[Note]]:
    model, probe, measurement = (table[name][0].as_py() for name in ("model", "probe", "measurement"))
    keys = (LABELS_KEY, _ANSWERS_KEY, _CLUSTER_KEY, _WEIGHTS_KEY, _NUMBERED_KEY)
    labels, stands_for, clusters, weights, numbered = (json.loads(table.schema.metadata.get(key, b"{}")) for key in keys)
    recorded, weighed = (columns.get(probe) if columns.get(probe) in table.column_names else None for columns in (clusters, weights))
    wanted = replace(wanted, cluster=wanted.cluster or recorded, weights=wanted.weights or weighed)
    # A file of several probes has the attributes of all of them: null if a probe does not have that attribute.
    empty = {name for name in table.column_names if table[name].null_count == len(table)}
    every = {SCORE + label for label_set in labels.values() for label in label_set}
    rows, notes = read_rows(table, wanted, {*OWN_COLUMNS, *every, *empty} - {"id"}, source)
    names = tuple(labels.get(f"{probe}/{measurement}", ()))
    scores = scores_of(table, names, f"{source}: the scores of {measurement!r}")
    answer_scores = None if scores is None else ScoreColumns(names, scores)
    if answer_scores is not None and (combined := stands_for.get(f"{probe}/{measurement}")):
        answer_scores = by_answer(answer_scores, combined["answers"], combined["combine"])
    truth = None if Y_TRUE in empty else read_labels(table[Y_TRUE], Y_TRUE, source, missing=True)
    predictions, more = build_predictions(read_labels(table[Y_PRED], Y_PRED, source), truth, answer_scores, rows.attributes, source)
    more += notes_of_units(table, probe, code_of_units(wanted))
    if recorded is not None and recorded == wanted.cluster:
        more.append(Note("clusters_of_the_audit", {"column": quoted(recorded), "file": source}))
    if weighed is not None and weighed == wanted.weights:
        more.append(Note("weights_of_the_audit", {"column": quoted(weighed), "file": source}))
    return replace(rows, numbered=probe in numbered).answers(model, probe, measurement, predictions), notes + more


def with_all_answers(files: Sequence[PredictionFile]) -> list[PredictionFile]:
    """Extend the possible answers to a question in each file by those in any of them: an answer that a model never gives has rate 0."""
    all_answers: dict[tuple[str | None, str], set[str]] = {}
    for answers in (answer for file in files for answer in file.answers):
        all_answers.setdefault((answers.probe, answers.measurement), set()).update(answers.predictions.answers)

    def widened(answers: MeasurementAnswers) -> MeasurementAnswers:
        known = answers.predictions
        new = all_answers[answers.probe, answers.measurement] - {*known.answers}
        if known.scores.shape[1]:  # each label has its own column
            return replace(answers, predictions=replace(known, answers=(*known.answers, *natural_order(new))))
        labels = natural_order({*known.answers, *new})
        return replace(answers, predictions=replace(known, labels=labels, answers=labels))

    return [replace(file, answers=tuple(map(widened, file.answers))) for file in files]


# Rows without identifiers that are equal in every column: a copy of a row cannot be told from another image with the same answers.


_MARKED = 0.1
"""A group is named if it has more of the repeated rows than in proportion to its size, by at least this share of all of them."""


def equal_rows(table: pa.Table, attributes: pd.DataFrame) -> tuple[Note, ...]:
    """Count the rows that are equal to an earlier one, and name the group that has more of them than its share, if one has."""
    repeated = _repeated(table)
    if not repeated.any():
        return ()
    values: dict[str, Value] = {"count": int(repeated.sum()), "total": len(repeated)}
    group = _group_with_most(repeated, attributes) if len(attributes) == len(repeated) else None
    return (Note("equal_rows", values) if group is None else Note("equal_rows_by_group", values | group),)


def _repeated(table: pa.Table) -> Bool[np.ndarray, "n"]:
    """Whether each row is equal to an earlier one in every column."""
    rows = np.zeros(len(table), np.int64)
    for column in table.unify_dictionaries().columns:
        codes = _codes(column)
        rows = pd.factorize(rows * (int(codes.max(initial=0)) + 1) + codes)[0]
        if rows.max(initial=-1) == len(table) - 1:
            break
    return np.asarray(pd.Series(rows).duplicated())


def _codes(column: pa.ChunkedArray) -> Int[np.ndarray, "n"]:
    """The number of each cell's value; an empty cell is a value, too."""
    if pa.types.is_nested(column.type):
        column = pa.chunked_array([pa.array(map(repr, column.to_pylist()), pa.string())])
    coded = column.combine_chunks().dictionary_encode()
    return np.asarray(coded.indices.fill_null(len(coded.dictionary)), np.int64)


def _group_with_most(repeated: Bool[np.ndarray, "n"], attributes: pd.DataFrame) -> dict[str, Value] | None:
    expected = float(repeated.mean())
    best = _MARKED * int(repeated.sum())
    values: dict[str, Value] | None = None
    for name in map(str, attributes.columns):
        for level, rows in pd.Series(repeated).groupby(attributes[name].to_numpy(object)):
            found = int(rows.sum())
            if (beyond := found - expected * len(rows)) > best:
                best = beyond
                values = {"attribute": name, "level": str(level), "found": found, "of": len(rows)}
    return values
