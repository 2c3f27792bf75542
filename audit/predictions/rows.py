"""Rows of a table of predictions: attributes, identifiers, clusters and weights; and the answers for them."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.cells.suspicious import IDENTIFIERS, no_groups, suspicious_levels
from audit.data.schema import IMAGE_COLUMNS, alike, counted, is_row_number, quoted
from audit.encoder import Value
from audit.errors import DataError
from audit.predictions.answers import Y_PRED, Y_TRUE
from audit.predictions.bins import Bins
from audit.predictions.columns import MANY_NUMBERS, all_numbers, as_text, holds_labels, read_clusters, read_identifiers, renamed
from audit.predictions.made import Answered, made_from
from audit.predictions.own_tables import SCORE
from audit.predictions.texts import Tags
from audit.predictions.units import possible_units
from audit.predictions.weights import check_groups, sample_weights, weights_of_0
from audit.records.inputs import ATTRIBUTES_CHOSEN, ATTRIBUTES_OF_PROBE_CHOSEN, DECLARED_INDEPENDENT, UNDECLARED_UNITS
from audit.types import UNKNOWN, Exclusion, Note, Predictions

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

ID_COLUMNS = ("id", *IMAGE_COLUMNS)
FEW_LEVELS = 50
MOST_ATTRIBUTES = 20
"""Default maximum number of attributes of a file: the number of questions is quadratic in it, and the power of each test decreases."""
_HEAD = 1000
"""Number of rows that suffice to detect a column of numbers, such as a feature, without reading all of it."""
_NAMED = 20
"""Maximum number of columns that a message lists."""
_TRUTHS = ("truth", "label", "target", "ground_truth", "y")
"""Usual names of a column of true answers besides ``y_true``."""
_ANY_QUESTION = {"yes", "no", "true", "false"}
"""Labels that attributes and answers share by chance."""
LABELS_KEY = b"vlm_audit.labels"
"""Metadata of the `predictions.parquet` that an audit writes: "probe/measurement" -> labels of the scores."""


@dataclass(frozen=True)
class ColumnOptions:
    """Options that name columns."""

    attributes: tuple[str, ...] | None = None
    """None: every other column of text with 2 to 50 levels."""
    cluster: str | None = None
    independent: bool = False
    """Whether rows are declared independent, although a column may be one of sampling units."""
    weights: str | None = None
    slices: tuple[str, ...] = ()
    """Attributes that probes slice by, or need as the truth: if these columns exist, only they and `attributes` are attributes."""
    prediction: str | None = None
    """The column of answers, if it is not called ``y_pred``."""
    truth: str | None = None
    """The column of true answers, if it is not called ``y_true``."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Attribute -> the column that it is read from, if it is called something else."""
    encoding: str | None = None
    bins: tuple[Bins, ...] = ()
    """Columns of numbers, and how to divide them into groups."""
    beside: tuple[str, ...] = ()
    """Columns by which no claim slices: they identify pairs of rows."""
    changing: tuple[str, ...] = ()
    """Columns that are attributes even if not by default: they change within a pair."""
    tags: str | None = None
    """The column with several labels per image."""
    texts: tuple[str, ...] | None = None
    """The columns of texts; None: those called ``text:NAME``, if no column has answers."""
    join: Path | None = None
    """A table with the groups of the samples."""
    on: str | None = None
    """The column of that table that identifies a sample."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The options of readers of answers that were given (`audit.predictions.readers`)."""

    def with_bins_of_answers(self) -> ColumnOptions:
        """The options with the bins of the columns that `prediction` and `truth` name under the names of this program."""
        known = {self.prediction: Y_PRED, self.truth: Y_TRUE}
        return replace(self, bins=tuple(replace(bins, column=known.get(bins.column, bins.column)) for bins in self.bins))


@dataclass(frozen=True)
class MeasurementAnswers:
    """The answers to one question."""

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
    """The column with the weight of each row."""
    numbered: bool = False
    """Whether rows are identified only by their position in the file."""
    tags: Tags | None = None
    """The labels of each row, if it has several."""
    any_of: bool = False
    """Whether the question is if a row has any of the labels of an outcome."""
    texts: Mapping[str, tuple[str, ...]] | None = None
    """Name -> one text per row, if the file has texts and no answers: `predictions` then only has the rows."""

    def row(self, position: int) -> str:
        name = self.predictions.attributes.index[position]
        return f"row {name} after the header" if self.numbered else f"the row of {quoted(str(name))}"


