"""Reuses models and images that have not changed since they were read: nothing is read again until an embedding is missing.

`known_encoder` returns an encoder that loads its weights when it is first used; `embed_known_images` identifies images by the identity
of their files if the cache has all of them. Both fall back to reading, and record what they read.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from pydantic import TypeAdapter, ValidationError

from audit.embedding import shard
from audit.embedding.batch import TokenCounter
from audit.embedding.cache import CacheRoot, EmbeddingCache, default_root
from audit.embedding.embed import counts_by_level, decode_policy, embed_images
from audit.embedding.folders import private_folder
from audit.embedding.seal import user_key
from audit.errors import DataError
from audit.models.runtime import SCHEMA, log_notes
from audit.models.spec import local_path
from audit.types import Answerer, AnyModel, Dataset, Embeddings, Encoder, ImageEncoder, ModelRecord
from audit.version import __version__
from strictio.images.lazy import LazyImages

if TYPE_CHECKING:
    from jaxtyping import Float
    from PIL import Image

# Notes about files that have not changed since they were read, so that they need not be read again.
#
# A file is recognised by its identity: device, inode, size, and the times at which its content and its inode last changed. The latter
# cannot be set by a program, so a file that was rewritten with its old size and modification time has another identity. File times are
# coarse: a file that changed less than `QUIET_S` ago could change once more with the same time, and is not recorded.
#
# Notes are in ``<root>/known``, one file each, sealed with the user's own key: those from other users are ignored.


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


log = logging.getLogger("audit")
READERS = ("torch", "transformers", "open_clip_torch", "pillow", "tokenizers", "safetensors")
"""Packages that affect how a model's files are interpreted."""
MOST_FILES = 1000
"""A folder with more files is not a model's."""


# ---- models --------------------------------------------------------------------------------------------------------------------------


