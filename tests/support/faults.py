"""A disk that fails at its n-th operation: a write (after half of it), fsync, rename, change of permissions, or new file."""

import errno
import os
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

WRITING = set("wax+")


class Disk:
    """Counts operations; the one of the number `fail_at` raises "no space left" or, with `kill`, ends the process without a word.

    Of a file's writes only each `every`-th counts: torch writes a checkpoint in hundreds of pieces.
    """

    def __init__(self, fail_at: int = 0, *, kill: bool = False, every: int = 1):
        self.fail_at, self.kill, self.every, self.count, self.failed = fail_at, kill, every, 0, ""

    def step(self, name: str) -> None:
        self.count += 1
        if self.count == self.fail_at:
            self.failed = name
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def plugged_in(self):
        """Let all that goes through `pathlib`, `tempfile` and `os.fsync` use this disk."""
        opened = Path.open

        def open_file(path, mode="r", *arguments, **more):
            file = opened(path, mode, *arguments, **more)
            return _File(file, self) if WRITING & set(mode) else file

        def counted(name, function):
            def call(*arguments, **more):
                self.step(name)
                return function(*arguments, **more)

            return call

        with (
            mock.patch.object(Path, "open", open_file),
            mock.patch.object(Path, "replace", counted("replace", Path.replace)),
            mock.patch.object(Path, "rename", counted("rename", Path.rename)),
            mock.patch.object(Path, "chmod", counted("chmod", Path.chmod)),
            mock.patch.object(tempfile, "mkstemp", counted("mkstemp", tempfile.mkstemp)),
            mock.patch.object(os, "fsync", counted("fsync", os.fsync)),
        ):
            yield self


class _File:
    def __init__(self, file, disk: Disk):
        self._file, self._disk, self._writes = file, disk, 0

    def write(self, content):
        self._writes += 1
        try:
            if self._writes % self._disk.every in (1, self._disk.every):
                self._disk.step("write")
        except OSError:
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            raise
        return self._file.write(content)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self._file.__exit__(*error)

    def __getattr__(self, name):
        return getattr(self._file, name)
