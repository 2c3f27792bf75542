"""Embeddings on disk, keyed by what was embedded.

A row's key is the sha256 of the image's bytes or of the text; the folder's name is the model's fingerprint, so neither a renamed file nor
a changed one can bring back another's embedding. Layout::

    <root>/<first 32 digits of the fingerprint>/<tower>/<first 32 digits of its sha256>.shard

A shard is one file: a line with the format and the sha256 of all that follows, a line of JSON (dimensions; key and normalisations of
each row), then the rows as little-endian float32. Rows and their manifest in one file cannot be parted by a crash, and each file
appears whole (written aside, flushed, renamed), so that any number of processes may fill one cache and any of them may be killed.
Nothing here is ever unpickled.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from audit.errors import MachineError, UnsafeError
from contrastive.files import remove_stale, replacing

if TYPE_CHECKING:
    from jaxtyping import Float

log = logging.getLogger("audit")
Tower = Literal["image", "text"]
FORMAT = "vlm-audit-embeddings 1"
_FLOAT = np.dtype("<f4")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
    """The embeddings of one tower of one model, under `root` (None: `default_root`).

    Opening it reads every shard once and checks its sha256; a shard that fails is renamed to ``.corrupt`` and its rows count as missing.
    UnsafeError if a folder belongs to another user or can be written by others; MachineError if it cannot be created or read, or if more
    than a tenth of its shards (and at least three) are damaged.
    """

    def __init__(self, root: Path | None, fingerprint: str, tower: Tower, dimensions: int):
        self.dimensions, self.corrupt = dimensions, 0
        self._places: dict[str, _Place] = {}
        root = default_root() if root is None else root
        self.folder = root / fingerprint[:32] / tower
        try:
            for folder in (root, root / fingerprint[:32], self.folder):
                _private_folder(folder)
            self._open()
        except OSError as error:
            raise _machine_error(error, "cannot be read", self.folder) from error

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def conversions(self, key: str) -> tuple[str, ...]:
        """Return what was done to the image before it was embedded."""
        return self._places[key].conversions

    def read(self, keys: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Return the rows of `keys`, in their order, bit for bit as they were added; KeyError if one is missing."""
        vectors = np.empty((len(keys), self.dimensions), np.float32)
        by_shard: dict[Path, list[tuple[int, int]]] = defaultdict(list)
        for position, key in enumerate(keys):
            place = self._places[key]
            by_shard[place.shard].append((position, place.row))
        try:
            for shard, pairs in by_shard.items():
                positions, rows = np.array(pairs).T
                vectors[positions] = _payload(_read_file(shard), self.dimensions)[rows]
        except OSError as error:
            raise _machine_error(error, "cannot be read", self.folder) from error
        return vectors

    def add(self, vectors: Mapping[str, Float[np.ndarray, "d"]], conversions: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Write rows as one new shard, whole or not at all."""
        if not vectors:
            return
        conversions = conversions or {}
        rows = [(key, conversions.get(key, ())) for key in vectors]
        manifest = json.dumps({"dimensions": self.dimensions, "rows": rows}, separators=(",", ":")).encode()
        payload = np.stack(list(vectors.values())).astype(_FLOAT)
        if payload.shape != (len(rows), self.dimensions):
            raise ValueError(f"rows of shape {payload.shape} do not fit a cache of {self.dimensions} dimensions")
        body = manifest + b"\n" + payload.tobytes()
        digest = hashlib.sha256(body).hexdigest()
        shard = self.folder / f"{digest[:32]}.shard"
        try:
            with replacing(shard, mode=0o600) as file:
                file.write(f"{FORMAT} {digest}\n".encode() + body)
        except OSError as error:
            raise _machine_error(error, f"does not take {len(body):,} bytes", self.folder) from error
        self._enter(shard, rows)

    def require_room(self, rows: int) -> None:
        """Refuse before any work what would not fit on the disk."""
        need = rows * (self.dimensions * _FLOAT.itemsize + 128)
        have = shutil.disk_usage(self.folder).free
        if need > have:
            what, why = "the disk of the embedding cache has too little room", f"{rows:,} embeddings need {need:,} bytes, {have:,} are free"
            raise MachineError(what, why=why, fix="set AUDIT_CACHE_DIR to a folder with more room")

    def _open(self) -> None:
        shards = sorted(self.folder.glob("*.shard"))
        remove_stale(self.folder)
        remove_stale(self.folder, ".tmp-*")  # of an earlier version
        for shard in shards:
            # Another process may set a damaged shard aside between the listing and here.
            with contextlib.suppress(FileNotFoundError):
                rows = _checked_rows(_read_file(shard), self.dimensions)
                if rows is None:
                    self._set_aside(shard)
                else:
                    self._enter(shard, rows)
        if self.corrupt >= 3 and self.corrupt > len(shards) / 10:
            what = f"{self.corrupt} of {len(shards)} shards of the embedding cache are damaged"
            why = "the disk may be failing; the damaged files were set aside as .corrupt"
            raise MachineError(what, why=why, fix="check the disk, then run again, or set AUDIT_CACHE_DIR to a folder elsewhere")

    def _enter(self, shard: Path, rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        for row, (key, conversions) in enumerate(rows):
            # The first in the order of names wins, so that equal caches give equal rows.
            self._places.setdefault(key, _Place(shard, row, tuple(conversions)))

    def _set_aside(self, shard: Path) -> None:
        shard.replace(shard.with_suffix(".corrupt"))
        self.corrupt += 1
        log.warning("embedding cache: %s is damaged; set aside as .corrupt, its rows are computed again", shard.name)


def _checked_rows(content: bytes, dimensions: int) -> list[tuple[str, Sequence[str]]] | None:
    """Return the manifest of a shard, or None if the file is damaged."""
    head, _, body = content.partition(b"\n")
    if head != f"{FORMAT} {hashlib.sha256(body).hexdigest()}".encode():
        return None
    manifest = json.loads(body[: body.index(b"\n")])
    rows: list[tuple[str, Sequence[str]]] = manifest["rows"]
    return rows if manifest["dimensions"] == dimensions else None


def _payload(content: bytes, dimensions: int) -> Float[np.ndarray, "n d"]:
    end_of_manifest = content.index(b"\n", content.index(b"\n") + 1)
    return np.frombuffer(content, _FLOAT, offset=end_of_manifest + 1).reshape(-1, dimensions)


def _read_file(path: Path) -> bytes:
    """Read a regular file; a link in its place is not followed."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnsafeError(f"{path.name} in the embedding cache is not a regular file", fix=f"rm '{path}'")
        return file.read()


def _private_folder(folder: Path) -> None:
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


def _machine_error(error: OSError, what: str, folder: Path) -> MachineError:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        reason += f"; {shutil.disk_usage(folder).free:,} bytes are free"
    return MachineError(f"the embedding cache {what}: {folder}", why=reason, fix="set AUDIT_CACHE_DIR to a folder that can be written")