class DeferredEncoder:
    """An encoder whose files are known: its record is available at once, its weights are loaded when it is first used."""

    def __init__(self, record: ModelRecord, load: Callable[[], Encoder]):
        self._record, self._load = record, load
        self._loaded: Encoder | None = None

    @property
    def record(self) -> ModelRecord:
        """The noted record, or that of the loaded encoder, which may have more notes."""
        return self._record if self._loaded is None else self._loaded.record

    def loaded_encoder(self) -> Encoder:
        """The loaded encoder; raises DataError if its files have changed to another model since they were checked."""
        if self._loaded is None:
            before, log.disabled = log.disabled, True  # its notes were logged when it was recognised
            try:
                loaded = self._load()
            finally:
                log.disabled = before
            if loaded.record.fingerprint != self._record.fingerprint:
                why, fix = "its files changed while it was audited", "run again once nothing writes to them"
                raise DataError(f"{self._record.name} is not the model that was recognised", why=why, fix=fix)
            self._loaded = loaded
        return self._loaded

    def encode_images(self, images: Sequence[Image.Image]) -> Float[np.ndarray, "n d"]:
        return self.loaded_encoder().encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> Float[np.ndarray, "k d"]:
        return self.loaded_encoder().encode_texts(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        encoder = self.loaded_encoder()
        assert isinstance(encoder, TokenCounter)  # noqa: S101  (all but plug-ins are, and `known_encoder` does not defer those)
        return encoder.count_tokens(texts)

    def untrained(self, seed: int) -> Encoder | None:
        """None if this kind of model cannot be built untrained."""
        draw = getattr(self.loaded_encoder(), "untrained", None)
        return cast("Encoder | None", draw(seed)) if draw else None


def loaded_encoder(encoder: Any) -> Any:
    """The actual encoder with all its capabilities: loads a deferred one."""
    return encoder.loaded_encoder() if isinstance(encoder, DeferredEncoder) else encoder


def known_encoder(
    spec: str,
    setting: Mapping[str, Any],
    root: CacheRoot,
    load: Callable[[], AnyModel],
    *,
    verify: bool = False,
    note: bool = True,
) -> AnyModel:
    """The model of a spec: from the record, if its files are unchanged since it was last loaded with this setting, else loaded.

    Only dual encoders in local files are recorded, never anything that runs the user's code. `verify`: load it regardless of records;
    without `note` nothing is written.
    """
    root = default_root() if root is None else root
    files = model_files(spec) if isinstance(root, Path) else []
    if not isinstance(root, Path) or not files or (before := identities(files)) is None:
        return load()
    notes, state = Notes(root), [[str(path), *file_identity] for path, file_identity in zip(files, before, strict=True)]
    about = {
        "spec": spec, "at": Path(spec).absolute(), "home": Path.home(), "setting": dict(setting), "schema": SCHEMA, "version": __version__,
        "packages": _packages(),
    }  # fmt: skip
    if not verify and (record := _noted_record(notes.read("model", about), state)) is not None:
        log_notes(record)
        return DeferredEncoder(record, cast("Callable[[], Encoder]", load))
    settled = all(file_identity.settled for file_identity in before)
    encoder = load()
    if note and settled and isinstance(encoder, Encoder) and model_files(spec) == files and identities(files) == before:
        notes.write("model", about, {"files": state, "record": asdict(encoder.record)})
    return encoder


def model_files(spec: str) -> list[Path]:
    """The files that determine what a spec loads: all in its folder, or the file with those beside it; empty if there are other factors."""
    path = local_path(spec)
    if path is None:
        return []
    if path.is_dir():
        files = [Path(directory, name) for directory, _, names in os.walk(path, followlinks=True) for name in names]
        return sorted(files) if len(files) <= MOST_FILES else []
    return [
        path,
        *sorted(sibling for sibling in path.parent.iterdir() if sibling.name.endswith(".json") or sibling.name.startswith("adapter_")),
    ]


def _noted_record(noted: Any, state: list[list[Any]]) -> ModelRecord | None:
    if not isinstance(noted, dict) or noted.get("files") != state:
        return None
    try:
        return _record_adapter().validate_python(noted.get("record"))
    except ValidationError:
        return None


@cache
def _record_adapter() -> TypeAdapter[ModelRecord]:
    return TypeAdapter(ModelRecord)


def _packages() -> dict[str, str]:
    versions = {}
    for name in READERS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = ""
    return versions


# ---- images --------------------------------------------------------------------------------------------------------------------------


def embed_known_images(
    encoder: ImageEncoder, dataset: Dataset, cache_root: CacheRoot = None, *, verify: bool = False, **how: Any
) -> Embeddings:
    """Like `embed_images`, but without opening a file if every image is known and the cache has all of them.

    `how` are the options of `embed_images`. `verify`: read every image regardless of records.
    """
    root = default_root() if cache_root is None else cache_root
    files = dataset.images.files if isinstance(dataset.images, LazyImages) else None
    if files is None or not isinstance(root, Path):
        return embed_images(loaded_encoder(encoder), dataset, cache_root, **how)
    folder, names = files
    notes, about = Notes(root), {"folder": os.path.realpath(folder), "policy": decode_policy(encoder)}
    before = [identity(f"{folder}/{name}") for name in names]
    noted = notes.read("images", about)
    noted = noted if isinstance(noted, dict) else {}
    if not verify and (embeddings := _from_cache(encoder, dataset, root, _known_keys(noted, names, before))) is not None:
        if (progress := how.get("progress")) is not None:
            progress(len(names), len(names))
        return embeddings
    settled = [file_identity is not None and file_identity.settled for file_identity in before]
    embeddings = embed_images(loaded_encoder(encoder), dataset, cache_root, **how)
    for row, key in zip(embeddings.rows.tolist(), embeddings.contents, strict=True):
        seen = before[row]
        if settled[row] and seen is not None and identity(f"{folder}/{names[row]}") == seen:
            noted[names[row]] = [key, *seen]
    notes.write("images", about, noted)
    return embeddings


def _known_keys(noted: Mapping[str, Any], names: Sequence[str], now: Sequence[FileIdentity | None]) -> list[str] | None:
    """The key of each image; None unless all are recorded and unchanged."""
    keys = []
    for name, seen in zip(names, now, strict=True):
        entry = noted.get(name)
        if seen is None or not isinstance(entry, list) or entry[1:] != list(seen):
            return None
        keys.append(str(entry[0]))
    return keys


def _from_cache(encoder: ImageEncoder, dataset: Dataset, root: Path, keys: list[str] | None) -> Embeddings | None:
    """The embeddings of images by their keys; None unless the cache has all of them."""
    record = encoder.record
    if not keys or isinstance(encoder, Answerer):
        return None
    kept = EmbeddingCache(root, record.fingerprint, "image", record.dimensions, record.name)
    if not all(key in kept for key in keys):
        return None
    conversions: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        for kind in kept.conversions(key):
            conversions.setdefault(kind, []).append(row)
    log.info("embedded 0 images, %d from the cache", len(keys))
    return Embeddings(
        vectors=kept.read(keys),
        contents=tuple(keys),
        rows=np.arange(len(keys), dtype=np.int64),
        exclusions=(),
        conversions={kind: counts_by_level(dataset, rows) for kind, rows in sorted(conversions.items())},
        computed=0,
    )
