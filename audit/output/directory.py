"""The output directory of an audit: a set of files, each old or new, never half-written."""

from __future__ import annotations

import datetime as dt
import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from audit.errors import MachineError, UsageError
from strictio.folders import Folder

STATUS = "STATUS"
AUDIT, COMPARISON = "results.json", "comparison.json"
"""The results, by which the folder of an audit is distinguished from that of a comparison."""


def default_directory(models: Iterable[str], probes: Iterable[str], now: dt.datetime) -> Path:
    """The default path: ``audits/<model>--<probe>--<UTC>``."""
    names = [_slug(list(models)), _slug(list(probes)), now.strftime("%Y%m%dT%H%M%SZ")]
    return Path("audits") / "--".join(names)


def _slug(names: list[str]) -> str:
    """A single name made safe for a folder, or the number of names."""
    if len(names) > 1:
        return f"{len(names)}-together"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", names[0]).strip("-.") or "unnamed"


def check_writable(directory: Path, facts: str = AUDIT) -> None:
    """Raise before any work if the directory cannot take the results; `facts` is the file of an audit or of a comparison.

    Raises UsageError if the path is a file, or a folder with other contents: a comparison may not replace the STATUS of an audit;
    MachineError if nothing can be written there.
    """
    check_regular(directory, "--out")
    if directory.is_file():
        raise UsageError(f"--out {str(directory)!r} is a file", fix="name a folder")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / STATUS).is_file():
        raise UsageError(
            f"--out {str(directory)!r} holds other things", why="it has no STATUS of an earlier audit", fix="name a new folder"
        )
    other = COMPARISON if facts == AUDIT else AUDIT
    if (directory / other).is_file():
        kind = "a comparison" if other == COMPARISON else "an audit"
        raise UsageError(f"--out {str(directory)!r} holds {kind}", why=f"there is a {other}", fix="name a new folder")
    existing = next(parent for parent in (directory.absolute(), *directory.absolute().parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise MachineError(f"cannot write to --out {str(directory)!r}", fix="choose a folder that you may write to")


def check_regular(path: Path, flag: str) -> None:
    """Raise `MachineError` if a path is a device, a pipe or the like, which a file would replace."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise MachineError(f"cannot write to {flag} {str(path)!r}", why="it is not a file or a folder", fix="name another path")


class OutputFolder:
    """The folder of a run. Its path is resolved once; from then on it is reached from its parent folder, and never through a link.

    Raises `OSError` if there is no such folder, or with `make` if it cannot be created.
    """

    def __init__(self, path: Path, *, make: bool = False):
        resolved = path.resolve()
        if not resolved.name:
            raise UsageError(f"--out {str(path)!r} cannot be the folder of a run", fix="name a folder below it")
        self.path, self.name = path, resolved.name
        self.above = Folder.of(resolved.parent, make=make)
        self.above.folder(self.name, make=make)

    def open(self) -> Folder:
        """Open the folder that currently has the name: it changes while a new run replaces an old one."""
        return self.above.folder(self.name)

    def write_text(self, name: str, text: str) -> None:
        """Write a file of the folder as UTF-8, completely or not at all; raises `MachineError` if that fails."""
        try:
            folder = self.open()
        except OSError as error:
            fix = "name another folder, or run it again"
            raise MachineError(f"cannot write {name}: --out {str(self.path)!r} is gone", why=error.strerror, fix=fix) from error
        write_text(name, text, folder)


@contextmanager
def replacing(name: str | Path, folder: Folder | None = None) -> Iterator[IO[bytes]]:
    """Open a file that replaces `name` only when it is complete and on disk; raises MachineError otherwise, and keeps the old file.

    `folder`: where the name is; None: the name is a path from the user.
    """
    written, path = 0, Path(name)
    try:
        above, own = (Folder.of(path.parent), path.name) if folder is None else (folder, str(name))
        with above.replacing(own) as file:
            try:
                yield file
            finally:
                written = os.fstat(file.fileno()).st_size
    except OSError as error:
        fix = "choose a folder that you may write to, or make room; the old file is intact"
        why = error.strerror
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(above.reachable).free
            why = f"{why}: more than {written:,} bytes are needed, {free:,} are free"
        raise MachineError(f"cannot write {path.name}", why=why, fix=fix) from error


def write_text(name: str | Path, text: str, folder: Folder | None = None) -> None:
    """Write `text` as UTF-8, completely or not at all; `name` and `folder` as for `replacing`."""
    with replacing(name, folder) as file:
        file.write(text.encode())


def scrub(argument: str) -> str:
    """Remove local folders and secrets in URLs from a command-line argument: only the last part of an absolute path is kept.

    Examples
    --------
    >>> scrub("runs/emoji/ckpt.pt"), scrub("/home/me/ckpt.pt"), scrub("--data=/data/faces")
    ('runs/emoji/ckpt.pt', 'ckpt.pt', '--data=faces')
    >>> scrub("https://me:secret@example.org/0.tar?signature=abc")
    'https://example.org/0.tar'
    """
    if url := re.match(r"((?:--[\w-]+=)?[A-Za-z][A-Za-z0-9+.-]+://)(?:[^/@]*@)?([^?#]*)", argument):
        return url[1] + url[2]
    return re.sub(r"(^|=)([/~].*)$", lambda match: match[1] + match[2].rstrip("/").rsplit("/", 1)[-1], argument)
