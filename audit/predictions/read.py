"""External predictions: a table with attributes, answers, and optionally true answers and scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.cells.suspicious import suspicious_levels
from audit.data.schema import IMAGE_COLUMNS, counted, quoted
from audit.encoder import Value
from audit.errors import DataError, UsageError, nearest
from audit.output.predictions import LISTS, OWN_COLUMNS, SCORE, notes_of_bins, scores_of
from audit.predictions.answers import (
    Y_PRED,
    Y_TRUE,
    ScoreColumns,
    build_predictions,
    by_answer,
    distinct,
    read_labels,
    read_scores,
)
from audit.predictions.bins import Bins, bin_table
from audit.predictions.columns import (
    FRAME,
    all_numbers,
    as_text,
    check_finite,
    frame_columns,
    holds_labels,
    like_answers,
    read_clusters,
    read_columns,
    read_identifiers,
    renamed,
)
from audit.predictions.exclusion import some_rows
from audit.predictions.metadata import check_metadata
from audit.predictions.weights import check_groups, sample_weights, weights_of_0
from audit.types import UNKNOWN, Exclusion, Note, Predictions

if TYPE_CHECKING:
    from jaxtyping import Float, Int

ID_COLUMNS = ("id", *IMAGE_COLUMNS)
PLAIN = "predictions"
"""Name of the measurement of a file with a single column of answers."""
FEW_LEVELS = 50
BARE_SCORE = "score"
_LABELS_KEY = b"vlm_audit.labels"
"""Metadata of the `predictions.parquet` that an audit leaves behind: "probe/measurement" -> labels of the scores."""
_ANSWERS_KEY = b"vlm_audit.answers"
"""Likewise, where labels stand for answers: "probe/measurement" -> label -> answer, and how labels of one answer are combined."""
_CLUSTER_KEY, _WEIGHTS_KEY, _NUMBERED_KEY = b"vlm_audit.cluster", b"vlm_audit.weights", b"vlm_audit.numbered"
"""Likewise: probe -> the column of its clusters, of its weights; the probes whose rows are identified by nothing but their place."""


@dataclass(frozen=True)
class ColumnOptions:
    """Options of the columns."""

    attributes: tuple[str, ...] | None = None
    """None: every other column of text with 2 to 50 levels."""
    cluster: str | None = None
    weights: str | None = None
    slices: tuple[str, ...] = ()
    """What probes slice by: only these columns are attributes then, where they are there."""
    prediction: str | None = None
    """The column of answers, where it is not called ``y_pred``."""
    truth: str | None = None
    """The column of true answers, where it is not called ``y_true``."""
    encoding: str | None = None
    bins: tuple[Bins, ...] = ()
    """Columns of numbers, and how they are cut into groups."""
    beside: tuple[str, ...] = ()
    """Columns that no question slices by: they say which rows are pairs."""
    changing: tuple[str, ...] = ()
    """Attributes whatever the rule says: they change within a pair."""


@dataclass(frozen=True)
class MeasurementAnswers:
    """What was answered to one question."""

    model: str
    probe: str | None
    """None if the file does not name it."""
    measurement: str
    predictions: Predictions
    exclusions: tuple[Exclusion, ...] = ()
    """Rows of the file that were left out."""
    cluster: str | None = None
    """The column that says which rows belong together."""
    weights: str | None = None
    """The column that says how much each row counts for."""
    numbered: bool = False
    """Whether the rows have no identifiers but their place in the file."""

    def row(self, place: int) -> str:
        """Return what a row is called."""
        name = self.predictions.attributes.index[place]
        return f"row {name} after the header" if self.numbered else f"the row of {quoted(str(name))}"


@dataclass(frozen=True)
class PredictionFile:
    """A file or a data frame of predictions, read."""

    name: str
    """Of the file, without its folder; "data frame"."""
    sha256: str
    answers: tuple[MeasurementAnswers, ...]
    notes: tuple[Note, ...]
    bins: tuple[Bins, ...] = ()
    """Those that were wanted, with their edges."""


def load_predictions(source: Path | pd.DataFrame, wanted: ColumnOptions) -> PredictionFile:
    """Read external predictions from a table.

    Columns: attributes; ``y_pred``, or ``y_pred:NAME`` for several questions, or only scores; optionally ``y_true`` (``y_true:NAME``),
    a column ``score:LABEL`` for each label, and an identifier. The ``predictions.parquet`` of an audit is read as well. DataError if
    the file cannot be read, a required column is missing, an answer is missing, an identifier occurs twice, a score is not a
    probability, or every true answer is empty; UsageError if `wanted` names an unknown column, or `source` is something else.

    A data frame of the same columns gives the predictions of the file that ``to_parquet`` makes and the sha256 of the file that
    ``to_csv(index=False)`` makes (an index with a name is a column).
    """
    if isinstance(source, Path):
        table, place = read_columns(source, wanted.encoding), source.name
        check_metadata(table, place)
        with source.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    else:
        (table, sha256), place = frame_columns(source), FRAME
    table = renamed(table, {"--prediction-column": (wanted.prediction, Y_PRED), "--truth-column": (wanted.truth, Y_TRUE)}, place)
    for name in (*(wanted.attributes or ()), wanted.cluster, wanted.weights, *wanted.beside, *wanted.changing):
        if name is not None and name not in table.column_names:
            raise UsageError(f"{place} has no column {quoted(name)}", fix=nearest(name, table.column_names))
    table, bins = bin_table(table, wanted.bins, place)
    if _LABELS_KEY in (table.schema.metadata or {}) and set(OWN_COLUMNS) <= set(table.column_names):
        parts = [_read_audit_rows(part, wanted, place) for part in _audit_parts(table)]
        notes = tuple(distinct([note for _, more in parts for note in more]))
        notes = (*notes, *notes_of_bins(table, {each.column for each in bins}), *(each.note() for each in bins))
        return PredictionFile(place, sha256, tuple(answers for answers, _ in parts), notes, bins)
    answers, notes = _read_flat(table, wanted, place)
    return PredictionFile(place, sha256, answers, (*notes, *(each.note() for each in bins)), bins)


# ---- the two layouts -----------------------------------------------------------------------------------------------------------------


def _read_flat(table: pa.Table, wanted: ColumnOptions, place: str) -> tuple[tuple[MeasurementAnswers, ...], tuple[Note, ...]]:
    names = table.column_names
    scores = tuple(name for name in names if name.startswith(SCORE))
    questions = {
        PLAIN if name == Y_PRED else name.removeprefix(f"{Y_PRED}:"): name
        for name in names
        if name == Y_PRED or name.startswith(f"{Y_PRED}:")
    }
    if not questions and not scores:
        raise DataError(
            f"{place} has no column 'y_pred'",
            why=f"found the columns: {', '.join(name[:80] for name in names[:50])}",
            fix=f"{like_answers(names)}, or give one column a label: score:LABEL",
        )
    if nameless := [name for name in (*scores, *questions.values()) if not name.partition(":")[2].strip() and ":" in name]:
        raise DataError(f"{place}: the column {quoted(nameless[0])} has no name after the colon", fix="score:LABEL, y_pred:NAME")
    if BARE_SCORE in names:  # of no label, so it is not used; but one that is no number comes from a program that went wrong
        check_finite(table[BARE_SCORE], BARE_SCORE)
    reserved = {*scores, *questions.values(), *(name for name in names if name == Y_TRUE or name.startswith(f"{Y_TRUE}:"))}
    rows, notes = _rows(table, wanted, reserved, place)
    found = []
    for question, column in (questions or {PLAIN: None}).items():
        suffix = "" if column in (None, Y_PRED) else column.removeprefix(Y_PRED)
        truth = next((name for name in (Y_TRUE + suffix, Y_TRUE) if name in names), None)
        given = read_scores(table, scores) if column in (None, Y_PRED) else None
        answers = read_labels(table[column], column, place) if column else None
        truths = read_labels(table[truth], truth, place, missing=True) if truth else None
        shown = place if column in (None, Y_PRED) else f"{place}, {column}"
        predictions, more = build_predictions(answers, truths, given, rows.attributes, shown)
        found.append(rows.answers(place, None, question, predictions))
        notes += more
    return tuple(found), tuple(notes)


def _audit_parts(table: pa.Table) -> list[pa.Table]:
    """Return the rows of each (model, probe, measurement), in the order of the file."""
    keys = table.select(["model", "probe", "measurement"]).to_pandas()
    number, combinations = pd.factorize(pd.MultiIndex.from_frame(keys))
    return [table.filter(pa.array(number == part)) for part in range(len(combinations))]


def _read_audit_rows(table: pa.Table, wanted: ColumnOptions, place: str) -> tuple[MeasurementAnswers, list[Note]]:
    model, probe, measurement = (table[name][0].as_py() for name in ("model", "probe", "measurement"))
    keys = (_LABELS_KEY, _ANSWERS_KEY, _CLUSTER_KEY, _WEIGHTS_KEY, _NUMBERED_KEY)
    labels, stands_for, clusters, weights, numbered = (json.loads(table.schema.metadata.get(key, b"{}")) for key in keys)
    recorded, weighed = (each.get(probe) if each.get(probe) in table.column_names else None for each in (clusters, weights))
    wanted = replace(wanted, cluster=wanted.cluster or recorded, weights=wanted.weights or weighed)
    # A file of several probes has the attributes of all of them: null where a probe has none of that name.
    empty = {name for name in table.column_names if table[name].null_count == len(table)}
    every = {SCORE + label for each in labels.values() for label in each}
    rows, notes = _rows(table, wanted, {*OWN_COLUMNS, LISTS, *every, *empty} - {"id"}, place)
    names = tuple(labels.get(f"{probe}/{measurement}", ()))
    scores = scores_of(table, names, f"{place}: the scores of {measurement!r}")
    given = None if scores is None else ScoreColumns(names, scores)
    if given is not None and (combined := stands_for.get(f"{probe}/{measurement}")):
        given = by_answer(given, combined["answers"], combined["combine"])
    truth = None if Y_TRUE in empty else read_labels(table[Y_TRUE], Y_TRUE, place, missing=True)
    predictions, more = build_predictions(read_labels(table[Y_PRED], Y_PRED, place), truth, given, rows.attributes, place)
    if recorded is not None and recorded == wanted.cluster:
        more.append(Note("clusters_of_the_audit", {"column": quoted(recorded), "file": place}))
    if weighed is not None and weighed == wanted.weights:
        more.append(Note("weights_of_the_audit", {"column": quoted(weighed), "file": place}))
    return replace(rows, numbered=probe in numbered).answers(model, probe, measurement, predictions), notes + more


# ---- rows: attributes, identifiers, clusters -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rows:
    attributes: pd.DataFrame
    cluster: str | None
    """The column that says which rows belong together."""
    numbers: Int[np.ndarray, "n"] | None
    names: pd.api.extensions.ExtensionArray | None
    """What each number stands for."""
    numbered: bool
    weights: str | None = None
    """The column that says how much each row counts for."""
    weight: Float[np.ndarray, "n"] | None = None

    def answers(self, model: str, probe: str | None, measurement: str, predictions: Predictions) -> MeasurementAnswers:
        """Return what was answered about these rows."""
        predictions = replace(predictions, cluster=self.numbers, cluster_names=self.names, weight=self.weight)
        left_out: tuple[Exclusion, ...] = ()
        if self.weight is not None and self.weights is not None and not self.weight.all():
            left_out = (weights_of_0(self.attributes[self.weight == 0], self.weights),)
            predictions = some_rows(predictions, self.weight > 0)
        return MeasurementAnswers(model, probe, measurement, predictions, left_out, self.cluster, self.weights, self.numbered)


def _rows(table: pa.Table, wanted: ColumnOptions, reserved: set[str], place: str) -> tuple[_Rows, list[Note]]:
    columns = [name for name in table.column_names if name not in reserved and name and not name.startswith("__index_level_")]
    identifier = next((name for name in ID_COLUMNS if name in columns), None)
    notes: list[Note] = []
    others = [name for name in columns if name not in (identifier, wanted.cluster, wanted.weights, *wanted.beside)]
    texts = _attributes(table, wanted, others, notes, place)
    texts |= {name: as_text(table[name], name) for name in (*wanted.changing, *wanted.beside) if name not in texts}
    index = read_identifiers(table, identifier, wanted.cluster, place)
    # Arrow keeps the text of these columns, so that a million rows become no objects.
    columns_of_text = {name: pd.array(pc.fill_null(text.dictionary_decode(), UNKNOWN), dtype="str") for name, text in texts.items()}
    frame = pd.DataFrame(columns_of_text, index=index)
    notes += [note for name, text in texts.items() for note in suspicious_levels(name, text.dictionary.to_pylist())]
    notes += [Note("missing_values", {"column": name, "count": text.null_count}) for name, text in texts.items() if text.null_count]
    own = _LABELS_KEY in (table.schema.metadata or {})
    numbers, names = (None, None) if wanted.cluster is None else read_clusters(table, wanted.cluster, place, unknown_alone=own)
    weight = None if wanted.weights is None else sample_weights(table[wanted.weights], wanted.weights, place)
    if weight is not None and wanted.weights is not None:
        check_groups(weight, frame, wanted.weights, place)
    return _Rows(frame, wanted.cluster, numbers, names, identifier is None, wanted.weights, weight), notes


def _attributes(table: pa.Table, wanted: ColumnOptions, names: Sequence[str], notes: list[Note], place: str) -> dict[str, pa.Array]:
    """Return the columns to slice by: those that were named, or every column of text with few levels."""
    if wanted.attributes is not None:
        return {name: _two_groups(as_text(table[name], name), name, place) for name in wanted.attributes}
    if wanted.slices:
        return {name: as_text(table[name], name) for name in wanted.slices if name in names or name == wanted.cluster}
    chosen, others = {}, []
    for name in names:
        kind = table[name].type
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        text = as_text(table[name], name) if holds_labels(kind) and not numeric else None
        levels = [] if text is None else [level for level in text.dictionary.to_pylist() if level.strip()]
        if text is None or all_numbers(levels):
            others.append(f"{quoted(name)} (numbers: --bins {name}=4)" if numeric or text is not None else f"{quoted(name)} ({kind})")
        elif 2 <= len(levels) <= FEW_LEVELS:
            chosen[name] = text
        else:
            often = len(levels) > 1 and len(table) >= 2 * len(levels)
            hint = f"; where rows with one value belong together: --cluster {name}" if often else ""
            others.append(f"{quoted(name)} ({counted(len(levels), 'level')}{hint})")
    unused = f"; not used: {', '.join(others)}" if others else ""
    if not chosen:
        raise DataError(
            f"{place} has no attribute column",
            why=f"an attribute is by rule a column of text with 2 to {FEW_LEVELS} levels{unused}",
            fix="name the columns to slice by: --attributes race,gender; numbers: --bins age=18,30,60",
        )
    values: dict[str, Value] = {"levels": FEW_LEVELS, "attributes": tuple(map(quoted, chosen)), "others": tuple(others)}
    notes.append(Note("attributes_by_rule_of_several" if others else "attributes_by_rule", values))
    return chosen


def _two_groups(text: pa.Array, name: str, place: str) -> pa.Array:
    groups = {level for level in text.dictionary.to_pylist() if level.strip()} - {UNKNOWN}
    if len(groups) < 2:
        raise DataError(
            f"{place}: {counted(len(groups), 'group')} in the column {quoted(name)}",
            why="groups are compared with each other, so two are required",
            fix="leave it out of --attributes",
        )
    return text
