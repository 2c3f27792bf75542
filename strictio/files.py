"""Files at paths that the user names: read within limits, written whole or not at all (`strictio.folders`), locked, hashed.

Every file is opened here or by `strictio.folders`: without waiting, and judged once it is open (`tests/test_readers.py` finds others).
A pipe, a device or a file over the limit raises `OSError`, like a file that is missing, and is not read.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Self

from strictio.folders import Folder
from strictio.limits import MOST_TEXT, check_opened, read_within


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


def open_file(path: Path, most: int | None = None, *, follow: bool = True) -> BufferedReader:
    """Open a regular file of at most `most` bytes to read; OSError for anything else.

    `follow`: whether a link to such a file will do: where the user named it, or the folder that it is in.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EOPNOTSUPP):
            raise OSError(error.errno, "it is a socket or a device, not a regular file", str(path)) from error
        if error.errno == errno.ELOOP and not follow:
            raise OSError(error.errno, "it is a link", str(path)) from error
        raise
    try:
        check_opened(descriptor, most)
    except OSError as error:
        os.close(descriptor)
        raise OSError(error.errno, error.strerror, str(path)) from error
    return os.fdopen(descriptor, "rb")


def check_file(path: Path, most: int | None = None) -> None:
    """Raise the errors of `open_file`, for a library that opens a file by its path."""
    open_file(path, most).close()


def read_bytes(path: Path, most: int, *, follow: bool = True) -> bytes:
    """Return the bytes of a regular file; OSError if it has more than `most`, or is anything else."""
    with open_file(path, most, follow=follow) as file:
        return read_within(file, most)


def read_text(path: Path, most: int = MOST_TEXT, encoding: str = "utf-8", *, follow: bool = True) -> str:
    """Return the text of a regular file; OSError as `read_bytes`, UnicodeDecodeError."""
    return read_bytes(path, most, follow=follow).decode(encoding)


def sha256_of_file(path: Path, most: int | None = None) -> str:
    """Return the hash of a regular file's content (hex); OSError if it has more than `most` bytes, or is anything else."""
    with open_file(path, most) as file:
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
