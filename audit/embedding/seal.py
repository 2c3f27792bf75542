"""The user's own key, with which embeddings on the disk are sealed: what somebody else put into a cache is not taken for one's own."""

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
    """Return where the key is kept: ``AUDIT_CACHE_KEY``, else ``~/.cache/vlm-audit/key``, wherever the cache itself is.

    A cache in another folder may have come with somebody's data, and so may a key that stood in it.
    """
    named = os.environ.get("AUDIT_CACHE_KEY")
    return Path(named) if named else Path.home() / ".cache" / "vlm-audit" / "key"


def user_key() -> bytes:
    """Return the key, made the first time; OSError if it can be neither read nor made, UnsafeError if others can read or write it.

    A lost key costs time, no result: what it had sealed is embedded again.
    """
    path = key_file()
    if not path.exists():
        _make(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            why = f"it must be a file of your own that nobody else can read; its mode is {stat.S_IMODE(status.st_mode):04o}"
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
    """Write a new key, whole, unless another process is first."""
    with suppress(FileExistsError):
        Folder.of(path.parent, make=True, mode=0o700).write_new(path.name, secrets.token_hex(_DIGITS // 2).encode(), 0o600)
