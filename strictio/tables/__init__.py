"""Tables that a user brings, read strictly: a file goes in, columns of text come out; of Parquet, columns of its own types.

::

    read_table -> stream -> delimited | json_lines | workbook -> TextTable       every cell is its text in the file
    parquet    -> pages                                                          sizes are judged before anything is unfolded

Nothing is guessed, dropped or renamed. A file that cannot be read is a `DataError` that names the line; one that unfolds to far more than
it has on the disk is an `UnsafeError`.
"""

from strictio.tables.read import (
    EXPECTED,
    PARQUET,
    TEXT,
    check_encoding,
    check_text,
    column_names,
    ending_of,
    is_table,
    not_a_table,
    read_table,
)
from strictio.tables.text_table import TextTable, check_distinct, found_columns, quoted

__all__ = [
    "EXPECTED", "PARQUET", "TEXT", "TextTable", "check_distinct", "check_encoding", "check_text", "column_names", "ending_of",
    "found_columns", "is_table", "not_a_table", "quoted", "read_table",
]  # fmt: skip
