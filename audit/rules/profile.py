"""Writes the bias profile of an archive again, and compares it cell by cell; what people state is not compared."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from audit.results import Results
from audit.version import __version__
from reports.profile.rows import profile_csv
from reports.profile.statements import Statements

PROFILE = "profile.csv"


def profile_problems(content: bytes, results: Results) -> Iterator[str]:
    """Yield each cell of a profile that does not follow from the results, with its row."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        yield f"{PROFILE}: it is not a table ({type(error).__name__})"
        return
    expected = list(csv.DictReader(io.StringIO(profile_csv(results, Statements()), newline="")))
    if len(rows) != len(expected):
        yield f"{PROFILE}: {len(rows):,} rows; results.json has {len(expected):,} groups of questions"
        return
    ours = results.tool == f"vlm-audit {__version__}"  # another version may have fewer columns
    for number, (row, cells) in enumerate(zip(rows, expected, strict=True), 1):
        for column, value in cells.items():
            if not column.startswith("stated_") and row.get(column) != value and (ours or column in row):
                yield f"{PROFILE}: row {number}, {column}: {ascii(row.get(column))[:40]}, in results.json {ascii(value)[:40]}"
