"""Image files named by a table: a name may reach a regular file under the data's root, and nothing else."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from strictio.files import open_file
from strictio.images.decode import MAX_BYTES, UnreadableImage
from strictio.images.lazy import LazyImages

LEAVES = "path that leaves the folder"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(data|file|javascript):", re.IGNORECASE)
_WINDOWS_ABSOLUTE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_REASONS = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG), "missing file"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EIO), "not readable"),
    errno.ELOOP: "forbidden path",
    errno.ENXIO: "not a regular file",
}
_KINDS = {stat.S_IFIFO: "FIFO", stat.S_IFCHR: "device", stat.S_IFBLK: "device", stat.S_IFSOCK: "socket", stat.S_IFDIR: "folder"}


def image_files(root: Path, names: Sequence[str]) -> LazyImages:
    """Return the files `names` (relative, with forward slashes) under `root`, which no name may leave; opened when asked for."""
    return LazyImages(len(names), lambda position: read_image(root, names[position]), (root, names))


def read_image(root: Path, name: str) -> bytes:
    """Return the content of the file `name` under `root`, or raise `UnreadableImage`."""
    path = os.path.realpath(root / name) if name_fault(name) is None else ""
    if not path or not _is_inside(path, os.path.realpath(root)):
        raise UnreadableImage("forbidden path")
    try:
        return read_regular(path)
    except OSError as error:
        if error.errno not in _REASONS:
            raise
        raise UnreadableImage(_REASONS[error.errno]) from error


def read_regular(path: str) -> bytes:
    """Return the content of a regular file of at most `MAX_BYTES` at a resolved path; `UnreadableImage` for another, OSError as the system.

    The file is opened without waiting (a FIFO would never return) and judged once open, so that it cannot be exchanged in between.
    """
    try:
        with open_file(Path(path), MAX_BYTES, follow=False) as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG):
            raise UnreadableImage("too large" if error.errno == errno.EFBIG else "not a regular file") from error
        raise


def name_fault(name: str) -> str | None:
    """Return what is wrong with a name, whatever is on the disk; None if nothing is.

    Examples
    --------
    >>> name_fault("train/1.jpg") is None
    True
    >>> name_fault("../1.jpg"), name_fault("https://example.invalid/1.jpg")
    ('path that leaves the folder', 'URL')
    >>> name_fault("/dev/zero"), name_fault("/dev/shm/1.jpg")
    ('device', 'absolute path')
    """
    if not name.strip():
        return "empty name"
    if "\0" in name:
        return "NUL character"
    if _URL.match(name):
        return "URL"
    if name.startswith("/dev/") and not name.startswith("/dev/shm/"):  # noqa: S108  # there are files, in memory
        return "device"
    if name.startswith("/") or _WINDOWS_ABSOLUTE.match(name):
        return "absolute path"
    if ".." in re.split(r"[/\\]", name):
        return LEAVES
    return None


@dataclass(frozen=True)
class Inspection:
    """What a look at the names and at the folder, without opening a file, has shown."""

    forbidden: tuple[tuple[int, str], ...]
    """Row and what is wrong with its name."""
    present: int
    """Names with a regular file."""


def inspect_names(root: Path, names: Iterable[str]) -> Inspection:
    """Return which names must not be read and how many exist; a file that does not exist is not forbidden."""
    real_root = os.path.realpath(root)
    folders: dict[str, str] = {}
    forbidden, present = [], 0
    for row, name in enumerate(names):
        problem = name_fault(name) or _problem_on_disk(real_root, name, folders)
        if problem:
            forbidden.append((row, problem))
        present += problem == ""
    return Inspection(tuple(forbidden), present)


def _problem_on_disk(real_root: str, name: str, folders: dict[str, str]) -> str | None:
    """Return what is wrong with an allowed name on the disk; "" if it is a regular file, None if nothing is there."""
    folder, last = os.path.split(os.path.normpath(name))
    if folder not in folders:  # resolving every folder once keeps a hundred thousand names within a second
        folders[folder] = os.path.realpath(real_root + os.sep + folder)
    path = folders[folder] + os.sep + last
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            path = os.path.realpath(path)
            mode = Path(path).stat().st_mode if _is_inside(path, real_root) else mode
    except OSError:
        return None  # reading it will say what is the matter
    if not _is_inside(path, real_root):
        return "symbolic link that leaves the folder"
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "not a regular file")


def _is_inside(path: str, real_root: str) -> bool:
    return path.startswith(real_root if real_root.endswith(os.sep) else real_root + os.sep)
