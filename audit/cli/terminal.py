"""Output of a command: the log and the stages on stderr while it works, results on stdout, the path of the report last."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from audit.cli.logs import LogFormat, formatter, write_message, write_record
from audit.cli.progress import StageBars
from audit.stages import DETAIL, Stages, silent
from strictio.console import discard

LOG = logging.getLogger("audit")


def shown_path(path: Path) -> str:
    """Return a path as commands print it: absolute if it was given so, otherwise relative to the working directory."""
    return str(path if path.is_absolute() else os.path.relpath(path))


def show(text: str, out: Path, log_format: LogFormat = "text") -> None:
    """Print the results of a command.

    Their files are already in `out`, so a full disk behind stdout is only a warning. Raises `BrokenPipeError` if the reader has closed the
    pipe.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        message = f"warning: cannot print the results: {error.strerror}; they are complete in {str(out)!r}"
        write_message(message, logging.WARNING, log_format)


@contextmanager
def working(names: Sequence[str], *, quiet: bool = False, verbose: bool = False, log_format: LogFormat = "text") -> Iterator[Stages]:
    """Show the log on stderr, and yield a callback for the named stages; `quiet`: warnings only, `verbose`: details, too."""
    form = formatter(log_format)
    handler, level, propagate, bars = _Handler(form), LOG.level, LOG.propagate, StageBars(names, log_format)
    handler.setLevel(logging.WARNING if quiet else DETAIL if verbose else logging.INFO)
    LOG.setLevel(logging.DEBUG)
    LOG.addHandler(handler)
    LOG.propagate = False  # user code may configure logging, which would show every line twice
    try:
        yield silent if quiet else bars
    finally:
        bars.close()
        LOG.removeHandler(handler)
        LOG.setLevel(level)
        LOG.propagate = propagate


class _Handler(logging.Handler):
    """Writes lines above the bar, if there is one."""

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__()
        self._form = form

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message, unless the reader has closed the stream."""
        with tqdm.external_write_mode(file=sys.stderr):
            write_record(record, self._form)