@dataclass(frozen=True)
class Rows:
    """Rows without their answers."""

    attributes: pd.DataFrame
    cluster: str | None
    """The column that says which rows belong together."""
    numbers: Int[np.ndarray, "n"] | None
    names: pd.api.extensions.ExtensionArray | None
    """Name of each cluster number."""
    numbered: bool
    weights: str | None = None
    """The column with the weight of each row."""
    weight: Float[np.ndarray, "n"] | None = None

    def answers(self, model: str, probe: str | None, measurement: str, predictions: Predictions) -> MeasurementAnswers:
        predictions = replace(predictions, cluster=self.numbers, cluster_names=self.names, weight=self.weight)
        left_out: tuple[Exclusion, ...] = ()
        if self.weight is not None and self.weights is not None and not self.weight.all():
            left_out = (weights_of_0(self.attributes[self.weight == 0], self.weights),)
            predictions = some_rows(predictions, self.weight > 0)
        return MeasurementAnswers(model, probe, measurement, predictions, left_out, self.cluster, self.weights, self.numbered)


def with_wanted_columns(table: pa.Table, wanted: ColumnOptions, source: str) -> tuple[pa.Table, list[Note]]:
    """The table with attributes under the names that are wanted, and a note about columns that were taken for them.

    A column is renamed if `wanted` maps it. If a wanted one is missing, the only column is that differs in case, spaces, dashes or a unit.
    """
    for name, column in wanted.columns.items():
        table = renamed(table, {"--column": (column, name)}, source)
    names = table.column_names
    attributes = (*(wanted.attributes or ()), *wanted.slices, *wanted.beside, *wanted.changing, *(bins.column for bins in wanted.bins))
    sought = dict.fromkeys((*attributes, *filter(None, (wanted.cluster, wanted.weights))))
    free = [name for name in names if name not in sought]
    found = {name: similar[0] for name in sought if name not in names and len(similar := alike(name, free)) == 1}
    if not found:
        return table, []
    for name, column in found.items():
        table = renamed(table, {name: (column, name)}, source)
    changes = tuple(f"{quoted(column)} as {name}" for name, column in found.items())
    return table, [Note("columns_alike", {"columns": changes})]


def read_rows(
    table: pa.Table,
    wanted: ColumnOptions,
    reserved: set[str],
    source: str,
    images: Int[np.ndarray, "n"] | None = None,
    answered: Sequence[Answered] = (),
) -> tuple[Rows, list[Note]]:
    """The rows of a table, and notes about them; `reserved` columns have answers. Raises errors as `load_predictions` does.

    `images` is the number of images that each row represents; None: one. By default, no attribute is a column that was made from what
    was `answered`.
    """
    candidates = _Candidates(table, answered, np.ones(len(table), np.int64) if images is None else images)
    columns = [name for name in table.column_names if name not in reserved and not is_row_number(name)]
    identifier = next((name for name in ID_COLUMNS if name in columns), None)
    unnamed = tuple(quoted(name) for name in table.column_names if name.startswith("Unnamed: ") and is_row_number(name))
    notes: list[Note] = [Note("unused_columns", {"columns": unnamed})] if unnamed else []
    others = [name for name in columns if name not in (identifier, wanted.cluster, wanted.weights, *wanted.beside)]
    texts = _attributes(candidates, wanted, others, notes, source)
    texts |= {name: as_text(table[name], name) for name in (*wanted.changing, *wanted.beside) if name not in texts}
    index = read_identifiers(table, identifier, wanted.cluster, source)
    # Stored by Arrow, so that the texts of a million rows are not Python objects.
    columns_of_text = {name: pd.array(pc.fill_null(text.dictionary_decode(), UNKNOWN), dtype="str") for name, text in texts.items()}
    frame = pd.DataFrame(columns_of_text, index=index)
    notes += [note for name, text in texts.items() for note in suspicious_levels(name, text.dictionary.to_pylist())]
    missing = {name: text.is_null().to_numpy(zero_copy_only=False) for name, text in texts.items() if text.null_count}
    notes += [
        Note("missing_values", {"column": name, "count": int(np.sum(holes if images is None else images[holes]))})
        for name, holes in missing.items()
    ]
    own = LABELS_KEY in (table.schema.metadata or {})
    if wanted.cluster is None and images is None and not own:
        undeclared = [name for name in others if name not in (*(wanted.attributes or ()), *wanted.slices, *wanted.changing)]
        notes += possible_units(table, undeclared, code_of_units(wanted))
    numbers, names = (None, None) if wanted.cluster is None else read_clusters(table, wanted.cluster, source, unknown_alone=own)
    weight = None if wanted.weights is None else sample_weights(table[wanted.weights], wanted.weights, source)
    if weight is not None and wanted.weights is not None:
        check_groups(weight, frame, wanted.weights, source)
    return Rows(frame, wanted.cluster, numbers, names, identifier is None, wanted.weights, weight), notes


