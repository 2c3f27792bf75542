"""The engine that embeds on a Ray cluster: row numbers -> `Embedder` actors -> one sink, which is the cache of the calling process.

Ray places the actors, on GPUs if they need them, adds and removes them, reassigns the rows of a lost one, and spills to disk.
Each actor reads its images itself: every node must have access to the data, and the model, under the same paths or URLs.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from audit.embedding.batch import SHARD_ROWS, SHARD_S, PreparedEncoder, Progress
from audit.embedding.cache import CacheRoot, EmbeddingCache, MemoryRoot
from audit.embedding.cores import cores
from audit.embedding.embed import exclude_unreadable, keep_images
from audit.embedding.known import loaded_encoder
from audit.errors import AuditError, DataError
from audit.extensions.scale.engine import KeptCounts
from audit.models import load
from audit.ray_cluster import error_of, fault_of, on_cluster
from audit.types import Dataset, ImageEncoder
from strictio.images.decoders import Decoders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Shaped

BLOCK_ROWS = 2048
"""Number of rows in a block for an actor, and the maximum that it loses: as many as in a shard."""
BLOCKS_EACH = 4
"""Minimum number of blocks per actor: with less data, blocks are smaller."""
MOST_BLOCKS = 10_000
"""Maximum number of blocks: with more data, blocks are larger, since Ray has an overhead for each."""


class ModelSource(NamedTuple):
    """What an actor loads."""

    model: Any
    """A model spec; or an object, which is sent to the actors."""
    device: str
    dtype: str
    model_args: Mapping[str, str]
    draft: int = 0
    """How far JPEGs may be reduced while decoding (`PreparedEncoder`); from the caller's model."""


class RayCluster(NamedTuple):
    """Location and number of the actors."""

    address: str | None = None
    """``local``, ``auto`` or ``ray://HOST:PORT``; None: ``RAY_ADDRESS``, else ``local``."""
    actors: tuple[int, int] | None = None
    """Minimum and maximum; None: from one to one per GPU, or per core."""


