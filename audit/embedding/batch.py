"""Batches through an encoder: as many items at once as memory allows, only numbers out, and to the disk every few seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np

from audit.embedding.cache import EmbeddingCache
from audit.errors import DataError, MachineError
from audit.models.runtime import out_of_memory
from audit.types import Dataset, ImageEncoder, ModelRecord

if TYPE_CHECKING:
    from jaxtyping import Float
    from PIL import Image

log = logging.getLogger("audit")
Progress = Callable[[int, int], object]
"""Called with the images embedded so far, and their number."""
SHARD_ROWS = 2048
SHARD_S = 20.0
"""A shard is closed after this many rows or seconds: what a killed run has to compute again."""
PIXELS_AHEAD = 100_000_000
"""Decoded pixels that may wait for the model, and again as many in its batch: 300 MB each."""


class Batch:
    """Runs an encoder on a list of items, as many at once as fit: the size is halved when memory runs out, and stays so."""

    def __init__(self, size: int):
        self.size = size

    def run(
        self, encode: Callable[[Any], np.ndarray], items: Sequence[Any], names: Sequence[str], record: ModelRecord
    ) -> Float[np.ndarray, "n d"]:
        """Return one float32 row for each item; DataError names an item whose row is not finite."""
        done: list[np.ndarray] = []
        while items:
            part = items[: self.size]
            try:
                vectors = np.asarray(encode(part), dtype=np.float32)
            except (RuntimeError, MemoryError) as error:
                self._shrink(error, len(part))
                continue
            _check(vectors, names[: len(part)], record)
            done.append(vectors)
            items, names = items[len(part) :], names[len(part) :]
        return np.concatenate(done)

    def _shrink(self, error: RuntimeError | MemoryError, tried: int) -> None:
        if not out_of_memory(error):
            raise error
        if tried == 1:
            why = str(error).partition("\n")[0][:200] or type(error).__name__
            fix = "use a smaller model or another --device"
            raise MachineError("memory does not suffice to embed a single item", why=why, fix=fix) from error
        self.size = tried // 2
        log.warning("out of memory at a batch of %d: going on with %d", tried, self.size)


def _check(vectors: np.ndarray, names: Sequence[str], record: ModelRecord) -> None:
    if vectors.shape != (len(names), record.dimensions):
        raise DataError(f"{record.name} gave embeddings of shape {vectors.shape}", why=f"expected ({len(names)}, {record.dimensions})")
    if (bad := np.flatnonzero(~np.isfinite(vectors).all(axis=1))).size:
        what = f"{record.name} gave an embedding that is not finite for {names[bad[0]]}"
        why = f"{bad.size} of the {len(names)} in its batch are NaN or infinite: the weights are damaged, or overflow in {record.dtype}"
        raise DataError(what, why=why, fix="check the model, or try --dtype float32")


@runtime_checkable
class RowEncoder(Protocol):
    """An `ImageEncoder` to which a row is more than its image: it is asked another question about each."""

    def row_key(self, row: int, image: str) -> str:
        """Return the key of a row, given that of its image."""
        ...

    def encode_rows(self, seen: Sequence[tuple[Image.Image, int]]) -> Float[np.ndarray, "n d"]:
        """Return one float32 row for each image with its row."""
        ...


class ImageRow(NamedTuple):
    """What one row of the data set turned out to be."""

    row: int
    key: str | None = None
    """None where the image cannot be read."""
    image: Image.Image | None = None
    """None where the cache has the embedding."""
    conversions: tuple[str, ...] = ()
    reason: str = ""


class ImageBatches:
    """Collects images into batches, shows them to the model, and hands the embeddings to the cache in shards.

    Leaving the context embeds what is waiting; leaving it by an exception (Ctrl-C among them) still saves every finished batch.
    """

    def __init__(self, encoder: ImageEncoder, dataset: Dataset, cache: EmbeddingCache, batch_size: int, progress: Progress | None):
        self._batch = Batch(batch_size)
        self.batch_size = batch_size
        self.computed = self.repeated = self.cached = self._done = 0
        self._encoder, self._dataset, self._cache, self._progress = encoder, dataset, cache, progress
        self._new: set[str] = set()
        self._waiting: list[ImageRow] = []
        self._pixels = 0
        self._vectors: dict[str, np.ndarray] = {}
        self._conversions: dict[str, tuple[str, ...]] = {}
        self._started = self._saved = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._embed()
        if not isinstance(error, MachineError):
            self._save()

    def take(self, seen: ImageRow) -> None:
        """Count a row; embed it with the next full batch if it is new."""
        if seen.key is None or seen.image is None or seen.key in self._new:
            self.repeated += seen.key in self._new
            self.cached += seen.key is not None and seen.key not in self._new
            self._advance(1)
            return
        self._new.add(seen.key)
        self._waiting.append(seen)
        self._pixels += pixels(seen.image)
        # By the size asked for, not the one that fits: what shares a batch, and so the last digit, is the same in every run.
        if len(self._waiting) >= self.batch_size or self._pixels >= PIXELS_AHEAD:
            self._embed()

    def report(self) -> None:
        """Log what was done."""
        seconds = time.monotonic() - self._started
        repeats = f", {self.repeated} of the same content as another" if self.repeated else ""
        rate = f" ({self.computed / seconds:.1f} images/s)" if self.computed else ""
        log.info("embedded %d images, %d from the cache%s%s", self.computed, self.cached, repeats, rate)

    def _embed(self) -> None:
        waiting, self._waiting, self._pixels = self._waiting, [], 0
        if not waiting:
            return
        names = [f"the image {self._dataset.attributes.index[seen.row]}" for seen in waiting]
        encode: Callable[[Any], np.ndarray] = self._encoder.encode_images
        items: list[Any] = [seen.image for seen in waiting]
        if isinstance(self._encoder, RowEncoder):
            encode, items = self._encoder.encode_rows, [(seen.image, seen.row) for seen in waiting]
        vectors = self._batch.run(encode, items, names, self._encoder.record)
        for seen, vector in zip(waiting, vectors, strict=True):
            assert seen.key is not None  # noqa: S101  (take() lets nothing else in)
            self._vectors[seen.key] = vector
            self._conversions[seen.key] = seen.conversions
        self.computed += len(waiting)
        self._advance(len(waiting))
        if len(self._vectors) >= SHARD_ROWS or time.monotonic() - self._saved > SHARD_S:
            self._save()

    def _advance(self, images: int) -> None:
        self._done += images
        if self._progress is not None:
            self._progress(self._done, len(self._dataset.images))

    def _save(self) -> None:
        self._cache.add(self._vectors, self._conversions)
        self._vectors, self._conversions = {}, {}
        self._saved = time.monotonic()


def pixels(image: Image.Image) -> int:
    """Return the number of pixels."""
    return image.width * image.height
