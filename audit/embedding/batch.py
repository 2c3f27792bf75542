"""Runs batches through an encoder: as many items at once as fit into memory; only numbers are kept, and saved every few seconds."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
"""Called with the number of images embedded so far, and the total."""
SHARD_ROWS = 2048
SHARD_S = 20.0
"""A shard is closed after `SHARD_ROWS` rows or this many seconds: a killed run has to recompute at most that."""
PIXELS_AHEAD = 100_000_000
"""Maximum number of decoded pixels that wait for the model, and again as many in its batch: 300 MB each."""


class Batch:
    """Runs an encoder on a list of items, as many at once as fit: the size is halved when memory runs out, and stays so."""

    def __init__(self, size: int):
        self.size = size

    def run(
        self, encode: Callable[[Any], np.ndarray], items: Sequence[Any], names: Sequence[str], record: ModelRecord
    ) -> Float[np.ndarray, "n d"]:
        """One float32 row per item; raises DataError for an item whose row is not finite."""
        done: list[np.ndarray] = []
        for part, result in self.parts(lambda part: np.asarray(encode(part), dtype=np.float32), items):
            _check(result, names[: len(part)], record)
            done.append(result)
            names = names[len(part) :]
        return np.concatenate(done)

    def parts(self, call: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[Sequence[Any], Any]]:
        """Yield the items in parts that fit into memory, each with the result of `call`."""
        while items:
            part = items[: self.size]
            try:
                result = call(part)
            except (RuntimeError, MemoryError) as error:
                self._shrink(error, len(part))
                continue
            yield part, result
            items = items[len(part) :]

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
    """An `ImageEncoder` whose rows depend on more than their images, because each row has its own question."""

    def row_key(self, row: int, image: str) -> str:
        """The key of a row, given that of its image."""
        ...

    def encode_rows(self, seen: Sequence[tuple[Image.Image, int]]) -> Float[np.ndarray, "n d"]:
        """One float32 row per image with its row."""
        ...


@runtime_checkable
class SendingEncoder(Protocol):
    """An `ImageEncoder` whose batches are processed elsewhere: the next one starts before the last one has finished."""

    def begin(self, seen: Sequence[tuple[Image.Image, int]]) -> Callable[[], Float[np.ndarray, "n d"]]:
        """Start a batch of images, each with its row; returns a function that waits for the result."""
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """An `Encoder` whose tokenizer can count tokens."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each text before truncation, including those at its start and end."""
        ...


class Started(Protocol):
    """A batch in progress."""

    def rows(self) -> Float[np.ndarray, "n d"]:
        """One float32 row per image; waits until they are computed."""
        ...


@runtime_checkable
class PreparedEncoder(Protocol):
    """An `ImageEncoder` in two parts: images are prepared separately, in any thread, and batches of them go to the device.

    All batches have the same shape, so that no row depends on the number of images in its batch.
    """

    draft: int
    """Size in pixels to which a JPEG may be reduced while decoding; 0: never."""

    @property
    def side(self) -> int:
        """Width and height in pixels of the model's input."""
        ...

    @property
    def in_flight(self) -> int:
        """Maximum number of batches in flight before waiting for one; 0: `start` returns when a batch is finished."""
        ...

    def expect(self, images: int) -> None:
        """Prepare for this number of images."""
        ...

    def prepare(self, image: Image.Image) -> Any:
        """The model's input for an image: an array or a tensor, channels first."""
        ...

    def start(self, prepared: Sequence[Any], size: int) -> Started:
        """Start a batch, padded to `size` rows."""
        ...


class _Finished(NamedTuple):
    """The rows of an encoder that is called synchronously."""

    vectors: np.ndarray

    def rows(self) -> np.ndarray:
        return self.vectors


class _Sent(NamedTuple):
    """A batch of a `SendingEncoder`."""

    rows: Callable[[], np.ndarray]


