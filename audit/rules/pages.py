"""Renders again, from the results alone, what people read: page, summary, model cards, tables, and the profile of an archive."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from itertools import zip_longest

from audit import results
from audit.output.directory import AUDIT, COMPARISON
from audit.records import comparison
from audit.results import Results
from audit.version import __version__
from reports.profile.rows import profile_csv
from reports.profile.statements import Statements
from reports.rendered import files_of_audit, files_of_comparison
from strictio.limits import parse_json
from verify.command import Rendered
from verify.source import Source, UnreadableError

PROFILE = "profile.csv"
OF_ROWS = frozenset({"tables/near_duplicates.csv"})
"""Tables that do not follow from the results."""


def rendered_again(source: Source) -> Rendered:
    """Render again what follows from the results alone, and name the files that have other bytes."""
    names, here = source.names(), f"vlm-audit {__version__}"
    name = AUDIT if AUDIT in names else COMPARISON
    try:
        facts = source.read(name).decode()
        tool = parse_json(facts)["tool"]
        if tool != here:
            return Rendered(omitted=f"they are of {ascii(str(tool))[1:-1][:80]}, and this is {here}")
        files = _files(name, facts)
    except MemoryError:
        raise
    except Exception as error:  # results that contradict themselves
        return Rendered(omitted="", problems=(f"{name} cannot be rendered ({type(error).__name__}: {ascii(str(error))[1:-1][:200]})",))
    others = {name for name in names if name.startswith(("tables/", "model_card")) and name not in OF_ROWS} - {*files}
    problems = [problem for name, text in files.items() if (problem := _problem(source, name, text, names))]
    problems += [f"{ascii(name)[1:-1]}: no such file follows from the results" for name in sorted(others)]
    return Rendered(len(files), tuple(problems), omitted="")


def _files(name: str, facts: str) -> Mapping[str, str]:
    return files_of_audit(results.from_json(facts), facts) if name == AUDIT else files_of_comparison(comparison.from_json(facts))


def _problem(source: Source, name: str, text: str, names: set[str]) -> str:
    """Say how a file differs from what follows from the results; empty if it does not."""
    if name not in names:
        return f"{name}: it follows from the results, and is missing"
    expected = text.encode()
    try:
        found = source.read(name)
    except UnreadableError as error:
        return str(error).split(",", maxsplit=1)[0]
    if found == expected:
        return ""
    lines = zip_longest(found.split(b"\n"), expected.split(b"\n"))
    line = next(number for number, (one, other) in enumerate(lines, 1) if one != other)
    return f"{name}: line {line:,} is not what follows from the results"


def profile_problems(content: bytes, results: Results) -> Iterator[str]:
    """Yield each cell of a bias profile that does not follow from the results, with its row; what people state is not compared."""
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
