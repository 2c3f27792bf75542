"""The user's own key, with which cached embeddings are sealed: embeddings that others put into a cache are not accepted."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from audit.errors import UnsafeError
from strictio.folders import Folder

_DIGITS = 64


def key_file() -> Path:
    """The path of the key: ``AUDIT_CACHE_KEY``, else ``~/.cache/vlm-audit/key``, regardless of where the cache is.

    A cache in another folder may have come with someone else's data, and so could a key stored in it.
    """
    named = os.environ.get("AUDIT_CACHE_KEY")
    return Path(named) if named else Path.home() / ".cache" / "vlm-audit" / "key"


def user_key() -> bytes:
    """The key, created if it does not exist; raises OSError if it can be neither read nor created, UnsafeError if others can access it.

    A lost key costs time, but no results: what it had sealed is embedded again.
    """
    path = key_file()
    if not path.exists():
        _make(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            why = f"it must be a file of your own that only you can read; its mode is {stat.S_IMODE(status.st_mode):04o}"
            raise UnsafeError(f"the key of the embedding cache is open to others: {path}", why=why, fix=f"chmod 600 '{path}', or remove it")
        text = file.read(_DIGITS + 1).strip()
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != _DIGITS // 2:
        raise OSError(errno.EINVAL, "the key is damaged; remove it", str(path))
    return key


def _make(path: Path) -> None:
    """Write a new key, completely, unless another process is first."""
    with suppress(FileExistsError):
        Folder.of(path.parent, make=True, mode=0o700).write_new(path.name, secrets.token_hex(_DIGITS // 2).encode(), 0o600)
