"""Tables of a million rows as Arrow columns, read as strictly as a label table, and their cells as labels or numbers."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.arrow import from_frame
from audit.data.schema import counted, quoted
from audit.errors import DataError, UsageError, nearest, nearest_file
from audit.predictions.hub_tables import is_saved_folder, read_classes, read_saved_folder
from audit.types import UNKNOWN
from strictio.tables import PARQUET, check_encoding, ending_of, read_table

if TYPE_CHECKING:
    from jaxtyping import Int

FRAME = "data frame"
"""Name of a data frame in messages and results."""
_ANSWERS = ("pred", "prediction", "predicted", "predicted_label", "y_pred", "ypred", "answer", "output", "response", "model_output")
_LABEL_KINDS = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
    pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null,
)  # fmt: skip
MANY_NUMBERS = 12
"""A column with more different numbers is a measurement, to be divided into groups, rather than a few labels."""
_MOST_EXACT = 2.0**53
"""From here on, floats cannot represent all integers."""


def frame_columns(frame: pd.DataFrame) -> tuple[pa.Table, str]:
    """Convert a data frame to the table of its Parquet file, and compute the sha256 of its CSV file."""
    if not isinstance(frame, pd.DataFrame):
        raise UsageError(f"predictions of type {type(frame).__name__}", why="expected a path or a pandas data frame")
    table = _with_rows(from_frame(frame, FRAME), FRAME)
    text = frame.to_csv(index=any(name is not None for name in frame.index.names))
    return table, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_columns(path: Path, encoding: str | None = None) -> pa.Table:
    """Read a table file; for all formats but Parquet, cells are text, and empty ones the empty string."""
    check_printable(path)
    if is_saved_folder(path):
        return _with_rows(read_saved_folder(path), path.name)
    if not path.is_file():
        raise DataError(f"no file {str(path)!r}", fix=nearest_file(path, "give a table with one row per prediction"))
    check_encoding(path, encoding)
    table = read_classes(path) if ending_of(path) in PARQUET else read_table(path, encoding).columns
    return _with_rows(table, path.name)


def check_printable(path: Path) -> None:
    """Raise `DataError` for a name that cannot be printed: it goes into results.json and the report."""
    if not str(path).isprintable():
        raise DataError(f"the name {str(path)!a} cannot be printed", fix="give the file a name of letters, digits and dashes")


def _with_rows(table: pa.Table, source: str) -> pa.Table:
    if table.num_rows == 0:
        raise DataError(f"{source} has columns but no rows", fix="give a table with one row per prediction")
    return table


def renamed(table: pa.Table, flags: Mapping[str, tuple[str | None, str]], source: str) -> pa.Table:
    """Rename the columns that flags name to the names that this program uses."""
    names = table.column_names
    for flag, (column, known) in flags.items():
        if column is None or column == known:
            continue
        if column not in names:
            raise UsageError(f"{source} has no column {quoted(column)}", where=flag, fix=nearest(column, names))
        if known in names:
            raise UsageError(
                f"{source} has a column {known!r} besides {quoted(column)}", where=flag, fix="leave the flag out, or the column"
            )
        names = [known if name == column else name for name in names]
    return table.rename_columns(names).replace_schema_metadata(table.schema.metadata)


def like_answers(names: Sequence[str]) -> str:
    """Hint how to name the column of answers.

    >>> like_answers(["race", "Pred"]), like_answers(["race"])
    ('--prediction-column Pred', 'name the column of answers: --prediction-column NAME')
    """
    likely = [name for name in names if get_close_matches(name.casefold(), _ANSWERS, cutoff=0.8)]
    flags = " or ".join(f"--prediction-column {shlex.quote(name[:80])}" for name in likely[:3])
    return flags or "name the column of answers: --prediction-column NAME"


# ---- columns as text -----------------------------------------------------------------------------------------------------------------


def as_text(column: pa.ChunkedArray, name: str) -> pa.Array:
    """A column of labels as dictionary-encoded text; missing values and blank cells are null.

    Integers that are stored as floats (as pandas stores integers with missing values) are read as integers.
    """
    kind: Any = column.type
    if not holds_labels(kind):
        raise DataError(f"the column {quoted(name)} holds {kind}, which is not a label", fix="give text or whole numbers")
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind):
        column = _whole(column, name)
    elif pa.types.is_boolean(kind):
        column = pc.if_else(column, "True", "False")
    text = pa.chunked_array([column.cast(pa.string()).combine_chunks()])
    encoded = text.dictionary_encode().combine_chunks()
    if all(level.strip() for level in encoded.dictionary.to_pylist()):
        return encoded
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(text), ""), None, text).dictionary_encode().combine_chunks()


def holds_labels(kind: Any) -> bool:
    """Whether a column of this type can be read as labels: text, booleans and numbers; not dates, bytes or lists."""
    plain: Any = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(is_one(plain) for is_one in _LABEL_KINDS)


def _whole(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    known = pc.if_else(pc.is_nan(column), None, column.cast(pa.float64()))
    if pc.any(pc.or_(pc.not_equal(pc.floor(known), known), pc.greater_equal(pc.abs(known), _MOST_EXACT))).as_py():
        raise DataError(
            f"the column {quoted(name)} holds fractions or infinite numbers, which are not labels",
            fix=f"cut numbers into groups, --bins {shlex.quote(name)}=18,30,60; scores go into one column per label, called score:LABEL",
        )
    return known.cast(pa.int64())


def read_clusters(
    table: pa.Table, name: str, source: str, *, unknown_alone: bool
) -> tuple[Int[np.ndarray, "n"], pd.api.extensions.ExtensionArray]:
    """The number of each row's cluster, and the name of each number; raises DataError if a row has none.

    With `unknown_alone`, "unknown" is not a cluster: an audit writes it for a missing attribute, and such a row is a unit by itself.
    """
    text = as_text(table[name], name)
    if text.null_count:
        raise DataError(
            f"{source}: {counted(text.null_count, 'row')} without a cluster",
            where=f"column {quoted(name)}, first in row {pc.index(pc.is_null(text), True).as_py() + 1} after the header",
            fix="give each row its cluster; a row that belongs to no other has one of its own",
        )
    numbers, names = np.array(text.indices.to_numpy(), np.int64), text.dictionary
    if unknown_alone:
        alone = np.flatnonzero(pc.equal(text.dictionary_decode(), UNKNOWN).to_numpy(zero_copy_only=False))
        numbers[alone] = len(names) + np.arange(len(alone))
        names = pa.concat_arrays([names, pa.repeat(pa.scalar(UNKNOWN, names.type), len(alone))])
    return numbers, pd.array(names, dtype="str")


def read_identifiers(table: pa.Table, name: str | None, cluster: str | None, source: str) -> pd.Index:
    """The identifiers of the rows: a column, or their position; raises DataError if one is missing, or (except for clusters) repeated."""
    if name is None:
        numbers: pd.Index = pd.Index(np.arange(1, len(table) + 1).astype(str), dtype="str")
        return numbers
    try:
        text = table[name].cast(pa.string())
    except pa.ArrowException as error:
        why = f"it holds {table[name].type}"
        raise DataError(f"{source}: the column {quoted(name)} identifies no row", why=why, fix="give text, or rename the column") from error
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(text), ""), True)
    if pc.any(blank).as_py():
        raise DataError(
            f"{source}: {counted(pc.sum(blank).as_py(), 'row')} without an identifier",
            where=f"column {quoted(name)}, first in row {pc.index(blank, True).as_py() + 1} after the header",
            fix="give each row its own, delete empty rows, or rename the column",
        )
    index: pd.Index = pd.Index(text.to_pandas(), dtype="str")
    if name != cluster and index.has_duplicates:
        twice = index[index.duplicated()]
        raise DataError(
            f"{source}: {counted(len(twice), 'row')} with a repeated identifier",
            where=f"column {quoted(name)}, first in row {int(index.duplicated().argmax()) + 1} after the header",
            why=f"the first is {quoted(str(twice[0]))}; a row that counts twice makes intervals too narrow",
            fix=f"keep one row per image, or name the cluster of each row: --cluster {name}",
        )
    return index


def as_numbers(column: pa.ChunkedArray, name: str, start: int = 0) -> pa.ChunkedArray:
    """A column of finite numbers; raises `DataError` for the first cell that is not one.

    `start` is the number of earlier rows of the file, for messages.
    """
    if pa.types.is_nested(column.type):
        raise _not_a_number(name, start, str(column.type))
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowException as error:
        text = column.cast(pa.string())
        row = pc.index(pc.match_substring_regex(text, r"^[ +-]*(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"), False).as_py()
        raise _not_a_number(name, start + row, quoted(str(text[row].as_py()))) from error
    bad = pc.fill_null(pc.invert(pc.is_finite(numbers)), True)
    if pc.any(bad).as_py():
        row = pc.index(bad, True).as_py()
        raise _not_a_number(name, start + row, str(numbers[row].as_py() if numbers[row].is_valid else "nothing"))
    return numbers


def check_finite(column: pa.ChunkedArray, name: str) -> None:
    """Raise `DataError` for the first number that is not finite; cells that are not numbers are ignored."""
    try:
        finite = pc.fill_null(pc.is_finite(column.cast(pa.float64())), True)
    except pa.ArrowException:
        return
    if not pc.all(finite).as_py():
        row = pc.index(finite, False).as_py()
        raise _not_a_number(name, row, str(column[row].as_py()))


def _not_a_number(name: str, row: int, value: str) -> DataError:
    return DataError(
        f"a score that is not a number in the column {quoted(name)}",
        where=f"row {row + 1} after the header" if row >= 0 else None,
        why=f"found {value}",
        fix="give each row a number from 0 to 1, with a decimal point",
    )


def all_numbers(values: Sequence[str]) -> bool:
    """Whether every text is a number.

    Examples
    --------
    >>> all_numbers(["1", "2.5"]), all_numbers(["1", "x"]), all_numbers([])
    (True, False, False)
    """
    try:
        return len([float(value) for value in values]) > 0
    except ValueError:
        return False
