"""Reads the facts of an audit, a comparison, or what else wrote a file of them, from its directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from audit import results
from audit.errors import DataError
from audit.output.manifest import checked_folder
from audit.records import comparison
from audit.records.comparison import Comparisons
from audit.results import Results
from strictio.files import read_text

T = TypeVar("T")
RESULTS, COMPARISON = "results.json", "comparison.json"


def read_results(directory: Path, *, pages: bool = True) -> Results:
    """Return the results of an audit; raise `DataError` if a file is missing, invalid or from another run.

    `pages`: whether the report in the directory must belong to them.
    """
    return read_facts(directory, RESULTS, results.from_json, "an audit", pages=pages)


def read_comparisons(directory: Path, *, pages: bool = True) -> Comparisons:
    """Return the comparisons that `vlm-audit compare` wrote; raises as `read_results` does."""
    return read_facts(directory, COMPARISON, comparison.from_json, "a comparison", pages=pages)


def read_facts(directory: Path, name: str, parse: Callable[[str], T], written_by: str, *, pages: bool = False) -> T:
    """Parse a file of facts; raises as `read_results` does. `written_by` completes "the output directory of …"."""
    path = checked_folder(directory, pages=pages) / name
    try:
        return parse(read_text(path))
    except OSError as error:
        found = "cannot be read" if os.path.lexists(path) else "not found"
        raise DataError(
            f"{name} {found} in {str(directory)!r}", why=error.strerror, fix=f"name the output directory of {written_by}"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not valid UTF-8", where=str(directory), fix=f"run {written_by} again") from error
