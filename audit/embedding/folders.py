"""The folders of a cache, local or behind a URL: reads and writes complete files by name.

A file behind a URL is written once, under its final name, by one request: object stores show it only when it is complete. Nothing is
locked; readers verify what they read. Downloads are kept beside the local cache (`SharedRoot.mirror`), so that each file is fetched once.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from audit.embedding import shard
from audit.errors import UnsafeError
from strictio.folders import Folder
from strictio.streams.urls import file_system

_AT_ONCE = 16
"""Number of files requested at once."""
_Result = TypeVar("_Result")


class StoredFile(NamedTuple):
    """A file of a cache."""

    place: str
    """Its name below the root, such as ``<model>/image/<name>.shard``."""
    size: int
    used: float
    """Time of last use; for a file behind a URL, when it was written. Seconds since 1970."""


@dataclass(frozen=True)
class SharedRoot:
    """A cache behind a URL that fsspec can read."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def mirror(self) -> Path:
        """The local folder of downloaded files."""
        return local_root() / "mirrors" / hashlib.sha256(self.url.encode()).hexdigest()[:32]

    def folder(self, *names: str) -> SharedFolder:
        system, path = self._system()
        return SharedFolder(system, posixpath.join(path, *names), posixpath.join(self.url, *names))

    def check(self) -> None:
        """Raise `UsageError` if no installed package supports such a URL; sends no request."""
        self._system()

    def files(self) -> list[StoredFile]:
        """All files below the root; raises OSError if the store does not answer."""
        system, path = self._system()
        system.invalidate_cache()
        listing = _answered(lambda: system.find(path, detail=True))
        return [StoredFile(_below(path, name), int(info.get("size") or 0), _written(info)) for name, info in sorted(listing.items())]

    def _system(self) -> tuple[Any, str]:
        system, path = file_system(self.url)
        return system, path.rstrip("/")


class SharedFolder:
    """One folder behind a URL. Every method raises OSError if the store does not answer, FileNotFoundError if a file is missing."""

    def __init__(self, system: Any, path: str, shown: str):
        self._system, self._path, self._shown = system, path, shown

    def __str__(self) -> str:
        return self._shown

    def names(self, pattern: str) -> list[str]:
        """The names of its files, sorted."""
        self._system.invalidate_cache()  # others may have written
        try:
            paths = _answered(lambda: self._system.ls(self._path, detail=False))
        except FileNotFoundError:
            return []
        return sorted(name for path in paths if fnmatch.fnmatch(name := posixpath.basename(path.rstrip("/")), pattern))

    def read(self, name: str) -> bytes:
        content: bytes = _answered(lambda: self._system.cat_file(posixpath.join(self._path, name)))
        return content

    def read_all(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the contents of files, several requested at once; those deleted meanwhile are skipped."""
        for start in range(0, len(names), _AT_ONCE):
            places = {posixpath.join(self._path, name): name for name in names[start : start + _AT_ONCE]}
            contents = _answered(lambda places=places: self._system.cat(list(places), on_error="omit"))  # type: ignore[misc]
            for path, content in contents.items():
                yield posixpath.basename(path), content

    def write(self, name: str, content: bytes) -> None:
        """Write a file, in one request."""

        def put() -> None:
            self._system.makedirs(self._path, exist_ok=True)  # object stores have no folders, others do
            self._system.pipe_file(posixpath.join(self._path, name), content)

        _answered(put)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            _answered(lambda: self._system.rm_file(posixpath.join(self._path, name)))


class LocalFolder:
    """One local folder that only this user writes."""

    def __init__(self, root: Path, *names: str):
        self.root, self.path, self._place = root, root.joinpath(*names), "/".join(names)

    def names(self, pattern: str) -> list[str]:
        """The names of its files, sorted."""
        return sorted(path.name for path in self.path.glob(pattern))

    def read(self, name: str) -> bytes:
        """The contents of a file; raises FileNotFoundError, or `shard.Rejected` if others could have written it."""
        return shard.read_file(self.path / name)

    def write(self, name: str, content: bytes) -> None:
        """Write a file, completely or not at all; raises OSError if that fails."""
        private_folder(self.root, self._place).write(name, content, 0o600)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            Folder.of(self.root).folder(self._place).remove(name)


def local_root() -> Path:
    """The local folder of caches: ``AUDIT_CACHE_DIR`` if it is a folder, else ``~/.cache/vlm-audit``."""
    named = os.environ.get("AUDIT_CACHE_DIR")
    return Path(named) if named and "://" not in named else Path.home() / ".cache" / "vlm-audit"


def root_of(where: str | Path) -> Path | SharedRoot:
    """The cache that a path or a URL names; a URL that starts with ``file://`` is a folder.

    Examples
    --------
    >>> root_of("s3://bucket/cache"), root_of("file:///data/cache").as_posix()
    (SharedRoot(url='s3://bucket/cache'), '/data/cache')
    """
    text = str(where)
    if "://" not in text:
        return Path(text)
    parts = urlsplit(text)
    return Path(url2pathname(parts.path)) if parts.scheme in ("file", "local") else SharedRoot(text.rstrip("/"))


def private_folder(root: Path, relative: str = "") -> Folder:
    """Open a folder of a cache, creating it if it is missing. It, and all folders from the root to it, must be writable for this user only.

    `root` may be a symbolic link of the user; folders below may not. Raises `UnsafeError` if others could have planted something.
    """
    try:
        folder = Folder.of(root, make=True, mode=0o700)
        _require_private(root, folder.own_status)
        return folder.folder(relative, make=True, mode=0o700, check=_require_private)
    except (FileExistsError, NotADirectoryError) as error:
        below = [root, *(root.joinpath(*relative.split("/")[:depth]) for depth in range(1, relative.count("/") + 2))]
        file = next((path for path in below if path.is_file()), None)
        if file is None:
            raise
        what = f"the embedding cache is not a folder: {file}"
        raise UnsafeError(what, fix="remove it, or set AUDIT_CACHE_DIR to another folder") from error


def _require_private(folder: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        why, fix = "its owner could plant embeddings", "set AUDIT_CACHE_DIR to a folder of your own"
        raise UnsafeError(f"the embedding cache belongs to another user: {folder}", why=why, fix=fix)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = f"its mode is {stat.S_IMODE(status.st_mode):04o}; others could plant embeddings"
        raise UnsafeError(f"the embedding cache can be written by others: {folder}", why=why, fix=f"chmod 700 '{folder}'")


def _answered(ask: Callable[[], _Result]) -> _Result:
    """Call a store. Each has its own exceptions, which must not end an audit: they become OSError."""
    try:
        return ask()
    except FileNotFoundError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {str(error)[:200]}") from error


def _below(root: str, path: str) -> str:
    return path.removeprefix(root).lstrip("/")


def _written(info: dict[str, Any]) -> float:
    """When a file was written; each store has its own name for it."""
    written = next((info[word] for word in ("LastModified", "mtime", "updated", "last_modified", "created") if info.get(word)), 0.0)
    if isinstance(written, str):
        import datetime as dt

        with contextlib.suppress(ValueError):
            return dt.datetime.fromisoformat(written).timestamp()
        return 0.0
    return float(written.timestamp() if hasattr(written, "timestamp") else written)
