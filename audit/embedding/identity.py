"""Notes about files that have not changed since they were read, so that they need not be read again.

A file is recognised by its identity: device, inode, size, and the times at which its content and its inode last changed. The latter
cannot be set by a program, so a file that was rewritten with its old size and modification time has another identity. File times
are coarse: a file that changed less than `QUIET_S` ago could change once more with the same time, and is not recorded.

Notes are in ``<root>/known``, one file each, sealed with the user's own key: those from other users are ignored.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from audit.embedding import shard
from audit.embedding.folders import private_folder
from audit.embedding.seal import user_key

log = logging.getLogger("audit")
QUIET_S = 3.0
"""FAT stores times with a precision of two seconds; a server's clock may differ a little from ours."""
FOLDER = "known"


class FileIdentity(NamedTuple):
    """Distinguishes one state of a file from every other."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @property
    def settled(self) -> bool:
        """Whether it has not changed for a while: what is read from now on belongs to these times."""
        return max(self.modified_ns, self.changed_ns) < (time.time() - QUIET_S) * 1e9


def identity(path: str | Path) -> FileIdentity | None:
    """The identity of a regular file, following links; None for anything else."""
    try:
        status = os.stat(path)  # noqa: PTH116  # for ten thousand files: creating a Path costs more than the call
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def identities(paths: Sequence[str | Path]) -> list[FileIdentity] | None:
    """The identities of some files; None unless there are any and all are regular."""
    regular = [identified for path in paths if (identified := identity(path)) is not None]
    return regular if regular and len(regular) == len(paths) else None


class Notes:
    """The notes in a cache's folder. Those that cannot be read, or are not this user's, count as missing; failed writes are ignored."""

    def __init__(self, root: Path):
        self._folder = root / FOLDER

    def read(self, kind: str, about: Mapping[str, Any]) -> Any:
        """What was recorded about something; None if nothing was."""
        path = self._path(kind, about)
        try:
            seal, _, body = shard.read_file(path).partition(b"\n")
            return json.loads(body) if hmac.compare_digest(seal, self._seal(path, body)) else None
        except (OSError, ValueError, shard.Rejected, RecursionError):
            return None

    def write(self, kind: str, about: Mapping[str, Any], value: object) -> None:
        """Record a value, replacing an earlier one."""
        path, body = self._path(kind, about), json.dumps(value, separators=(",", ":")).encode()
        try:
            folder = private_folder(self._folder.parent, FOLDER)
            folder.write(path.name, self._seal(path, body) + b"\n" + body, 0o600)
        except OSError as error:
            log.debug("not noted (%s): a later run reads again what it could know", error.strerror)

    def _path(self, kind: str, about: Mapping[str, Any]) -> Path:
        digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()
        return self._folder / f"{kind}-{digest[:32]}.json"

    @staticmethod
    def _seal(path: Path, body: bytes) -> bytes:
        return hmac.digest(user_key(), path.name.encode() + b"\n" + body, "sha256").hex().encode()
