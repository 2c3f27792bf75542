"""Output of a command: the log and the stages on stderr while it works, results on stdout, the path of the report last."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from audit.cli.progress import StageBars
from audit.stages import DETAIL, Stages, silent
from strictio.console import discard, put, visible

LOG = logging.getLogger("audit")


def show(results: str, report: Path) -> None:
    """Print the results, if any, and the path of their report as it was given.

    They are already on disk, so a full disk behind stdout is only a warning. Raises `BrokenPipeError` if the reader has closed the pipe.
    """
    try:
        if results:
            print(results)
        print(visible(str(report if report.is_absolute() else os.path.relpath(report))), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        put(f"warning: cannot print the results: {error.strerror}; they are complete in {str(report.parent)!r}", sys.stderr)


@contextmanager
def working(names: Sequence[str], *, quiet: bool = False, verbose: bool = False) -> Iterator[Stages]:
    """Show the log on stderr, and yield a callback for the named stages; `quiet`: warnings only, `verbose`: details, too."""
    handler, level, propagate, bars = _Handler(), LOG.level, LOG.propagate, StageBars(names)
    handler.setFormatter(logging.Formatter("%(message)s"))
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

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message, unless the reader has closed the stream."""
        with tqdm.external_write_mode(file=sys.stderr):
            put(self.format(record), sys.stderr)
