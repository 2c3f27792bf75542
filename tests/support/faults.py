"""A disk that fails at its n-th operation: a write (after half of it), fsync, rename, change of permissions, or new file."""

import errno
import os
import signal
from contextlib import contextmanager
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
        """Let all that `strictio.folders` writes use this disk."""
        opened, made = os.fdopen, os.open

        def open_file(descriptor, mode="r", *arguments, **more):
            file = opened(descriptor, mode, *arguments, **more)
            return _File(file, self) if WRITING & set(mode) else file

        def make(path, flags, *arguments, **more):
            if flags & os.O_EXCL:
                self.step("create")
            return made(path, flags, *arguments, **more)

        def counted(name, function):
            def call(*arguments, **more):
                self.step(name)
                return function(*arguments, **more)

            return call

        with (
            mock.patch.object(os, "fdopen", open_file),
            mock.patch.object(os, "open", make),
            mock.patch.object(os, "replace", counted("replace", os.replace)),
            mock.patch.object(os, "fchmod", counted("chmod", os.fchmod)),
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
