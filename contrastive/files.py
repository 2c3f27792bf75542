"""Files that are there whole or not at all, and their hashes."""

from __future__ import annotations

import glob
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path

STALE_S = 3600


@contextmanager
def drafted(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Name a file to write, which takes the place of `path` when the block ends without an error; all else as of `replacing`."""
    remove_stale(path.parent, f".{glob.escape(path.name)}.*.tmp")
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.chmod(_mode_of(path) if mode is None else mode)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[BufferedRandom]:
    """Open a file that takes the place of `path` when the block ends without an error, and is on the disk then; else `path` stays as it is.

    It is written beside `path` under a name of its own and gets the permissions `mode`; None: those of the file that it replaces, else
    those of a new file. A link is replaced, not followed. What a killed process left behind over an hour ago is removed. Raises `OSError`.
    """
    with drafted(path, mode) as draft, draft.open("r+b") as file:
        yield file


def sync_folder(folder: Path) -> None:
    """Make what was moved into a folder, or out of it, survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of_file(path: Path) -> str:
    """Return the hash of a file's content (hex)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_stale(folder: Path, pattern: str = ".*.tmp") -> None:
    """Remove what killed processes left half-written an hour ago or more."""
    for file in folder.glob(pattern):
        with suppress(FileNotFoundError):  # another process may remove it too
            if time.time() - file.stat().st_mtime > STALE_S:
                file.unlink()


def _mode_of(path: Path) -> int:
    """Return the permissions of the file that is replaced, or those that a new file of this user gets."""
    if path.is_file() and not path.is_symlink():
        return path.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
