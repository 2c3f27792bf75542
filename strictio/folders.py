"""A folder held open: what is below it is written whole or not at all, and through no link.

Everything that the packages write goes through this module (`tests/test_writers.py` looks for the rest). A path that the user names may
lead through links of the user's own. What is below it is reached from the folder's descriptor, one name after another, and a link on the
way is refused: a folder from an untrusted source could otherwise choose which file is overwritten, also by taking a name's place meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import fnmatch
import glob
import hashlib
import os
import secrets
import shutil
import stat
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path, PurePosixPath

from strictio.errors import UnsafeError
from strictio.limits import MOST_TEXT, check_opened, read_within

STALE_S = 3600
_EXCHANGE = 2


class Folder:
    """A folder that is held open.

    Names are relative to it and may hold slashes; no part of one may be a link (`UnsafeError`), except the last one of a name that is
    replaced, renamed or removed: then it is the link itself. All methods raise `OSError` as the system does.
    """

    def __init__(self, path: Path, descriptor: int):
        self.path = path
        """What it is called, for messages: another folder may have that name by now."""
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    @classmethod
    def of(cls, path: Path, *, make: bool = False, mode: int = 0o777) -> Folder:
        """Open a folder that the user named; links on the way are followed. `make`: make it where it is missing, with this mode."""
        if make:
            path.mkdir(parents=True, exist_ok=True, mode=mode)
        try:
            return cls(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except PermissionError:  # one that may be passed through, and not read
            return cls(path, os.open(path, os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)))

    @property
    def reachable(self) -> Path:
        """A path for libraries that take no descriptor: on Linux it stays that of this folder, whatever takes its name."""
        own = Path(f"/proc/self/fd/{self._descriptor}")
        return own if own.is_dir() else self.path

    def folder(
        self, name: str, *, make: bool = False, mode: int = 0o777, check: Callable[[Path, os.stat_result], None] | None = None
    ) -> Folder:
        """Return a folder below; `make`: make what is missing, with this mode. `check` may refuse each folder on the way."""
        folder = self
        for part in PurePosixPath(name).parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, mode, dir_fd=folder._descriptor)
            folder = Folder(folder.path / part, folder._open(part, os.O_RDONLY | os.O_DIRECTORY))
            if check is not None:
                check(folder.path, folder.own_status)
        return folder

    def exists(self, name: str) -> bool:
        """Whether there is a file, a folder or a link of this name; false also where a link is on the way to it."""
        return self.status(name) is not None

    def is_file(self, name: str) -> bool:
        """Whether there is a regular file of this name, and no link on the way."""
        status = self.status(name)
        return status is not None and stat.S_ISREG(status.st_mode)

    def is_folder(self, name: str) -> bool:
        """Whether there is a folder of this name, and no link on the way."""
        status = self.status(name)
        return status is not None and stat.S_ISDIR(status.st_mode)

    @property
    def is_removed(self) -> bool:
        """Whether the folder has been removed while it was held open."""
        return self.own_status.st_nlink == 0

    @property
    def own_status(self) -> os.stat_result:
        """What the system knows of the folder itself."""
        return os.fstat(self._descriptor)

    def status(self, name: str) -> os.stat_result | None:
        """Return what the system knows of a name; None where it does not exist or a link is on the way."""
        if not PurePosixPath(name).parts:
            return self.own_status
        with suppress(FileNotFoundError, NotADirectoryError, UnsafeError):
            above, last = self._above(name)
            return os.stat(last, dir_fd=above._descriptor, follow_symlinks=False)
        return None

    def names(self) -> list[str]:
        """Return the names in the folder itself, sorted."""
        return sorted(os.listdir(self._descriptor))  # noqa: PTH208 - of a descriptor

    def open_file(self, name: str) -> int:
        """Return the descriptor of a regular file, to read."""
        return self.open_regular(name, os.O_RDONLY)

    def read(self, name: str, most: int = MOST_TEXT) -> bytes:
        """Return the bytes of a regular file; OSError if it has more than `most`."""
        with os.fdopen(self.open_file(name), "rb") as file:
            check_opened(file.fileno(), most)
            return read_within(file, most)

    def sha256(self, name: str) -> str:
        """Return the hash of a file's content (hex)."""
        with os.fdopen(self.open_file(name), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextmanager
    def replacing(self, name: str, mode: int | None = None) -> Iterator[BufferedRandom]:
        """Open a file that takes the place of `name` when the block ends without an error, and is on the disk then; else that stays.

        It is written under another name and gets the permissions `mode`; None: those of the file that it replaces, else those of a new
        file. What a killed process left behind over an hour ago is removed.
        """
        above, last = self._above(name)
        with above._drafted(last, mode) as (_, file):
            yield file

    @contextmanager
    def drafted(self, name: str, mode: int | None = None) -> Iterator[Path]:
        """As `replacing`, for a library that opens or replaces a file by its path."""
        above, last = self._above(name)
        with above._drafted(last, mode) as (draft, _):
            yield above.reachable / draft

    def write(self, name: str, content: bytes, mode: int | None = None) -> None:
        """Write a file, whole or not at all."""
        with self.replacing(name, mode) as file:
            file.write(content)

    def write_new(self, name: str, content: bytes, mode: int | None = None) -> None:
        """Write a file whole; FileExistsError where the name is taken, by a link too."""
        above, last = self._above(name)
        with above._drafted(last, mode, above._link_new) as (_, file):
            file.write(content)

    def create(self, name: str, mode: int = 0o666) -> int:
        """Return the descriptor of a new file; FileExistsError where the name is taken, by a link too."""
        return self._open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def append(self, name: str, mode: int = 0o666) -> int:
        """Return the descriptor of a file to read and to add to, made where it is missing."""
        return self.open_regular(name, os.O_RDWR | os.O_APPEND | os.O_CREAT, mode)

    @contextmanager
    def new_folder(self, name: str) -> Iterator[Folder]:
        """Give a folder that has its name when the block ends without an error, and is on the disk then; else it is removed.

        BlockingIOError if another process writes it at the moment. What a killed one left of it is removed.
        """
        draft = f".{name}.partial"
        folder = self.folder(draft, make=True, mode=0o700)
        while not self.claims(draft, folder._descriptor):
            folder = self.folder(draft, make=True, mode=0o700)
        try:
            for left in folder.names():
                folder.remove(left)
            yield folder
            folder.sync_all()
            os.fchmod(folder._descriptor, 0o777 & ~_umask())
            self.rename(draft, name)
        except BaseException:
            self.remove(draft)
            raise
        self.sync()

    def remove(self, name: str) -> None:
        """Remove a file, a link, or a folder with all that it holds, if it exists."""
        above, last = self._above(name)
        with suppress(FileNotFoundError):
            if self.is_folder(name):
                shutil.rmtree(last, dir_fd=above._descriptor)
            else:
                os.unlink(last, dir_fd=above._descriptor)

    def rename(self, name: str, other: str, to: Folder | None = None) -> None:
        """Give a file or a folder another name, here or in another folder; a file takes the place of a file."""
        os.replace(name, other, src_dir_fd=self._descriptor, dst_dir_fd=(to or self)._descriptor)

    def link(self, name: str, other: str, to: Folder) -> None:
        """Give a file (of a link: the link itself) a second name, in another folder."""
        os.link(name, other, src_dir_fd=self._descriptor, dst_dir_fd=to._descriptor, follow_symlinks=False)

    def exchange(self, name: str, other: str) -> None:
        """Let two names of this folder change places in one step; OSError where the system or the file system cannot."""
        call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
        if call is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        if call(self._descriptor, os.fsencode(name), self._descriptor, os.fsencode(other), _EXCHANGE):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def chmod(self, mode: int, name: str) -> None:
        """Change the permissions of a file."""
        with os.fdopen(self.open_file(name), "rb") as file:
            os.fchmod(file.fileno(), mode)

    def become_like(self, other: os.stat_result) -> None:
        """Give the folder the owner and the permissions of another one."""
        os.fchown(self._descriptor, other.st_uid, other.st_gid)
        os.fchmod(self._descriptor, stat.S_IMODE(other.st_mode))

    def sync(self) -> None:
        """Make what was moved into the folder, or out of it, survive a power failure."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.EINVAL):  # opened to be passed through only, or a file system without it
                raise

    def sync_all(self) -> None:
        """Make all that the folder holds survive a power failure."""
        for name in self.names():
            if self.is_folder(name):
                self.folder(name).sync_all()
            elif self.is_file(name):
                with os.fdopen(self.open_file(name), "rb") as file:
                    os.fsync(file.fileno())
        self.sync()

    def remove_stale(self, pattern: str = ".*.tmp") -> None:
        """Remove files that killed processes left half-written an hour ago or more.

        A clock that was turned may make any file look so: one that a process still writes is locked, and stays.
        """
        for name in fnmatch.filter(self.names(), pattern):
            with suppress(FileNotFoundError, BlockingIOError):  # another process removes it too, or writes it
                status = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
                if abs(time.time() - status.st_mtime) > STALE_S and stat.S_ISREG(status.st_mode):
                    with os.fdopen(self.open_regular(name, os.O_RDONLY), "rb") as file:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        os.unlink(name, dir_fd=self._descriptor)

    def _above(self, name: str) -> tuple[Folder, str]:
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts:
            raise ValueError(f"not a name below a folder: {name!r}")
        return (self.folder(str(path.parent)) if len(path.parts) > 1 else self), path.name

    def _open(self, name: str, flags: int, mode: int = 0o666) -> int:
        above, last = self._above(name)
        try:
            return os.open(last, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=above._descriptor)
        except OSError as error:
            status = above.status(last)
            if status is None or not stat.S_ISLNK(status.st_mode) or isinstance(error, FileExistsError):
                raise
            what, why = f"{last} is a link", "what a folder links to is never written to"
            raise UnsafeError(what, where=str(above.path), why=why, fix="remove the link, or name another folder") from error

    def open_regular(self, name: str, flags: int, mode: int = 0o666) -> int:
        """Open a file that is no device or pipe."""
        descriptor = self._open(name, flags, mode)
        try:
            check_opened(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise OSError(error.errno, error.strerror, str(self.path / name)) from error
        return descriptor

    def claims(self, name: str, descriptor: int) -> bool:
        """Lock an open file or folder; false if it has not got that name any more."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = self.status(name)
        return status is not None and os.path.samestat(status, os.fstat(descriptor))

    @contextmanager
    def _drafted(
        self, name: str, mode: int | None, publish: Callable[[str, str], None] | None = None
    ) -> Iterator[tuple[str, BufferedRandom]]:
        self.remove_stale(f".{glob.escape(name)}.*.tmp")
        draft = f".{name}.{secrets.token_hex(8)}.tmp"
        descriptor = self._open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "r+b") as file:
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield draft, file
            with os.fdopen(self.open_file(draft), "rb") as written:  # it may be another file by now (`drafted`)
                os.fsync(written.fileno())
                os.fchmod(written.fileno(), self._mode_of(name) if mode is None else mode)
            (publish or self.rename)(draft, name)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=self._descriptor)
        self.sync()

    def _link_new(self, draft: str, name: str) -> None:
        self.link(draft, name, self)

    def _mode_of(self, name: str) -> int:
        """Return the permissions of the file that is replaced, or those that a new file of this user gets."""
        status = self.status(name)
        if status is not None and stat.S_ISREG(status.st_mode):
            return stat.S_IMODE(status.st_mode) & 0o777
        return 0o666 & ~_umask()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