def code_of_units(wanted: ColumnOptions) -> str:
    """The code of a note about columns by which rows may belong together."""
    return DECLARED_INDEPENDENT if wanted.independent else UNDECLARED_UNITS


@dataclass(frozen=True)
class _Candidates:
    """The columns that may be attributes, and what they may have been made from."""

    table: pa.Table
    answered: Sequence[Answered]
    images: Int[np.ndarray, "n"]

    def made(self, name: str, text: pa.Array) -> str | None:
        return made_from(name, text, self.answered, self.images)


def _attributes(
    candidates: _Candidates, wanted: ColumnOptions, names: Sequence[str], notes: list[Note], source: str
) -> dict[str, pa.Array]:
    """The columns to slice by: those that were named, or every column of text with few levels."""
    table = candidates.table
    if wanted.attributes is not None:
        if wanted.slices:
            notes.append(Note(ATTRIBUTES_OF_PROBE_CHOSEN, {"attributes": wanted.attributes}))
        elif left_out := tuple(name for name in _all_by_rule(candidates, names)[0] if name not in wanted.attributes):
            notes.append(Note(ATTRIBUTES_CHOSEN, {"attributes": wanted.attributes, "others": left_out}))
        texts = {name: _two_groups(as_text(table[name], name), name, source) for name in wanted.attributes}
        numbers = {name: levels for name, text in texts.items() if len(levels := _levels(text)) > MANY_NUMBERS}
        notes += [Note("single_numbers", {"column": name, "count": len(cells)}) for name, cells in numbers.items() if all_numbers([*cells])]
        # Without y_true, a probe takes the truth from an attribute, which a good model's answers equal.
        judged = texts if not wanted.slices or any(one.truth is not None for one in candidates.answered) else {}
        made = {name: candidates.made(name, text) for name, text in judged.items()}
        notes += [Note("made_from_answers", {"column": name, "how": how}) for name, how in made.items() if how]
        return {**_needed(table, wanted, names), **texts}
    if wanted.slices:
        return _needed(table, wanted, names)
    chosen, others, rest = _all_by_rule(candidates, names)
    unused = f"; not used: {', '.join(others[:_NAMED])}{' ...' if len(others) > _NAMED else ''}" if others else ""
    if not chosen:
        raise DataError(
            f"{source} has no attribute column",
            why=f"by default, an attribute is a column of text with 2 to {FEW_LEVELS} levels{unused}",
            fix="name the columns to slice by: --attributes race,gender; numbers: --bins age=18,30,60",
        )
    values: dict[str, Value] = {"levels": FEW_LEVELS, "attributes": tuple(map(quoted, chosen)), "others": tuple(others)}
    notes.append(Note("attributes_by_rule_of_several" if others else "attributes_by_rule", values))
    if rest:
        notes.append(Note("attributes_past_limit", {"limit": MOST_ATTRIBUTES, "count": len(rest), "first": quoted(rest[0])}))
    return chosen


def _needed(table: pa.Table, wanted: ColumnOptions, names: Sequence[str]) -> dict[str, pa.Array]:
    """The columns that probes need, as far as they exist."""
    return {name: as_text(table[name], name) for name in wanted.slices if name in names or name == wanted.cluster}


