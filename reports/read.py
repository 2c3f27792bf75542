"""Reads what an audit or a comparison left: a directory in, its facts out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from audit.errors import DataError
from audit.records import comparison, results
from audit.records.comparison import Comparisons
from audit.records.results import Results

T = TypeVar("T")
RESULTS, COMPARISON = "results.json", "comparison.json"


def read_results(directory: Path) -> Results:
    """Return the results of an audit; a file that is missing or invalid is a `DataError`."""
    return _read(directory / RESULTS, "an audit", results.from_json)


def read_comparisons(directory: Path) -> Comparisons:
    """Return the comparisons of `audit.compare`; raises as `read_results` does."""
    return _read(directory / COMPARISON, "a comparison", comparison.from_json)


def _read(path: Path, what: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(
            f"{path.name} not found in {str(path.parent)!r}", why=error.strerror, fix=f"name the output directory of {what}"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not valid UTF-8", where=str(path), fix=f"run {what} again") from error
