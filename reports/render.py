"""Draws `results.json` as one self-contained HTML page: ``python -m reports.render DIR``.

A pure function of the results: equal results give equal bytes. The page asks nothing of any network, holds no image and no
script but its slicer, which its policy names by hash, and treats every string of the results as foreign text.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from audit.errors import AuditError, DataError, MachineError, UsageError
from audit.output.directory import write_text
from audit.records.results import Results, from_json
from reports.sections import gates as gating
from reports.sections import what_if as whatif
from reports.sections.page import page
from reports.sections.requirements import requirements
from reports.sections.slicer import slicer
from reports.text import notes, numbers, phrases, verdicts
from reports.text import sentences as words
from reports.text.numbers import clean, isolated

INTERRUPTED, DEFECT = 130, 70


def render(results: Results) -> str:
    """Return the page of `results` as HTML."""
    return environment().get_template("page.html").render(page=page(results), slicer=slicer(results), requirements=requirements())


def write(results: Results, path: Path) -> None:
    """Write the page to `path`, whole or not at all.

    Raises
    ------
    UsageError
        If there is no such folder.
    MachineError
        If the page cannot be written.
    """
    put(render(results), path)


def put(html: str, path: Path) -> None:
    """Write a page that was drawn; raises as `write` does."""
    if not path.parent.is_dir():
        raise UsageError(f"no folder {str(path.parent)!r} for the report", fix="make it, or name another file")
    try:
        write_text(path, html)
    except OSError as error:
        raise MachineError(f"cannot write {str(path)!r}", why=error.strerror, fix="choose a folder that you may write to") from error


def read(directory: Path) -> Results:
    """Return the results of an audit's directory.

    Raises
    ------
    DataError
        If there is no results.json in it, or it is not one.
    """
    path = directory / "results.json"
    try:
        return from_json(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(
            f"no results in {str(directory)!r}", why=f"results.json: {error.strerror}", fix="name the directory that an audit left behind"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError("results.json is not text", where=str(path), why="it is not UTF-8", fix="run the audit again") from error


@cache
def environment() -> Environment:
    """Return the environment of every page: strict, escaping, with numbers, phrases and words at hand."""
    made = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(gating=gating, notes=notes, numbers=numbers, phrases=phrases, verdicts=verdicts, whatif=whatif, words=words)
    return made


def _printable(value: object) -> object:
    """Return what may be printed: our own macros' output, cleaned text, and whole numbers. A bare fraction or None is a defect."""
    if hasattr(value, "__html__"):
        return value
    if isinstance(value, str):
        return isolated(clean(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"a template prints {value!r}, which is not formatted")


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the report of a finished audit, or the page of a comparison, again and print its path."""
    parser = argparse.ArgumentParser(
        "python -m reports.render", description="Draws the page of an audit or a comparison again, from its facts."
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="the directory that an audit or a comparison left behind")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: report.html or comparison.html in DIR")
    arguments = parser.parse_args(argv)
    return ended(lambda: str(_drawn(arguments)))


def _drawn(arguments: argparse.Namespace) -> Path:
    compared = (arguments.directory / "comparison.json").is_file() and not (arguments.directory / "results.json").is_file()
    path: Path = arguments.out or arguments.directory / ("comparison.html" if compared else "report.html")
    if compared:
        from reports.comparison import render as comparison

        put(comparison.render(comparison.read(arguments.directory)), path)
    else:
        write(read(arguments.directory), path)
    return path


def ended(work: Callable[[], str]) -> int:
    """Do the work of a command, print what it says, and return the exit code; an error gets words, never a traceback or a 1."""
    try:
        said = work()
    except AuditError as error:
        print(f"error[E{error.exit_code}] {error}", file=sys.stderr)  # noqa: T201  # the command speaks to a person
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except Exception as error:
        print(f"error[E{DEFECT}] internal error: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return DEFECT
    print(said)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
