"""A table of a million rows as Arrow columns of text: CSV and Parquet, with the same strictness as a label table."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.arrow import from_frame
from audit.data.schema import check_distinct, counted, quoted
from audit.data.table import CSV_SUFFIXES, PARQUET_SUFFIXES, csv_header, read_csv
from audit.errors import DataError, UsageError
from audit.types import UNKNOWN

if TYPE_CHECKING:
    from jaxtyping import Int

FRAME = "data frame"
"""What messages and results call a data frame."""
_BLOCK = 1 << 22
_LABEL_KINDS = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view,
    pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null,
)  # fmt: skip
_MOST_EXACT = 2.0**53
"""From here on a float no longer tells one whole number from the next."""
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def frame_columns(frame: pd.DataFrame) -> tuple[pa.Table, str]:
    """Return a data frame as the table that its Parquet file would give, and the sha256 that its CSV file would have."""
    if not isinstance(frame, pd.DataFrame):
        raise UsageError(f"predictions of type {type(frame).__name__}", why="expected a path or a pandas data frame")
    table = _with_rows(from_frame(frame, FRAME), FRAME)
    text = frame.to_csv(index=any(name is not None for name in frame.index.names))
    return table, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_columns(path: Path) -> pa.Table:
    """Return a CSV or Parquet file; of CSV every cell is text, an empty one the empty string.

    Cells of CSV are separated by commas, or, where the header has no comma, by semicolons or tabs.
    """
    suffix = path.suffix.lower()
    if not str(path).isprintable():  # results.json and the report would hold the name
        raise DataError(f"the name {str(path)!a} cannot be printed", fix="give the file a name of letters, digits and dashes")
    if not path.is_file():
        raise DataError(f"no file {str(path)!r}", fix="give a .csv or .parquet file with one row a prediction")
    if suffix not in CSV_SUFFIXES + PARQUET_SUFFIXES:
        raise DataError(f"{str(path)!r} is not a table", why=f"its name ends in {suffix!r}", fix="give a .csv or .parquet file")
    table = _parquet(path) if suffix in PARQUET_SUFFIXES else _csv(path)
    check_distinct(table.column_names, path.name)
    return _with_rows(table, path.name)


def _with_rows(table: pa.Table, place: str) -> pa.Table:
    if table.num_rows == 0:
        raise DataError(f"{place} has columns but no rows", fix="give a table with one row a prediction")
    return table


def _parquet(path: Path) -> pa.Table:
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_distinct(file.schema_arrow.names, path.name)
            return file.read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} is not a Parquet file, or damaged", why=str(error).partition("\n")[0][:200]) from error


def _csv(path: Path) -> pa.Table:
    from pyarrow import csv as arrow_csv

    names, separator = _header(path)
    check_distinct(names, path.name)
    options = {
        "read_options": arrow_csv.ReadOptions(block_size=_BLOCK),
        "parse_options": arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        "convert_options": arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[], strings_can_be_null=False
        ),
    }
    try:
        return arrow_csv.read_csv(path, **options)
    except pa.ArrowException as error:
        if separator == ",":
            read_csv(path)  # the slow reader names the line
        raise DataError(f"{path.name} is not a CSV table", why=str(error).partition("\n")[0][:200], fix="quote the cells") from error


def _header(path: Path) -> tuple[list[str], str]:
    """Return the column names and the separator."""
    with path.open("rb") as file:
        start = file.read(len(codecs.BOM_UTF16_LE))
    names, separator = csv_header(path, tuple(SEPARATORS))
    if not names or start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        read_csv(path)  # says what is wrong with it
    return names, separator


# ---- columns as text -----------------------------------------------------------------------------------------------------------------


def as_text(column: pa.ChunkedArray, name: str) -> pa.Array:
    """Return a column of labels as dictionary-encoded text; missing values and blank cells are null.

    Whole numbers that are stored as floats (as pandas stores integers beside missing values) read as whole numbers.
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
    """Whether a column of this type can be read as labels: text, truth values and numbers; not dates, bytes or lists."""
    plain: Any = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(is_one(plain) for is_one in _LABEL_KINDS)


def _whole(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    known = pc.if_else(pc.is_nan(column), None, column.cast(pa.float64()))
    if pc.any(pc.or_(pc.not_equal(pc.floor(known), known), pc.greater_equal(pc.abs(known), _MOST_EXACT))).as_py():
        raise DataError(
            f"the column {quoted(name)} holds fractions or infinite numbers, which are not labels",
            fix="give the answer as text; scores go into one column a label, called score:LABEL",
        )
    return known.cast(pa.int64())


def read_clusters(
    table: pa.Table, name: str, place: str, *, unknown_alone: bool
) -> tuple[Int[np.ndarray, "n"], pd.api.extensions.ExtensionArray]:
    """Return the number of each row's cluster, and what each number stands for; DataError if a row has none.

    With `unknown_alone` "unknown" is not a cluster: an audit writes it for a missing attribute, and such a row is a unit by itself.
    """
    text = as_text(table[name], name)
    if text.null_count:
        raise DataError(
            f"{place}: {counted(text.null_count, 'row')} without a cluster",
            where=f"column {quoted(name)}, first in row {pc.index(pc.is_null(text), True).as_py() + 1} after the header",
            fix="give each row its cluster; a row that belongs to no other has one of its own",
        )
    numbers, names = np.array(text.indices.to_numpy(), np.int64), text.dictionary
    if unknown_alone:
        alone = np.flatnonzero(pc.equal(text.dictionary_decode(), UNKNOWN).to_numpy(zero_copy_only=False))
        numbers[alone] = len(names) + np.arange(len(alone))
        names = pa.concat_arrays([names, pa.repeat(pa.scalar(UNKNOWN, names.type), len(alone))])
    return numbers, pd.array(names, dtype="str")


def as_numbers(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return a column of finite numbers, or raise `DataError` naming the first cell that is not one."""
    if pa.types.is_nested(column.type):
        raise _not_a_number(name, 0, str(column.type))
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowException as error:
        text = column.cast(pa.string())
        place = pc.index(pc.match_substring_regex(text, r"^[ +-]*(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"), False).as_py()
        raise _not_a_number(name, place, quoted(str(text[place].as_py()))) from error
    bad = pc.fill_null(pc.invert(pc.is_finite(numbers)), True)
    if pc.any(bad).as_py():
        place = pc.index(bad, True).as_py()
        raise _not_a_number(name, place, str(numbers[place].as_py() if numbers[place].is_valid else "nothing"))
    return numbers


def _not_a_number(name: str, row: int, found: str) -> DataError:
    """Return the error about a score that is not a finite number."""
    return DataError(
        f"a score that is not a number in the column {quoted(name)}",
        where=f"row {row + 1} after the header" if row >= 0 else None,
        why=f"found {found}",
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
