"""Maintenance of a cache: its size, which files may be removed, and which to trust."""

from __future__ import annotations

import posixpath
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from audit.embedding import shard
from audit.embedding.folders import LocalFolder, SharedFolder, SharedRoot, StoredFile, private_folder
from audit.embedding.seal import user_key
from audit.errors import MachineError, UsageError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_PRUNED = (".shard", ".corrupt", ".pending", ".json")
_MODEL = re.compile(r"(mirrors/[0-9a-f]{32}/)?[0-9a-f]{32}(?=/)")
_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}


class ModelUse(NamedTuple):
    """The size of one model's embeddings."""

    name: str
    """Its name; the first digits of its fingerprint if no name was recorded."""
    files: int
    size: int
    """Bytes."""
    used: float
    """Time of last use, in seconds since 1970; 0 without files."""


class Verified(NamedTuple):
    """Result of verifying the shards of a cache."""

    sound: int
    """Complete, and sealed with this user's key."""
    damaged: tuple[str, ...]
    refused: tuple[str, ...]
    """Complete or not: sealed with another key, or not private. They are ignored."""


def usage(root: Path | SharedRoot) -> list[ModelUse]:
    """The size of each model's embeddings, the largest first."""
    by_model: dict[str, list[StoredFile]] = defaultdict(list)
    for file in _files(root):
        if (match := _MODEL.match(file.place)) is not None:
            by_model[match[0]].append(file)
    uses = []
    for model, files in by_model.items():
        shards = sum(file.place.endswith(".shard") for file in files)
        uses.append(ModelUse(_name(root, model), shards, sum(file.size for file in files), max(file.used for file in files)))
    return sorted(uses, key=lambda use: (-use.size, use.name))


def prune(root: Path | SharedRoot, older_than_s: float | None, keep: int | None, *, damaged: bool = False) -> tuple[int, int]:
    """Remove `damaged` files, then those not used for a time, then the longest unused until at most `keep` bytes are left.

    Behind a URL the age is that of the file, since reads are not recorded there. Returns how many files and bytes were removed.
    """
    spoilt = set(verify_cache(root).damaged) if damaged else set()
    aged = sorted((file.used, file.size, file.place) for file in _files(root) if file.place.endswith(_PRUNED))
    left, limit = sum(size for _, size, _ in aged), time.time() - (older_than_s or 0)
    removed = freed = 0
    for used, size, path in aged:
        if path in spoilt or (older_than_s is not None and used < limit) or (keep is not None and left > keep):
            with _answering(root):
                _folder(root, path).remove(posixpath.basename(path))
            left, removed, freed = left - size, removed + 1, freed + size
    return removed, freed


def verify_cache(root: Path | SharedRoot) -> Verified:
    """Read every shard, and report which are damaged or not this user's."""
    key, sound = user_key(), 0
    damaged, refused = list[str](), list[str]()
    for path in _shards(root):
        try:
            with _answering(root):
                content = _folder(root, path).read(posixpath.basename(path))
            shard.require_seal(content, key, _sealed_as(path))
            sound += 1
        except FileNotFoundError:  # removed meanwhile
            continue
        except shard.Rejected as error:
            (damaged if error.damaged else refused).append(path)
    return Verified(sound, tuple(damaged), tuple(refused))


def trust(root: Path | SharedRoot) -> tuple[int, int]:
    """Seal the complete shards of a cache with this user's key; returns how many were sealed, and how many files were rejected."""
    try:
        key, sealed, refused = user_key(), 0, 0
        if isinstance(root, Path):
            private_folder(root)
        for path in _shards(root):
            folder, name = _folder(root, path), posixpath.basename(path)
            try:
                content = folder.read(name)
                again = shard.resealed(content, key, _sealed_as(path))
            except shard.Rejected:
                refused += 1
                continue
            if again != content:
                folder.write(name, again)
                sealed += 1
    except OSError as error:
        what, why = "the embedding cache cannot be sealed", error.strerror or str(error)
        raise MachineError(what, why=why, fix="make the folder writable") from error
    return sealed, refused


def bytes_of(text: str) -> int:
    """Parse a size such as ``10GB``, ``500 MiB`` or ``0``; raises UsageError for anything else.

    Examples
    --------
    >>> bytes_of("10GB"), bytes_of("1.5 MiB"), bytes_of("0")
    (10000000000, 1572864, 0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?", text.strip().upper())
    if match is None or match[2] not in _UNITS:
        raise UsageError(f"invalid size {text!r}", why="expected a number and a unit", fix="--keep 10GB")
    return int(float(match[1]) * _UNITS[match[2]])


def seconds_of(text: str) -> float:
    """Parse an age such as ``30d``, ``12h`` or ``2w``, in seconds; raises UsageError for anything else.

    Examples
    --------
    >>> seconds_of("30d"), seconds_of("12h")
    (2592000.0, 43200.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdw])", text.strip().lower())
    if match is None:
        raise UsageError(f"invalid age {text!r}", why="expected a number of hours, days or weeks", fix="--older-than 30d")
    return float(match[1]) * _SECONDS[match[2]]


# ---- files ---------------------------------------------------------------------------------------------------------------------------


def _files(root: Path | SharedRoot) -> list[StoredFile]:
    """The files of models, in folders named by 32 digits; other files are ignored."""
    if isinstance(root, SharedRoot):
        with _answering(root):
            return [file for file in root.files() if _MODEL.match(file.place)]
    files = []
    for folder in _folders(root):
        for path in folder.rglob("*"):
            if (not path.is_symlink() and path.is_file()) or path.suffix in _PRUNED:
                status = path.lstat()
                files.append(StoredFile(path.relative_to(root).as_posix(), status.st_size, status.st_mtime))
    return files


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folders of models, those of shared caches last."""
    for folder in sorted([*root.glob("*"), *root.glob("mirrors/*/*")]):
        if re.fullmatch(r"[0-9a-f]{32}", folder.name) and folder.is_dir() and not folder.is_symlink():
            yield folder


def _shards(root: Path | SharedRoot) -> list[str]:
    return sorted(file.place for file in _files(root) if file.place.endswith(".shard"))


def _folder(root: Path | SharedRoot, path: str) -> LocalFolder | SharedFolder:
    names = posixpath.dirname(path).split("/")
    return root.folder(*names) if isinstance(root, SharedRoot) else LocalFolder(root, *names)


def _sealed_as(path: str) -> str:
    """Model and tower, which are part of the seal of a shard."""
    return "/".join(path.split("/")[-3:-1])


def _name(root: Path | SharedRoot, model: str) -> str:
    """The name of a model; the first digits of its fingerprint if no name was recorded."""
    try:
        with _answering(root):
            name = _folder(root, f"{model}/name").read("name").decode("utf-8", "replace")[:200]
    except (OSError, shard.Rejected):
        name = model.rsplit("/", 1)[-1][:12]
    return f"{name} (of a shared cache)" if "/" in model else name


@contextmanager
def _answering(root: Path | SharedRoot) -> Iterator[None]:
    """Raise MachineError that names the shared cache if it does not answer."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if isinstance(root, Path):
            raise
        raise MachineError(
            f"the shared cache {root} does not answer", why=str(error), fix="check the URL, and who you are there"
        ) from error
