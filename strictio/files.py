"""Files at paths that the user names: written whole or not at all (`strictio.folders`), locked, hashed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from typing import Self

from strictio.folders import Folder


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[BufferedRandom]:
    """Open a file that takes the place of `path`; all else as of `Folder.replacing`. A link is replaced, not followed."""
    with Folder.of(path.parent).replacing(path.name, mode) as file:
        yield file


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """Name a file that takes the place of `path`, for a library that takes no open file; all else as of `replacing`."""
    with Folder.of(path.parent).drafted(path.name) as draft:
        yield draft


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode())


def sha256_of_file(path: Path) -> str:
    """Return the hash of a file's content (hex)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(paths: Sequence[Path]) -> str:
    """Return the hash (hex) of the list that ``sha256sum`` prints, sorted, without folders: independent of their location."""
    lines = sorted(f"{sha256_of_file(path)}  {path.name}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class Lock:
    """A file that locks other processes out, and ends with this process; leaving the context gives it back.

    `name`: below `folder`. BlockingIOError if another process holds it; OSError where it cannot be made.
    """

    def __init__(self, folder: Folder, name: str):
        self._folder, self._name, self._descriptor = folder, name, -1
        while self._descriptor < 0:
            descriptor = folder.open_regular(name, os.O_RDWR | os.O_CREAT)
            held = False
            try:
                held = folder.claims(name, descriptor)
            finally:
                if not held:  # by another process, or one has removed it between the two calls
                    os.close(descriptor)
            self._descriptor = descriptor if held else -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Remove the file, then release the lock, because a lock under a removed name is useless."""
        if self._descriptor >= 0:
            with suppress(OSError):  # an empty file without a lock is harmless
                self._folder.remove(self._name)
            os.close(self._descriptor)
            self._descriptor = -1
