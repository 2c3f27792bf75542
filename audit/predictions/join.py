"""Joins the groups of samples from the data set, for predictions that do not hold them: one row of the data set per sample."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from audit.data.schema import counted, quoted
from audit.errors import DataError, UsageError, nearest
from audit.predictions.answers import Y_PRED, Y_TRUE
from audit.predictions.columns import as_text, read_columns
from audit.types import Note

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
