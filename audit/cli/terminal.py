"""What a command shows: the log on stderr while it works, results on stdout, the path of the report last."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

LOG = logging.getLogger("audit")


def show(results: str, report: Path) -> None:
    """Print results, and the path of their report as it was given."""
    print(results)
    print(report if report.is_absolute() else os.path.relpath(report))


@contextmanager
def logged() -> Iterator[None]:
    """Show the log on stderr."""
    handler, level = logging.StreamHandler(sys.stderr), LOG.level
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.setLevel(logging.INFO)
    LOG.setLevel(logging.DEBUG)
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
        handler.close()


class ProgressBar:
    """Images/s and the time left, where standard error is a terminal; elsewhere the log says it at the end."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, done: int, total: int) -> None:
        """Show how many images of how many are embedded."""
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = tqdm(total=total, desc="embedding", unit=" images")
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()
            self._bar = None
