"""Writes a JUnit file however a command ends, even early."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from audit.errors import AuditError
from audit.output.directory import write_text

LOG = logging.getLogger("audit")


@contextmanager
def junit_of_errors(file: Path | str | None, gates: str | Sequence[str] | None) -> Iterator[None]:
    """Write a JUnit file with an error for each gate if the code inside fails or is killed.

    Otherwise a build server would read the file of an earlier run, or none, and show a successful build.
    """
    _write_error(file, gates, "the command did not end: it was killed, or is still running")
    try:
        yield
    except BaseException as error:
        _write_error(file, gates, str(error) if isinstance(error, AuditError) else f"{type(error).__name__}: {error}")
        raise


@contextmanager
def junit_of_usage(words: Sequence[str]) -> Iterator[None]:
    """Write a JUnit file with an error for each gate if a command line is invalid, as far as it can be parsed."""
    try:
        yield
    except SystemExit as end:
        if end.code:
            file, gates = (
                [value for value in map(_value_of(words, flag), range(len(words))) if value] for flag in ("--junit", "--fail-on")
            )
            _write_error(file[-1] if file else None, gates, "the command line cannot be read; standard error says why")
        raise


def _value_of(words: Sequence[str], flag: str) -> Callable[[int], str]:
    """A function that returns the value of a flag at a position of a command line; "" if another argument is there."""

    def value(position: int) -> str:
        name, equals, text = words[position].partition("=")
        return "" if name != flag else text if equals else " ".join(words[position + 1 : position + 2])

    return value


def _write_error(file: Path | str | None, gates: str | Sequence[str] | None, message: str) -> None:
    path = Path(file) if isinstance(file, str | Path) and str(file) else None
    if path is None or path.is_dir() or not path.parent.is_dir() or (path.exists() and not path.is_file()):
        return  # no file was requested, or the checks of the request reject it
    from audit.records.base import Timing
    from reports.exports.junit import error_xml

    timing = Timing(dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), 0.0)
    gates = (gates,) if isinstance(gates, str) else tuple(map(str, gates or ()))
    try:
        write_text(path, error_xml(gates, message, timing))
    except AuditError as error:  # the original error matters, not that this file cannot be written
        LOG.warning("%s", error)
