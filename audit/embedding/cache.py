"""Embeddings on disk, keyed by what was embedded.

A row's key is the sha256 of the image's bytes or of the text; the folder's name is the model's fingerprint, so neither a renamed file nor
a changed one can bring back another's embedding. Layout::

    <root>/<first 32 digits of the fingerprint>/<tower>/<first 32 digits of its sha256>.shard
                                               /name    what the model is called, for people

Rows and their manifest in one file (`audit.embedding.shard`) cannot be parted by a crash, and each file appears whole (written aside,
flushed, renamed), so that any number of processes may fill one cache and any of them may be killed. Nothing here is ever unpickled. What
the disk does not take stays in memory until the run ends: a cache saves time, and a run must not fail for the lack of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from audit.embedding import shard
from audit.embedding.seal import user_key
from audit.errors import MachineError, UnsafeError
from contrastive.files import remove_stale, replacing

if TYPE_CHECKING:
    from jaxtyping import Float

log = logging.getLogger("audit")
Tower = Literal["image", "text"]


class MemoryRoot(dict[tuple[str, str], dict[str, tuple[np.ndarray, tuple[str, ...]]]]):
    """In the place of a folder: the embeddings of one run, by model and tower, which are gone with it."""


CacheRoot = Path | MemoryRoot | None
"""The folder of a cache; None: `default_root`."""


def default_root() -> Path:
    """Return the folder of the cache: ``AUDIT_CACHE_DIR``, else ``~/.cache/vlm-audit``."""
    named = os.environ.get("AUDIT_CACHE_DIR")
    return Path(named) if named else Path.home() / ".cache" / "vlm-audit"


def image_key(content: bytes, policy: str) -> str:
    """Return the key of an encoded image, read under a decoding policy (a version: another policy shows the model other pixels)."""
    return hashlib.sha256(b"image\0" + policy.encode() + b"\0" + content).hexdigest()


def text_key(text: str) -> str:
    """Return the key of a text; the two Unicode forms of one accented letter are one text."""
    return hashlib.sha256(b"text\0" + unicodedata.normalize("NFC", text).encode()).hexdigest()


class _Place(NamedTuple):
    shard: Path
    row: int
    conversions: tuple[str, ...]


class EmbeddingCache:
    """The embeddings of one tower of one model, under `root`.

    Opening it reads every shard once. One that is damaged is renamed to ``.corrupt``; one that this user did not seal, that others could
    have written, or that is not a regular file, is left alone: the rows of both count as missing. UnsafeError if a folder is of another
    user or can be written by others; MachineError if more than a tenth of the shards (and at least three) are damaged. If the folder cannot
    be used, or stops taking rows, a warning says so once and the rows are kept in memory.
    """

    def __init__(self, root: CacheRoot, fingerprint: str, tower: Tower, dimensions: int, name: str = ""):
        self.dimensions, self.corrupt = dimensions, 0
        self._places: dict[str, _Place] = {}
        self._memory: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
        self._writes = not isinstance(root, MemoryRoot)
        if isinstance(root, MemoryRoot):
            self._memory = root.setdefault((fingerprint, tower), {})
            return
        root = default_root() if root is None else root
        self.folder = root / fingerprint[:32] / tower
        self._place = cache_place(self.folder)
        try:
            for folder in (root, root / fingerprint[:32], self.folder):
                private_folder(folder)
            self._key = user_key()
            self._open()
            _write_name(self.folder.parent / "name", name)
        except OSError as error:
            self._go_without(error)

    def __len__(self) -> int:
        return len(self._places) + len(self._memory)

    def __contains__(self, key: object) -> bool:
        return key in self._places or key in self._memory

    def conversions(self, key: str) -> tuple[str, ...]:
        """Return what was done to the image before it was embedded."""
        return self._memory[key][1] if key in self._memory else self._places[key].conversions

    def read(self, keys: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Return the rows of `keys`, in their order, bit for bit as they were added; KeyError if one is missing."""
        vectors = np.empty((len(keys), self.dimensions), np.float32)
        by_shard: dict[Path, list[tuple[int, int]]] = defaultdict(list)
        for position, key in enumerate(keys):
            if key in self._memory:
                vectors[position] = self._memory[key][0]
            else:
                place = self._places[key]
                by_shard[place.shard].append((position, place.row))
        for path, pairs in by_shard.items():
            positions, rows = np.array(pairs).T
            try:
                vectors[positions] = shard.payload(shard.read_file(path), self.dimensions)[rows]
            except (OSError, shard.Rejected) as error:
                what = f"the embedding cache has lost a file during the run: {path.name}"
                raise MachineError(what, why=str(error), fix="run again") from error
            with contextlib.suppress(OSError):
                os.utime(path)  # when it was last of use: `vlm-audit cache prune` goes by it
        return vectors

    def add(self, vectors: Mapping[str, Float[np.ndarray, "d"]], conversions: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Keep rows: as one new shard, whole or not at all; in memory, if the disk does not take it."""
        if not vectors:
            return
        conversions = conversions or {}
        if any(np.shape(vector) != (self.dimensions,) for vector in vectors.values()):
            raise ValueError(f"the rows do not fit a cache of {self.dimensions} dimensions")
        if self._writes:
            try:
                name, content = shard.write(vectors, conversions, self._key, self._place)
                with replacing(self.folder / name, mode=0o600) as file:
                    file.write(content)
                self._enter(self.folder / name, [shard.ShardRow(key, conversions.get(key, ())) for key in vectors])
                return
            except OSError as error:
                self._go_without(error)
        self._memory.update({key: (np.asarray(vector, np.float32), conversions.get(key, ())) for key, vector in vectors.items()})

    def expect(self, rows: int) -> None:
        """Say before any work if the disk has no room for so many more."""
        if not self._writes:
            return
        need = rows * (self.dimensions * shard.FLOAT.itemsize + 128)
        try:
            have = shutil.disk_usage(self.folder).free
        except OSError as error:
            self._go_without(error)
            return
        if need > have:
            self._go_without(f"{rows:,} embeddings need {need:,} bytes, {have:,} are free")

    def _go_without(self, reason: OSError | str) -> None:
        self._writes = False
        why = reason if isinstance(reason, str) else reason.strerror or str(reason)
        log.warning(
            "the embedding cache takes nothing more (%s): going on without it; a later run embeds again what is new, and AUDIT_CACHE_DIR "
            "may name a folder with more room", why,
        )  # fmt: skip

    def _open(self) -> None:
        paths = sorted(self.folder.glob("*.shard"))
        remove_stale(self.folder)
        remove_stale(self.folder, ".tmp-*")  # of an earlier version
        ignored: Counter[str] = Counter()
        for path in paths:
            # Another process may set a damaged shard aside between the listing and here.
            with contextlib.suppress(FileNotFoundError):
                try:
                    content = shard.read_file(path)
                    rows = shard.rows(content, self.dimensions)
                    shard.require_seal(content, self._key, self._place)
                    self._enter(path, rows)
                except shard.Rejected as error:
                    ignored[str(error)] += not error.damaged
                    if error.damaged:
                        self._set_aside(path)
        for reason, count in sorted((+ignored).items()):
            log.warning(
                "embedding cache: ignored %d files in %s (%s), their rows are computed again; if you trust whoever made them: "
                "vlm-audit cache trust", count, self._place, reason,
            )  # fmt: skip
        if self.corrupt >= 3 and self.corrupt > len(paths) / 10:
            what = f"{self.corrupt} of {len(paths)} shards of the embedding cache are damaged"
            why = "the disk may be failing; the damaged files were set aside as .corrupt"
            raise MachineError(what, why=why, fix="check the disk, then run again, or set AUDIT_CACHE_DIR to a folder elsewhere")

    def _enter(self, path: Path, rows: Sequence[shard.ShardRow]) -> None:
        for row, (key, conversions) in enumerate(rows):
            # The first in the order of names wins, so that equal caches give equal rows.
            self._places.setdefault(key, _Place(path, row, conversions))

    def _set_aside(self, path: Path) -> None:
        with contextlib.suppress(PermissionError):  # where others may only read
            path.replace(path.with_suffix(".corrupt"))
        self.corrupt += 1
        log.warning("embedding cache: %s is damaged; set aside as .corrupt, its rows are computed again", path.name)


def cache_place(folder: Path) -> str:
    """Return the name of a model's tower, with which its shards are sealed."""
    return f"{folder.parent.name}/{folder.name}"


def private_folder(folder: Path) -> None:
    """Make a folder that only this user can enter, or check one that is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise UnsafeError(f"the embedding cache is not a folder: {folder}", fix="remove it, or set AUDIT_CACHE_DIR to another folder")
    if found.st_uid != os.geteuid():
        why, fix = "whoever owns it could plant embeddings", "set AUDIT_CACHE_DIR to a folder of your own"
        raise UnsafeError(f"the embedding cache belongs to another user: {folder}", why=why, fix=fix)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = f"its mode is {stat.S_IMODE(found.st_mode):04o}; whoever writes to it could plant embeddings"
        raise UnsafeError(f"the embedding cache can be written by others: {folder}", why=why, fix=f"chmod 700 '{folder}'")


def _write_name(path: Path, name: str) -> None:
    if name and not path.exists():
        with replacing(path, mode=0o600) as file:
            file.write(name.encode())
