"""Renders the facts of an audit, a comparison, or what else wrote a file of them, as one self-contained page: ``vlm-audit render DIR``.

A pure function of the results: equal results give equal bytes. The page makes no network requests; its only script is the slicer,
which its content security policy names by hash; it shows no images, except those of --include-examples; every string of the results is
treated as untrusted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from audit.cli.exit_codes import print_result
from audit.errors import AuditError, DataError, MachineError, UsageError
from audit.extension import FactsFile, facts_files, import_declared
from audit.output.directory import OutputFolder, check_regular, write_text
from audit.output.manifest import is_complete, note_page
from audit.output.publish import settle
from audit.records.comparison import Comparisons
from audit.results import Results, to_json
from reports.environment import draw
from reports.read import COMPARISON, RESULTS, read_comparisons, read_facts, read_results
from reports.sections.page import report_page
from strictio.arguments import ArgumentParser
from strictio.console import prepare_streams


def render(results: Results, facts: str | None = None) -> str:
    """Return the report of `results` as HTML; `facts` is their JSON, if it has been written already."""
    return draw("sections/page.html", page=report_page(results, to_json(results) if facts is None else facts))


def render_comparisons(comparisons: Comparisons) -> str:
    """Return the page of `comparisons` as HTML."""
    from reports.comparison.page import comparison_page  # a page of its own, which no audit needs

    return draw("comparison/page.html", page=comparison_page(comparisons))


@dataclass(frozen=True)
class _Kind:
    """A kind of facts: its file, the name of its page, and how to read and render it."""

    facts: type
    file: str
    page: str
    read: Callable[[Path], Any]
    render: Callable[[Any], str]
    again: str


_KINDS = (
    _Kind(Results, RESULTS, "report.html", partial(read_results, pages=False), render, "run the audit again"),
    _Kind(Comparisons, COMPARISON, "comparison.html", partial(read_comparisons, pages=False), render_comparisons, "compare again"),
)


def _of_extension(file: FactsFile) -> _Kind:
    record = import_declared(file.record)
    read = partial(read_facts, name=file.name, parse=record.from_json, written_by=file.written_by)
    return _Kind(record.kind, file.name, file.page, read, import_declared(file.render), file.fix)


def _kind_in(directory: Path) -> _Kind:
    """The kind of facts that a directory holds; results of an audit if it has none, so that the reader says what is missing."""
    kind = next((kind for kind in _KINDS if (directory / kind.file).is_file()), None)
    if kind is not None:
        return kind
    file = next((file for file in facts_files() if (directory / file.name).is_file()), None)
    return _KINDS[0] if file is None else _of_extension(file)


def render_read(facts: Any) -> str:
    """Return the page of results that were read from a file; raise `DataError` if they contradict each other.

    Schema and `from_json` detect much of what was cut, merged or written by hand, but not all; the rest is not a bug of this program.
    """
    kinds = chain(_KINDS, map(_of_extension, facts_files()))
    kind = next(kind for kind in kinds if isinstance(facts, kind.facts))
    try:
        return kind.render(facts)
    except (AuditError, MemoryError):
        raise
    except Exception as error:
        why = f"its contents are inconsistent: {type(error).__name__}: {str(error)[:200]}"
        raise DataError(
            f"{kind.file} cannot be rendered", why=why, fix=f"{kind.again}; if the file was not changed, report this"
        ) from error


def write(html: str, path: Path) -> None:
    """Write a page to `path` atomically; raise `UsageError` if its folder does not exist, `MachineError` if it cannot be written."""
    if not path.parent.is_dir():
        raise UsageError(f"folder of the report not found: {str(path.parent)!r}", fix="create it, or name another file")
    check_regular(path, "--out")
    try:
        write_text(path, html)
    except OSError as error:
        raise MachineError(f"cannot write {str(path)!r}", why=error.strerror, fix="choose a folder that you may write to") from error


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = ArgumentParser(
        "vlm-audit render", description="Re-renders the page of an audit, comparison, mitigation or watch from its results."
    )
    parse.add_argument(
        "directory", type=Path, metavar="DIR", help="the output directory of an audit or comparison, or the folder of a changed model"
    )
    parse.add_argument("--out", type=Path, metavar="FILE", help="default: report.html or comparison.html in DIR")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Re-render the page of a finished audit, comparison, mitigation or watch, and print its path."""
    prepare_streams()
    arguments = parser().parse_args(argv)
    return print_result(lambda: str(_draw_again(arguments.directory, arguments.out)))


def _draw_again(directory: Path, out: Path | None) -> Path:
    if out is None:
        _settle(directory)
    kind = _kind_in(directory)
    path, facts = out or directory / kind.page, kind.read(directory)
    # A directory as a run wrote it does not contradict itself: if it cannot be rendered, that is our bug.
    write(kind.render(facts) if is_complete(directory) else render_read(facts), path)
    if path.parent == directory:
        note_page(path)
    return path


def _settle(directory: Path) -> None:
    if not directory.is_dir():
        return  # the reader reports it
    try:
        settle(OutputFolder(directory))
    except OSError as error:
        raise MachineError(f"cannot write in {str(directory)!r}", why=error.strerror, fix="name another file with --out") from error


if __name__ == "__main__":
    sys.exit(main())