def _all_by_rule(candidates: _Candidates, names: Sequence[str]) -> tuple[dict[str, pa.Array], list[str], Sequence[str]]:
    """The default attributes, at most 20; the other columns, with the reason; and those not read."""
    chosen: dict[str, pa.Array] = {}
    others: list[str] = []
    table, rows = candidates.table, int(candidates.images.sum())
    answer_labels = _labels_without_truth(table)
    for at, name in enumerate(names):
        text, why_not = _by_rule(table[name], name, rows)
        if text is not None and _like_truth(text, name, answer_labels):
            text, why_not = None, f"looks like the true answer: --truth-column {shlex.quote(name)}; from Python: truth_column={name!r}"
        if text is not None and (how := candidates.made(name, text)):
            text, why_not = None, f"{how}; to compare by it all the same: --attributes"
        if text is not None and len(chosen) == MOST_ATTRIBUTES:
            return chosen, others, names[at:]
        if text is None:
            others.append(f"{quoted(name)} ({why_not})")
        else:
            chosen[name] = text
    return chosen, others, ()


def _labels_without_truth(table: pa.Table) -> list[set[str]]:
    """The labels of the answers to each question; empty if the table has true answers."""
    names = table.column_names
    if any(name.partition(":")[0] == Y_TRUE for name in names):
        return []
    answers = [name for name in names if name.partition(":")[0] == Y_PRED]
    scores = {name.removeprefix(SCORE) for name in names if name.startswith(SCORE)}
    return [_levels(as_text(table[name], name)) for name in answers] or ([scores] if scores else [])


def _like_truth(text: pa.Array, name: str, answer_labels: Sequence[set[str]]) -> bool:
    """Whether a column probably has the true answers, by its name or because its levels are the labels of the answers."""
    if not answer_labels:
        return False
    levels = _levels(text)
    same = levels in answer_labels and not {level.casefold() for level in levels} <= _ANY_QUESTION
    return same or any(alike(truth, [name]) for truth in _TRUTHS)


def _levels(text: pa.Array) -> set[str]:
    return {level for level in text.dictionary.to_pylist() if level.strip()}


def _by_rule(column: pa.ChunkedArray, name: str, rows: int) -> tuple[pa.Array | None, str]:
    """A column as text if it is an attribute by default, else None and the reason; `rows`: the number of rows of the whole file."""
    kind = column.type
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not holds_labels(kind):
        return None, str(kind)
    numbers = f"numbers: --bins {name}=4"
    if numeric or _many_numbers(column.slice(0, _HEAD), name):
        return None, numbers
    text = as_text(column, name)
    levels = [level for level in text.dictionary.to_pylist() if level.strip()]
    if all_numbers(levels):
        return None, numbers
    often = len(levels) > 1 and len(column) >= 2 * len(levels)
    hint = f"; where rows with one value belong together: --cluster {name}" if often else ""
    if not 2 <= len(levels) <= FEW_LEVELS:
        return None, f"{counted(len(levels), 'level')}{hint}"
    if (what := no_groups(name, levels, rows)) is not None:
        return None, f"{what}{hint if what == IDENTIFIERS else ''}"
    return text, ""


def _many_numbers(head: pa.ChunkedArray, name: str) -> bool:
    """Whether the first rows alone have too many levels for an attribute, all of them numbers."""
    levels = [level for level in as_text(head, name).dictionary.to_pylist() if level.strip()]
    return len(levels) > FEW_LEVELS and all_numbers(levels)


def _two_groups(text: pa.Array, name: str, source: str) -> pa.Array:
    groups = {level for level in text.dictionary.to_pylist() if level.strip()} - {UNKNOWN}
    if len(groups) < 2:
        raise DataError(
            f"{source}: {counted(len(groups), 'group')} in the column {quoted(name)}",
            why="groups are compared with each other, so two are required",
            fix="leave it out of --attributes",
        )
    return text


def exclude(predictions: Predictions, identifiers: Collection[str]) -> tuple[Predictions, set[str]]:
    """Remove the listed images (those whose labels are known to be wrong, say); also returns the identifiers that do not occur.

    They are reported, not ignored: otherwise a list for other data would silently change nothing.
    """
    rows = predictions.attributes.index.astype(str)
    return some_rows(predictions, np.asarray(~rows.isin(list(identifiers)))), set(identifiers) - set(rows)


def some_rows(predictions: Predictions, keep: Bool[np.ndarray, "n"]) -> Predictions:
    """Select images by a mask."""
    names = ("scores", "y_pred", "y_true", "attributes", "margin", "cluster", "weight")
    columns = {name: getattr(predictions, name) for name in names}
    kept = {name: column[keep] for name, column in columns.items() if column is not None and len(column)}  # margin is empty without scores
    return replace(predictions, **kept)
