"""Weights that will be wanted next: a model spec in, nothing out; the system reads the files while something else is done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from audit.models.spec import WEIGHT_FILES


def prefetch(model: Any) -> None:
    """Ask the system to read the weights of a model into its own memory; of one that names no files here, nothing.

    No copy is made and no thread started: what the system has no room for it leaves out.
    """
    for path in _files(model):
        with suppress(OSError, AttributeError):  # not every system can be asked
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)


def _files(model: Any) -> Iterator[Path]:
    path = Path(model.rpartition(",")[2] if model.startswith("open_clip:") else model) if isinstance(model, str) and model else None
    if path is not None and "\0" not in str(path):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        yield from (file for file in files if file.suffix in WEIGHT_FILES and file.is_file())
