"""Embeddings on disk, keyed by what was embedded.

A row's key is the sha256 of the image's bytes or of the text; the folder's name is the model's fingerprint, so neither a renamed nor a
changed file can return another one's embedding. Layout::

    <root>/<first 32 digits of the fingerprint>/<tower>/<first 32 digits of its sha256>.shard
                                               /name    name of the model, for people
                                               /receipts/   receipts of the parts of a data set (`audit.embedding.parts`)

Rows and their manifest are in one file (`audit.embedding.shard`), so that a crash cannot separate them, and each file appears complete
(written under another name, flushed, renamed), so that any number of processes may fill one cache and any of them may be killed. Nothing is
ever unpickled. What the disk does not take stays in memory until the run ends: a missing cache costs time, but no run fails.

A root may be a URL (`audit.embedding.folders.SharedRoot`): its contents are first downloaded to a local folder, and each new
shard is uploaded before the next one starts. If the upload fails, the shard waits locally as ``.pending``.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from audit.embedding import shard
from audit.embedding.folders import SharedFolder, SharedRoot, local_root, private_folder, root_of
from audit.embedding.seal import user_key
from audit.errors import MachineError
from strictio.folders import Folder

if TYPE_CHECKING:
    from jaxtyping import Float, Int

log = logging.getLogger("audit")
Tower = Literal["image", "text"]


class MemoryRoot(dict[tuple[str, str], dict[str, tuple[np.ndarray, tuple[str, ...]]]]):
    """Replaces a folder: the embeddings of one run, by model and tower, in memory only."""


CacheRoot = Path | SharedRoot | MemoryRoot | None
"""The folder of a cache, local or behind a URL; None: `default_root`."""
PENDING = ".pending"
"""Suffix of a shard that is not in the shared cache yet."""


def default_root() -> Path | SharedRoot:
    """The location of the cache: the folder or the URL in ``AUDIT_CACHE_DIR``, else ``~/.cache/vlm-audit``."""
    named = os.environ.get("AUDIT_CACHE_DIR")
    return root_of(named) if named else local_root()


def image_key(content: bytes, policy: str) -> str:
    """Key of an encoded image under a decoding policy (a version: with another policy the model sees other pixels)."""
    return hashlib.sha256(b"image\0" + policy.encode() + b"\0" + content).hexdigest()


def text_key(text: str) -> str:
    """Key of a text; Unicode forms of the same accented letter give the same key."""
    return hashlib.sha256(b"text\0" + unicodedata.normalize("NFC", text).encode()).hexdigest()


_ROW_BITS = 32
"""A position is one number for shard and row: an object for each of a million rows would take ten times the memory, and more time."""
_ROW = (1 << _ROW_BITS) - 1


class EmbeddingCache:
    """The embeddings of one tower of one model, under `root`.

    Opening it reads every shard once. A damaged one is renamed to ``.corrupt``; one that this user did not seal, that others could
    have written, or that is not a regular file, is ignored: the rows of both count as missing. Raises UnsafeError if a folder belongs to
    another user or is writable for others; MachineError if more than a tenth of the shards (and at least three) are damaged. If the folder
    cannot be used, or stops taking rows, a single warning is logged and the rows are kept in memory. A shared cache that does not answer is
    also only a warning: the rows stay on this machine, and are uploaded when it is opened again.
    """

    def __init__(self, root: CacheRoot, fingerprint: str, tower: Tower, dimensions: int, name: str = ""):
        self.dimensions, self.corrupt = dimensions, 0
        self._shards: list[Path] = []
        self._places: dict[str, int] = {}
        self._conversions: dict[str, tuple[str, ...]] = {}
        self._memory: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
        self._writes, self._alone, self._pending = not isinstance(root, MemoryRoot), False, 0
        self._shared: SharedFolder | None = None
        self._name = name
        if isinstance(root, MemoryRoot):
            self._memory = root.setdefault((fingerprint, tower), {})
            return
        root = default_root() if root is None else root
        if isinstance(root, SharedRoot):
            self._shared, self._named = root.folder(fingerprint[:32], tower), root.folder(fingerprint[:32])
            root = root.mirror
        self._root, self.folder = root, root / fingerprint[:32] / tower
        self._place = cache_place(self.folder)
        try:
            private_folder(root, self._place)
            self._key = user_key()
            self._fetch()
            self._open()
            self._write_name()
        except OSError as error:
            self._go_without(error)

    def __len__(self) -> int:
        return len(self._places) + len(self._memory)

    def __contains__(self, key: object) -> bool:
        return key in self._places or key in self._memory

    @property
    def whole(self) -> bool:
        """Whether every row that was added is stored for later runs."""
        return self._writes and not self._pending

    def __iter__(self) -> Iterator[str]:
        yield from self._memory
        yield from self._places

    def conversions(self, key: str) -> tuple[str, ...]:
        """The conversions that were applied to the image before it was embedded."""
        return self._memory[key][1] if key in self._memory else self._conversions.get(key, ())

    def read(self, keys: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """The rows of `keys`, in their order, bit for bit as they were added; raises KeyError if one is missing."""
        vectors = np.empty((len(keys), self.dimensions), np.float32)
        places = np.full(len(keys), -1)
        for position, key in enumerate(keys):
            if key in self._memory:
                vectors[position] = self._memory[key][0]
            else:
                places[position] = self._places[key]
        by_shard = np.argsort(places, kind="stable")[np.count_nonzero(places < 0) :]
        for positions in np.split(by_shard, np.flatnonzero(np.diff(places[by_shard] >> _ROW_BITS)) + 1):
            if not len(positions):
                continue
            path, rows = self._shards[places[positions[0]] >> _ROW_BITS], places[positions] & _ROW
            try:
                stored = shard.payload(shard.read_file(path), self.dimensions, self._key, self._place)
                vectors[_stretch(positions)] = stored[_stretch(rows)]
            except (OSError, shard.Rejected) as error:
                what = f"the embedding cache has lost a file during the run: {path.name}"
                raise MachineError(what, why=str(error), fix="run again") from error
            with contextlib.suppress(OSError):
                os.utime(path, follow_symlinks=False)  # time of last use, for `vlm-audit cache prune`
        return vectors

    def add(self, vectors: Mapping[str, Float[np.ndarray, "d"]], conversions: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Store rows: as one new shard, completely or not at all; in memory, if the disk does not take it."""
        if not vectors:
            return
        conversions = conversions or {}
        if any(np.shape(vector) != (self.dimensions,) for vector in vectors.values()):
            raise ValueError(f"the rows do not fit a cache of {self.dimensions} dimensions")
        if self._writes:
            try:
                name, content = shard.write(vectors, conversions, self._key, self._place)
                path = self.folder / (name if self._sent(name, content) else f"{name}{PENDING}")
                self._open_folder().write(path.name, content, 0o600)
                self._enter(path, [shard.ShardRow(key, conversions.get(key, ())) for key in vectors])
                return
            except OSError as error:
                self._go_without(error)
        self._memory.update({key: (np.asarray(vector, np.float32), conversions.get(key, ())) for key, vector in vectors.items()})

    def expect(self, rows: int) -> None:
        """Warn before any work if the disk has no space for this many more rows."""
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

    # ---- a shared cache --------------------------------------------------------------------------------------------------------------

    def _fetch(self) -> None:
        """Download shards of the shared cache to the local folder, and upload pending ones."""
        if self._shared is None:
            return
        here = {path.name for path in self.folder.glob("*.shard")}  # listed first: all of these have been uploaded
        try:
            there = self._shared.names("*.shard")
            for name, content in self._shared.read_all([name for name in there if name not in here]):
                if self._is_own(name, content):
                    self._open_folder().write(name, content, 0o600)
            if self._name and not self._named.names("name"):
                self._named.write("name", self._name.encode())
        except OSError as error:
            self._go_alone(error)
        else:
            for name in here - set(there):  # they were pruned there
                self._open_folder().remove(name)
        for path in sorted(self.folder.glob(f"*{PENDING}")):
            if self._sent(path.stem, self._open_folder().read(path.name)):
                self._open_folder().rename(path.name, path.stem)

    def _is_own(self, name: str, content: bytes) -> bool:
        try:
            shard.rows(content, self.dimensions, self._key, self._place)
        except shard.Rejected as error:
            log.warning("shared cache: ignored %s (%s), its rows are computed again; see vlm-audit cache verify", name, error)
            return False
        return True

    def _sent(self, name: str, content: bytes) -> bool:
        """Upload a shard; returns whether it is at its final location, which is always so for a local cache."""
        if self._shared is not None:
            try:
                self._shared.write(name, content)
            except OSError as error:
                self._go_alone(error)
            else:
                return True
        elif not self._alone:
            return True
        self._pending += 1
        return False

    def _go_alone(self, error: OSError) -> None:
        log.warning(
            "the shared cache %s does not answer (%s): going on with what this machine has; what is new is sent when it is opened again",
            self._shared, error,
        )  # fmt: skip
        self._shared, self._alone = None, True

    # ---- shards ----------------------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        paths = sorted([*self.folder.glob("*.shard"), *self.folder.glob(f"*{PENDING}")])
        self._open_folder().remove_stale()
        self._open_folder().remove_stale(".tmp-*")  # from earlier versions
        ignored: Counter[str] = Counter()
        for path in paths:
            # Another process may rename a damaged shard between the listing and here.
            with contextlib.suppress(FileNotFoundError):
                try:
                    self._enter(path, shard.rows(shard.read_file(path), self.dimensions, self._key, self._place))
                except shard.Rejected as error:
                    ignored[str(error)] += not error.damaged
                    if error.damaged:
                        self._set_aside(path)
        for reason, count in sorted((+ignored).items()):
            log.warning(
                "embedding cache: ignored %d files in %s (%s), their rows are recomputed; if you trust their author: "
                "vlm-audit cache trust", count, self._place, reason,
            )  # fmt: skip
        if self.corrupt >= 3 and self.corrupt > len(paths) / 10:
            what = f"{self.corrupt} of {len(paths)} shards of the embedding cache are damaged"
            why = "the disk may be failing; the damaged files were set aside as .corrupt"
            raise MachineError(what, why=why, fix="check the disk, then run again, or set AUDIT_CACHE_DIR to a folder elsewhere")

    def _enter(self, path: Path, rows: Sequence[shard.ShardRow]) -> None:
        first = len(self._shards) << _ROW_BITS
        self._shards.append(path)
        for position, (key, conversions) in enumerate(rows, first):
            # The first by name wins, so that equal caches give equal rows.
            if self._places.setdefault(key, position) == position and conversions:
                self._conversions[key] = conversions

    def _open_folder(self) -> Folder:
        return private_folder(self._root, self._place)

    def _write_name(self) -> None:
        folder = private_folder(self._root, self.folder.parent.name)
        if self._name and not folder.exists("name"):
            folder.write("name", self._name.encode(), 0o600)

    def _set_aside(self, path: Path) -> None:
        with contextlib.suppress(PermissionError):  # in a read-only folder
            self._open_folder().rename(path.name, f"{path.stem}.corrupt")
        self.corrupt += 1
        log.warning("embedding cache: %s is damaged; set aside as .corrupt, its rows are computed again", path.name)


def _stretch(numbers: Int[np.ndarray, "n"]) -> slice | Int[np.ndarray, "n"]:
    """Consecutive numbers as a slice, whose rows are copied once instead of twice."""
    first, last = int(numbers[0]), int(numbers[-1])
    follow = last - first == len(numbers) - 1 and bool((np.diff(numbers) == 1).all())
    return slice(first, last + 1) if follow else numbers


def cache_place(folder: Path) -> str:
    """The name of a model's tower, which is part of the seal of its shards."""
    return f"{folder.parent.name}/{folder.name}"
