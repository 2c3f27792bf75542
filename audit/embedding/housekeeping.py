"""What a cache holds, what of it may go, and whom to trust: a folder in, figures out."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from audit.embedding import shard
from audit.embedding.cache import cache_place, private_folder
from audit.embedding.seal import user_key
from audit.errors import MachineError, UsageError
from contrastive.files import replacing

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}


class ModelUse(NamedTuple):
    """What one model takes."""

    name: str
    """What it is called; the first digits of its fingerprint where no one has noted that."""
    files: int
    size: int
    """Bytes."""
    used: float
    """When it was last of use, in seconds since 1970; 0 without files."""


def usage(root: Path) -> list[ModelUse]:
    """Return what each model takes, the largest first."""
    found = []
    for folder in _folders(root):
        stats = [path.stat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        note = folder / "name"
        name = note.read_text("utf-8", "replace")[:200] if note.is_file() and not note.is_symlink() else folder.name[:12]
        size, used = sum(each.st_size for each in stats), max((each.st_mtime for each in stats), default=0)
        found.append(ModelUse(name, len(list(folder.rglob("*.shard"))), size, used))
    return sorted(found, key=lambda each: (-each.size, each.name))


def prune(root: Path, older_than_s: float | None, keep: int | None) -> tuple[int, int]:
    """Remove what was not of use for a time, then the longest unused until no more than `keep` bytes are left; return files and bytes."""
    files = [path for folder in _folders(root) for pattern in ("*.shard", "*.corrupt") for path in folder.rglob(pattern)]
    aged = sorted((path.lstat().st_mtime, path.lstat().st_size, path) for path in files)
    left, limit = sum(size for _, size, _ in aged), time.time() - (older_than_s or 0)
    removed = freed = 0
    for used, size, path in aged:
        if (older_than_s is not None and used < limit) or (keep is not None and left > keep):
            path.unlink(missing_ok=True)
            left, removed, freed = left - size, removed + 1, freed + size
    return removed, freed


def trust(root: Path) -> tuple[int, int]:
    """Seal the whole shards of a cache with this user's key; return how many were sealed, and how many files were not taken."""
    try:
        key, sealed, refused = user_key(), 0, 0
        private_folder(root)
        for path in sorted(path for folder in _folders(root) for path in folder.glob("*/*.shard")):
            try:
                content = shard.read_file(path)
                again = shard.resealed(content, key, cache_place(path.parent))
            except shard.Rejected:
                refused += 1
                continue
            if again != content:
                with replacing(path, mode=0o600) as file:
                    file.write(again)
                sealed += 1
    except OSError as error:
        what, why = "the embedding cache cannot be sealed", error.strerror or str(error)
        raise MachineError(what, why=why, fix="make the folder writable") from error
    return sealed, refused


def bytes_of(text: str) -> int:
    """Return the bytes that ``10GB``, ``500 MiB`` or ``0`` stand for; UsageError for anything else.

    Examples
    --------
    >>> bytes_of("10GB"), bytes_of("1.5 MiB"), bytes_of("0")
    (10000000000, 1572864, 0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?", text.strip().upper())
    if found is None or found[2] not in _UNITS:
        raise UsageError(f"invalid size {text!r}", why="expected a number and a unit", fix="--keep 10GB")
    return int(float(found[1]) * _UNITS[found[2]])


def seconds_of(text: str) -> float:
    """Return the seconds that ``30d``, ``12h`` or ``2w`` stand for; UsageError for anything else.

    Examples
    --------
    >>> seconds_of("30d"), seconds_of("12h")
    (2592000.0, 43200.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdw])", text.strip().lower())
    if found is None:
        raise UsageError(f"invalid age {text!r}", why="expected a number of hours, days or weeks", fix="--older-than 30d")
    return float(found[1]) * _SECONDS[found[2]]


def _folders(root: Path) -> Iterator[Path]:
    """Give the folders of models: named by 32 digits, and nothing else that may stand in the folder."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if re.fullmatch(r"[0-9a-f]{32}", folder.name) and folder.is_dir() and not folder.is_symlink():
            yield folder
