"""Joins the groups of samples from the data set, for predictions that do not hold them: one row of the data set per sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from audit.data.schema import counted, quoted
from audit.errors import DataError, UsageError, nearest
from audit.naming import natural_order
from audit.predictions.answers import Y_PRED, Y_TRUE
from audit.predictions.columns import as_text, read_columns
from audit.types import UNKNOWN, Group, Note, PairedClaim, Predictions

if TYPE_CHECKING:
    import pandas as pd

POSITION = "doc_id"
"""A column that may be the position of a row in the data set, from 0: so lm-eval and lmms-eval name it."""
_ID = "id"


def joined(table: pa.Table, path: Path, on: str, truth: str | None, source: str, sample: str) -> tuple[pa.Table, Note]:
    """Add the columns of a data set to the rows of a table.

    `on`: the column of the data set that identifies a sample; it equals the column of the same name in the log, else `sample`, the column
    of its samples. ``doc_id`` may also be the position of the row in the data set; then `truth`, its column of true answers, must agree
    with the log. Raises DataError if a row of the log has no row in the data set, or several, or another true answer.
    """
    data, rows = read_columns(path), len(table)
    by_position = on == POSITION and on not in data.column_names
    if by_position:
        data = _numbered(data, table, truth, path.name)
    if on not in data.column_names:
        raise UsageError(f"{path.name} has no column {quoted(on)}", where="--on", fix=nearest(on, data.column_names))
    keys = as_text(data[on], on)
    if keys.null_count or len(keys.dictionary) < len(keys):
        what = f"{path.name} does not identify its rows by {quoted(on)}"
        raise DataError(what, why=_first_repeated(keys), fix="give one row per sample: --join FILE --on COLUMN")
    of_samples = on if on in table.column_names else sample
    if of_samples not in table.column_names:
        fix = f"name a column that both have: --on COLUMN; {nearest(on, table.column_names)}"
        raise UsageError(f"{source} has no column {quoted(on)} to join by", where="--on", fix=fix)
    own = as_text(table[of_samples], on)
    positions = pc.index_in(own.dictionary_decode(), value_set=keys.dictionary_decode())
    if positions.null_count:
        first = own.dictionary_decode()[pc.index(positions.is_null(), True).as_py()].as_py()
        why = f"the first is {quoted(str(first))}; {path.name} has {quoted(str(keys[0].as_py()))}, for example"
        fix = "join with the data set that the evaluation used, by another column: --on COLUMN"
        raise DataError(f"{source}: {counted(positions.null_count, 'row')} without a row in {path.name}", why=why, fix=fix)
    found = data.take(positions)
    if truth is not None:
        _check_truth(table, found, truth, path.name)
    skipped = {on, truth, _ID, Y_PRED, Y_TRUE}
    added = [name for name in found.column_names if name not in skipped and name not in table.column_names]
    for name in added:
        table = table.append_column(name, found[name])
    unused = len(data) - pc.count_distinct(positions).as_py()
    values = {"attributes": tuple(added[:50]), "table": path.name, "found": rows, "total": rows, "by": on, "unused": unused}
    return table, Note("joined_attributes", values)


def _numbered(data: pa.Table, table: pa.Table, truth: str | None, name: str) -> pa.Table:
    """The data set with the position of each row, if a column of true answers can confirm the order."""
    if truth is None or Y_TRUE not in table.column_names:
        why = f"{name} has no column {POSITION!r}, so its order would have to be that of the evaluation"
        fix = "name its column of true answers, which must agree in every row: --truth-column COLUMN"
        raise UsageError("rows cannot be joined by their position alone", where="--on", why=why, fix=fix)
    return data.append_column(POSITION, pa.array(map(str, range(len(data))), pa.string()))


def _check_truth(table: pa.Table, found: pa.Table, truth: str, name: str) -> None:
    if truth not in found.column_names:
        raise UsageError(f"{name} has no column {quoted(truth)}", where="--truth-column", fix=nearest(truth, found.column_names))
    if Y_TRUE not in table.column_names:
        raise DataError("the log holds no true answers to compare with", where="--truth-column", fix="leave it out")
    ours, theirs = (
        pc.utf8_trim_whitespace(pc.fill_null(as_text(column, truth).dictionary_decode(), "")) for column in (table[Y_TRUE], found[truth])
    )
    differs = pc.not_equal(ours, theirs)
    if pc.any(differs).as_py():
        at = pc.index(differs, True).as_py()
        why = f"the first is in row {at + 1}: {quoted(str(ours[at].as_py()))} in the log, {quoted(str(theirs[at].as_py()))} in {name}"
        what = f"{counted(pc.sum(differs).as_py(), 'true answer')} of the log and of {name} differ"
        raise DataError(what, why=why, fix="join with the data set that the evaluation used, in its order")


def _first_repeated(keys: pa.Array) -> str:
    if keys.null_count:
        return f"row {pc.index(keys.is_null(), True).as_py() + 1} has none"
    counts = pc.value_counts(keys.dictionary_decode())
    twice = next(entry["values"].as_py() for entry in counts if entry["counts"].as_py() > 1)
    return f"{quoted(str(twice))} occurs more than once"


# Counterfactual pairs in a table: rows that agree on some columns and differ in one attribute.


MOST_LEVELS = 10
"""An attribute with more levels has too many pairs of levels."""


@dataclass(frozen=True)
class PairColumns:
    """The columns that define pairs of rows."""

    attribute: str
    """The attribute that changes within a pair."""
    within: Group
    """The columns that together identify a set: its rows differ only in the attribute."""


def parse_pairs(text: str) -> PairColumns:
    """Parse ``--pairs ATTRIBUTE=COLUMN,COLUMN``; raises UsageError for anything else.

    Examples
    --------
    >>> parse_pairs("tone=scene")
    PairColumns(attribute='tone', within=('scene',))
    """
    name, equals, columns = text.partition("=")
    within = tuple(dict.fromkeys(column.strip() for column in columns.split(",") if column.strip()))
    if not equals or not name.strip() or not within or name.strip() in within:
        fix = "--pairs tone=scene: rows that agree on scene and differ in tone"
        raise UsageError(f"malformed --pairs {text!r}", fix=fix)
    return PairColumns(name.strip(), within)


def paired_claims(
    pairs: Sequence[PairColumns], measurement: str, outcomes: Sequence[str], predictions: Predictions, cluster: str | None
) -> Iterator[PairedClaim]:
    """Yield a claim for every two levels of an attribute and every question: right answers, if the truth is known, and each outcome.

    Rows with one value of `cluster` count as one sampling unit; None: those of a set do. Raises UsageError if an attribute has too many
    levels; DataError if no two rows form a pair.
    """
    questions = [*([None] if predictions.y_true is not None else []), *outcomes]
    for pair in pairs:
        levels = natural_order(set(predictions.attributes[pair.attribute].unique()) - {UNKNOWN})
        if len(levels) > MOST_LEVELS:
            why = f"it has {len(levels)} levels, and at most {MOST_LEVELS} are paired with each other"
            fix = _turned_round(pair, predictions.attributes) or "leave out the rows of some levels"
            raise UsageError(f"--pairs: {pair.attribute!r} has too many levels", why=why, fix=fix)
        if not _are_paired(pair, predictions.attributes):
            raise DataError(
                f"--pairs: no two rows agree on {', '.join(pair.within)} and differ in {pair.attribute}",
                why="a pair is two rows of one set",
                fix=_turned_round(pair, predictions.attributes) or "name the column that says which rows show the same: --pairs tone=scene",
            )
        for first, second in combinations(levels, 2):
            for outcome in questions:
                yield PairedClaim(measurement, pair.attribute, first, second, pair.within, cluster or pair.within[0], outcome)


def _are_paired(columns: PairColumns, attributes: pd.DataFrame) -> bool:
    """Whether two rows agree on the columns that identify a set, and differ in the attribute."""
    rows = attributes[[*columns.within, columns.attribute]]
    known = rows[(rows != UNKNOWN).all(axis=1)]
    return bool(len(known)) and bool(known.groupby(list(columns.within), observed=True)[columns.attribute].nunique().max() > 1)


def _turned_round(columns: PairColumns, attributes: pd.DataFrame) -> str | None:
    """A suggestion to exchange attribute and column, if that gives pairs."""
    other = PairColumns(columns.within[0], (columns.attribute,))
    few = attributes[other.attribute].nunique() <= MOST_LEVELS
    meant = len(columns.within) == 1 and few and _are_paired(other, attributes)
    return f"did you mean --pairs {other.attribute}={columns.attribute}? What changes within a pair stands first" if meant else None