class ImageRow(NamedTuple):
    """The result of reading one row of the data set."""

    row: int
    key: str | None = None
    """None if the image cannot be read."""
    image: Any = None
    """As decoded, or as prepared by a `PreparedEncoder`; None if the cache has the embedding."""
    conversions: tuple[str, ...] = ()
    reason: str = ""


class ImageBatches:
    """Collects images into batches, runs the model on them, and adds the embeddings to the cache in shards.

    Leaving the context embeds what is waiting; if it is left by an exception (such as Ctrl-C), every finished batch is still saved.
    """

    def __init__(self, encoder: ImageEncoder, dataset: Dataset, cache: EmbeddingCache, batch_size: int, progress: Progress | None):
        self._batch = Batch(batch_size)
        self.batch_size = batch_size
        self.computed = self.repeated = self.cached = self._done = 0
        self._encoder, self._dataset, self._cache, self._progress = encoder, dataset, cache, progress
        self._new: set[str] = set()
        self._waiting: list[ImageRow] = []
        self._under_way: deque[tuple[Sequence[ImageRow], Started]] = deque()
        self._pixels = 0
        self._vectors: dict[str, np.ndarray] = {}
        self._conversions: dict[str, tuple[str, ...]] = {}
        self._started = self._saved = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._embed()
            self._finish(0)
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
        # By the requested size, not the one that fits: batches, and so the last digits, are the same in every run.
        if len(self._waiting) >= self.batch_size or self._pixels >= PIXELS_AHEAD:
            self._embed()

    def report(self) -> None:
        """Log a summary."""
        seconds = time.monotonic() - self._started
        repeats = f", {self.repeated} of the same content as another" if self.repeated else ""
        rate = f" ({self.computed / seconds:.1f} images/s)" if self.computed else ""
        log.info("embedded %d images, %d from the cache%s%s", self.computed, self.cached, repeats, rate)

    def _embed(self) -> None:
        waiting, self._waiting, self._pixels = self._waiting, [], 0
        if not waiting:
            return
        for part, started in self._batch.parts(self._start, waiting):
            self._under_way.append((part, started))
            ahead = self._encoder.in_flight if isinstance(self._encoder, PreparedEncoder) else isinstance(self._encoder, SendingEncoder)
            self._finish(ahead)

    def _start(self, seen: Sequence[ImageRow]) -> Started:
        images: list[Any] = [image_row.image for image_row in seen]
        if isinstance(self._encoder, PreparedEncoder):
            return self._encoder.start(images, self._batch.size)
        if isinstance(self._encoder, SendingEncoder):
            return _Sent(self._encoder.begin([(image, image_row.row) for image, image_row in zip(images, seen, strict=True)]))
        if isinstance(self._encoder, RowEncoder):
            rows = self._encoder.encode_rows([(image, image_row.row) for image, image_row in zip(images, seen, strict=True)])
        else:
            rows = self._encoder.encode_images(images)
        return _Finished(np.asarray(rows, dtype=np.float32))

    def _finish(self, left: int) -> None:
        """Wait for batches until at most `left` are in flight, and store their rows."""
        while len(self._under_way) > left:
            self._keep(*self._under_way.popleft())

    def _keep(self, seen: Sequence[ImageRow], started: Started) -> None:
        vectors = started.rows()
        _check(vectors, [f"the image {self._dataset.attributes.index[image_row.row]}" for image_row in seen], self._encoder.record)
        for image_row, vector in zip(seen, vectors, strict=True):
            assert image_row.key is not None  # noqa: S101  (guaranteed by take())
            self._vectors[image_row.key] = vector
            self._conversions[image_row.key] = image_row.conversions
        self.computed += len(seen)
        self._advance(len(seen))
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


def pixels(image: Any) -> int:
    """Number of pixels of an image, or of a prepared one."""
    height, width = image.shape[-2:] if hasattr(image, "shape") else (image.height, image.width)
    return int(height * width)