class Embedder:
    """An actor: a model that embeds the images of requested rows."""

    def __init__(self, encoder: ImageEncoder | ModelSource, fingerprint: str, work: ActorWork):
        if Path(work.folder).is_dir():  # it may not exist on another machine
            os.chdir(work.folder)
        self._fingerprint, self._work = fingerprint, work
        self._encoder: ImageEncoder | None = None
        self._decoders = Decoders(cores())  # kept between blocks: starting one takes as long as decoding hundreds of images
        self._fault: AuditError | None = None
        try:
            self._encoder = _loaded(encoder, fingerprint) if isinstance(encoder, ModelSource) else encoder
        except AuditError as error:
            self._fault = error

    def __del__(self) -> None:
        if decoders := self.__dict__.get("_decoders"):
            decoders.close()

    def __call__(self, batch: Mapping[str, Shaped[np.ndarray, "n"]]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """For each row its key or why it cannot be read, and the embedding unless the cache has it.

        Our own errors are returned as rows (`fault_of`).
        """
        try:
            if self._encoder is None:
                raise self._fault or DataError("the actor has no model")
            return {**self._embedded(self._encoder, batch), "fault": np.full(len(batch["id"]), "")}
        except AuditError as error:
            return {"fault": np.array([json.dumps(fault_of(error))])}

    def _embedded(self, encoder: ImageEncoder, batch: Mapping[str, Shaped[np.ndarray, "n"]]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        numbers = batch["id"].tolist()
        index = pd.Index([str(number) for number in numbers], dtype="str")
        images = _Rows(self._work.images, numbers)
        part = Dataset("a block", images, pd.DataFrame(index=index), {}, "", "a block", "")  # type: ignore[arg-type]
        new = _NewRows(self._work.known)
        root = MemoryRoot({(self._fingerprint, "image"): new})
        kept = keep_images(encoder, part, root, batch_size=self._work.batch_size, max_skip=None, decoders=self._decoders)
        vectors = np.zeros((len(numbers), encoder.record.dimensions), np.float32)
        keys, conversions, fresh = [""] * len(numbers), ["[]"] * len(numbers), np.zeros(len(numbers), bool)
        for row, key in kept.keys.items():
            keys[row] = key
            if (computed := new.pop(key, None)) is not None:  # equal content is returned once
                vectors[row], conversions[row], fresh[row] = computed[0], json.dumps(computed[1]), True
        reasons = [kept.unreadable.get(row, "") for row in range(len(numbers))]
        return {
            "row": batch["id"], "key": np.array(keys), "reason": np.array(reasons), "conversions": np.array(conversions), "fresh": fresh,
            "vector": vectors,
        }  # fmt: skip


def _loaded(source: ModelSource, fingerprint: str) -> ImageEncoder:
    """Load the model of an actor; raises DataError if it is not the requested one."""
    device = "cuda" if source.device.startswith("cuda") else source.device  # in an actor, Ray makes only its own GPU visible
    encoder: Any = load(source.model, device=device, dtype=source.dtype, model_args=source.model_args)
    if encoder.record.fingerprint != fingerprint:
        why = "its weights, or the versions of torch or Pillow, are not those of the machine that asked"
        fix = "give every node the same files and the same environment"
        raise DataError(f"{encoder.record.name} is another model on {os.uname().nodename}", why=why, fix=fix)
    if isinstance(encoder, PreparedEncoder):
        encoder.draft = source.draft
    image_encoder: ImageEncoder = encoder
    return image_encoder


class ActorWork(NamedTuple):
    """What every actor gets besides its model; Ray stores one copy per node."""

    images: Sequence[bytes]
    known: Shaped[np.ndarray, "m"]
    """Keys in the cache, sorted; as bytes."""
    batch_size: int
    folder: str
    """The working directory of the calling process."""


class _Rows:
    """Some rows of a sequence of images."""

    def __init__(self, images: Sequence[bytes], numbers: Sequence[int]):
        self._images, self._numbers = images, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: int) -> bytes:
        return self._images[self._numbers[row]]


class _NewRows(dict[str, tuple[np.ndarray, tuple[str, ...]]]):
    """The rows of one block, with the interface of a cache: claims to have the known ones, too, but does not store them."""

    def __init__(self, known: Shaped[np.ndarray, "m"]):
        super().__init__()
        self._known = known

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or self._is_known(str(key).encode())

    def __missing__(self, key: str) -> tuple[np.ndarray, tuple[str, ...]]:
        return np.empty(0, np.float32), ()

    def _is_known(self, key: bytes) -> bool:
        position = int(np.searchsorted(self._known, key))
        return position < len(self._known) and self._known[position] == key


def embed_on_ray(
    source: ModelSource,
    cluster: RayCluster,
    encoder: ImageEncoder,
    dataset: Dataset,
    cache_root: CacheRoot,
    *,
    batch_size: int,
    max_skip: float | None,
    progress: Progress | None,
) -> KeptCounts:
    """Embed the images with actors on a Ray cluster; an `Engine` once source and cluster are bound.

    Raises MachineError if Ray is not installed, finds no cluster, or fails; errors of an actor's own as on this machine.
    """
    encoder, record = loaded_encoder(encoder), encoder.record
    cache = EmbeddingCache(cache_root, record.fingerprint, "image", record.dimensions, record.name)
    cache.expect(len(dataset.images) - len(cache))
    known = np.sort(np.array([key.encode() for key in cache], dtype="S64"))
    work = ActorWork(dataset.images, known, batch_size, str(Path.cwd()))
    draft = encoder.draft if isinstance(encoder, PreparedEncoder) else 0
    sent = source._replace(draft=draft) if isinstance(source.model, str) else encoder
    sink = _Sink(cache, dataset, progress)
    with on_cluster(cluster.address, "--engine ray embeds on it", "what was embedded is kept") as ray:
        gpus = 1 if source.device.startswith("cuda") else 0
        fewest, most = cluster.actors or (1, max(int(ray.cluster_resources().get("GPU" if gpus else "CPU", 1)), 1))
        rows = max(min(BLOCK_ROWS, len(dataset.images) // (BLOCKS_EACH * most)), len(dataset.images) // MOST_BLOCKS, 1)
        rows = -(-rows // batch_size) * batch_size
        blocks = ray.data.range(len(dataset.images), override_num_blocks=-(-len(dataset.images) // rows))
        seen = blocks.map_batches(
            Embedder, fn_constructor_args=(sent, record.fingerprint, work), batch_size=rows, num_gpus=gpus, num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=fewest, max_size=most),
        )  # fmt: skip
        for block in seen.iter_batches(batch_size=None, batch_format="numpy"):
            sink.take(block)
    return sink.finish(max_skip)


class _Sink:
    """Adds the embeddings of blocks to the cache as they arrive, shard by shard, and counts them."""

    def __init__(self, cache: EmbeddingCache, dataset: Dataset, progress: Progress | None):
        self._cache, self._dataset, self._progress = cache, dataset, progress
        self._vectors: dict[str, np.ndarray] = {}
        self._conversions: dict[str, tuple[str, ...]] = {}
        self._unreadable: dict[int, str] = {}
        self._done, self._computed, self._saved = 0, 0, time.monotonic()

    def take(self, block: Mapping[str, Shaped[np.ndarray, "n ..."]]) -> None:
        """Store the new rows of a block; raises the error of an actor."""
        if fault := next(filter(None, block["fault"].tolist()), None):
            raise error_of(json.loads(fault))
        columns = (block[name].tolist() for name in ("row", "key", "reason", "conversions", "fresh"))
        for position, (row, key, reason, conversions, fresh) in enumerate(zip(*columns, strict=True)):
            if reason:
                self._unreadable[row] = reason
            elif fresh and key not in self._vectors and key not in self._cache:
                self._vectors[key] = np.array(block["vector"][position])
                self._conversions[key] = tuple(json.loads(conversions))
        self._done += len(block["row"])
        self._computed += int(block["fresh"].sum())
        if len(self._vectors) >= SHARD_ROWS or time.monotonic() - self._saved > SHARD_S:
            self._save()
        if self._progress is not None:
            self._progress(self._done, len(self._dataset.images))

    def finish(self, max_skip: float | None) -> KeptCounts:
        """Store the remaining rows, and return a summary; raises DataError if too many images cannot be read."""
        self._save()
        readable = self._done - len(self._unreadable)
        exclusions = exclude_unreadable(self._dataset, readable, self._unreadable, max_skip)
        return KeptCounts(readable, self._computed, exclusions, self._cache.whole)

    def _save(self) -> None:
        self._cache.add(self._vectors, self._conversions)
        self._vectors, self._conversions, self._saved = {}, {}, time.monotonic()
