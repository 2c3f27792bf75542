"""The bias profile of an archive: one row per question and group, whose numbers are those of `results.json`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

PROFILE = "profile.csv"
_RATE = {"n": "n", "events": "events", "clusters": "clusters", "rate": "value", "low": "low", "high": "high", "status": "status"}
_CONTRAST = {"difference": "difference", "difference_low": "low_adjusted", "difference_high": "high_adjusted"}
_LEADING = {"gap": "difference", "gap_low": "low", "gap_high": "high"}
_GAP = {
    "largest_gap": "value", "ratio": "ratio", "ratio_differs_at_least": "ratio_low", "p": "p", "p_adjusted": "p_adjusted",
    "minimum_detectable": "minimum_detectable",
}  # fmt: skip
_FINDING = {"tolerance": "tolerance", "ratio_tolerance": "ratio_tolerance", "verdict": "verdict", "better": "better"}


def profile_problems(content: bytes, results: Any) -> Iterator[str]:
    """Yield each cell of a profile that is not as in the results, with its row; statements of people are not compared."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        yield f"{PROFILE}: it is not a table ({type(error).__name__})"
        return
    expected = list(_expected(results))
    if len(rows) != len(expected):
        yield f"{PROFILE}: {len(rows):,} rows; results.json has {len(expected):,} groups of questions"
        return
    for number, (row, cells) in enumerate(zip(rows, expected, strict=True), 1):
        for column, value in cells.items():
            if not _agrees(row.get(column), value):
                yield f"{PROFILE}: row {number}, {column}: {ascii(row.get(column))[:40]}, in results.json {ascii(value)[:40]}"


def _expected(results: Any) -> Iterator[dict[str, Any]]:
    for audit in results["audits"]:
        for finding in audit["findings"]:
            gap = finding["gap"] or {}
            contrasts = {tuple(contrast["first"]): contrast for contrast in finding["contrasts"]}
            for rate in finding["by_group"]:
                contrast = contrasts.get(tuple(rate["group"])) or {}
                yield {
                    "model": audit["model"]["name"], "question": finding["id"], "group": " x ".join(rate["group"]),
                    "planned": "planned" if finding["primary"] else "exploratory", "fingerprint": audit["data"]["fingerprint"],
                    **_picked(rate, _RATE), **_picked(contrast, _CONTRAST), **_picked(gap.get("leading") or {}, _LEADING),
                    **_picked(gap, _GAP), **_picked(finding, _FINDING),
                }  # fmt: skip


def _picked(values: Any, columns: dict[str, str]) -> dict[str, Any]:
    return {column: values.get(name) for column, name in columns.items()}


def _agrees(cell: str | None, value: Any) -> bool:
    """Whether a cell is a value: None is empty, and a text that a spreadsheet would run begins with an apostrophe."""
    if cell is None or value is None:
        return cell == "" and value is None
    if isinstance(value, str):
        return _letters(cell) == _letters(value)
    try:
        return bool(float(cell) == value)
    except ValueError:
        return False


def _letters(text: str) -> str:
    """What a table keeps of any text."""
    return "".join(letter for letter in text if letter.isprintable() and letter not in " \ufffd").removeprefix("'")
