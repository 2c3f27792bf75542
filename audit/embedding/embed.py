"""Embeds a data set with an encoder: each image and each text goes through the model only once ever.

A few threads read and prepare images (resize and crop, if the encoder supports it), and as many processes decode, ahead of the model,
in the data set's order; cached images are not decoded.
Finished batches are saved every few seconds: a killed run resumes from there, with the same batches and so the same numbers as
an uninterrupted one.
"""

from __future__ import annotations

import logging
import unicodedata
import warnings
from collections import defaultdict, deque
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from audit.data.cells.votes import level_counts
from audit.embedding.batch import PIXELS_AHEAD, Batch, ImageBatches, ImageRow, PreparedEncoder, Progress, RowEncoder, TokenCounter, pixels
from audit.embedding.cache import CacheRoot, EmbeddingCache, image_key, text_key
from audit.embedding.cores import Shares, computing_with, cores, shared
from audit.errors import DataError
from audit.stages import DETAIL
from audit.types import Dataset, Embeddings, Exclusion, ImageEncoder, Note, TextEncoder
from strictio.images.decode import UnreadableImage, explained
from strictio.images.decoders import Decoders

if TYPE_CHECKING:
    from jaxtyping import Float

log = logging.getLogger("audit")
DECODE_POLICY = "1"
"""Part of an image's key. To be increased whenever `strictio.images.decode.decode` returns other pixels for the same bytes."""
SHOWN = 10
"""Number of rows named when images cannot be read."""


def embed_images(
    encoder: ImageEncoder,
    dataset: Dataset,
    cache_root: CacheRoot = None,
    *,
    batch_size: int = 32,
    max_skip: float = 0.01,
    progress: Progress | None = None,
) -> Embeddings:
    """Embed every readable image of a data set, using the cache; equal content goes through the model once.

    `cache_root` is the folder of the cache (None: `audit.embedding.cache.default_root`; a `MemoryRoot`: no files). `batch_size` images are
    processed at once: it affects only rounding, and is halved when memory runs out. `max_skip` is the largest share of unreadable images,
    0-1; with more (or only unreadable ones), raises a DataError that names the first ten.
    """
    cache, kept = _keep_images(encoder, dataset, cache_root, batch_size=batch_size, max_skip=max_skip, progress=progress)
    return Embeddings(
        vectors=cache.read(list(kept.keys.values())),
        contents=tuple(kept.keys.values()),
        rows=np.array(list(kept.keys), dtype=np.int64),
        exclusions=kept.exclusions,
        conversions={kind: counts_by_level(dataset, rows) for kind, rows in kept.conversions.items()},
        computed=kept.computed,
    )


class KeptImages(NamedTuple):
    """State of the cache for a data set after all of it was processed."""

    keys: Mapping[int, str]
    """row -> key of its embedding, for every readable image."""
    unreadable: Mapping[int, str]
    """row -> why it cannot be read."""
    exclusions: tuple[Exclusion, ...]
    """The same, by reason and group."""
    conversions: Mapping[str, list[int]]
    """normalisation -> its rows."""
    computed: int
    """Images that the model processed; the others were in the cache, or have the content of another image."""
    whole: bool
    """Whether the cache stored every row: otherwise some are lost with this process."""


def keep_images(
    encoder: ImageEncoder,
    dataset: Dataset,
    cache_root: CacheRoot = None,
    *,
    batch_size: int = 32,
    max_skip: float | None = 0.01,
    progress: Progress | None = None,
    decoders: Decoders | None = None,
) -> KeptImages:
    """Embed every readable image of a data set into the cache without returning embeddings; otherwise like `embed_images`.

    `max_skip` None: all may be unreadable, as is possible in a small part of a larger data set. `decoders` stay open (None: as many as
    there are cores, for this call).
    """
    return _keep_images(
        encoder, dataset, cache_root, batch_size=batch_size, max_skip=max_skip, progress=progress, decoders=decoders
    )[1]  # fmt: skip


def exclude_unreadable(dataset: Dataset, readable: int, reasons: Mapping[int, str], max_skip: float | None) -> tuple[Exclusion, ...]:
    """Return and log the unreadable rows, by reason; raises DataError if they are more than `max_skip` allows (None: any number)."""
    unreadable = [ImageRow(row, reason=reason) for row, reason in sorted(reasons.items())]
    _stop_if_unreadable(dataset, readable, unreadable, max_skip)
    exclusions = _exclusions(dataset, unreadable)
    _log_left_out(dataset, exclusions, unreadable)
    return exclusions


def _keep_images(
    encoder: ImageEncoder, dataset: Dataset, cache_root: CacheRoot, *, batch_size: int, max_skip: float | None, progress: Progress | None,
    decoders: Decoders | None = None,
) -> tuple[EmbeddingCache, KeptImages]:  # fmt: skip
    total = len(dataset.images)
    if total == 0:
        raise DataError(f"{dataset.name} has no image", where=dataset.source)
    cache = EmbeddingCache(cache_root, encoder.record.fingerprint, "image", encoder.record.dimensions, encoder.record.name)
    cache.expect(total - len(cache))
    prepared = encoder if isinstance(encoder, PreparedEncoder) else None
    if prepared is not None:
        prepared.expect(total - len(cache))
    shares = shared(cores(), accelerator=prepared is not None and prepared.in_flight > 0)
    source = _Source(cache, shares, decode_policy(encoder), prepared, encoder if isinstance(encoder, RowEncoder) else None, decoders)
    # Pillow's warnings are silenced for all decoding threads here: `catch_warnings` in each thread would mix up their saved filters.
    with (
        warnings.catch_warnings(action="ignore"),
        computing_with(shares.computing) as threads,
        ImageBatches(encoder, dataset, cache, batch_size, progress) as batches,
    ):
        log.log(DETAIL, "of %d cores: at most %d processes decode, %d threads compute", cores(), shares.decoders, threads)
        readable, unreadable = _embed_missing(dataset, batches, source, max_skip)
    _stop_if_unreadable(dataset, len(readable), unreadable, max_skip)
    batches.report()
    exclusions = _exclusions(dataset, unreadable)
    conversions = _gather((kind, row) for row, key in readable.items() for kind in cache.conversions(key))
    _log_left_out(dataset, exclusions, unreadable)
    reasons = {seen.row: seen.reason for seen in unreadable}
    return cache, KeptImages(readable, reasons, exclusions, conversions, batches.computed, cache.whole)


def embed_texts(
    encoder: TextEncoder,
    texts: Sequence[str],
    cache_root: CacheRoot = None,
    *,
    batch_size: int = 64,
    progress: Progress | None = None,
    private: Collection[str] = (),
) -> Float[np.ndarray, "k d"]:
    """Embed each distinct text once, using the cache; raises errors as `embed_images` does, and none quotes a `private` text.

    Texts of similar length share a batch, so that an encoder that pads to the longest of a batch wastes little.
    """
    cache = EmbeddingCache(cache_root, encoder.record.fingerprint, "text", encoder.record.dimensions, encoder.record.name)
    # The key is that of the composed form, so the model must get the composed form.
    composed = [unicodedata.normalize("NFC", text) for text in texts]
    hidden = {unicodedata.normalize("NFC", text) for text in private}
    missing = _by_length(encoder, sorted({text for text in composed if text_key(text) not in cache}))
    batch = Batch(batch_size)
    finished: dict[str, np.ndarray] = {}
    for start in range(0, len(missing), batch_size):
        part = missing[start : start + batch_size]
        vectors = batch.run(
            encoder.encode_texts, part, ["a private text" if text in hidden else f"the text {text!r}" for text in part], encoder.record
        )
        finished.update(zip(map(text_key, part), vectors, strict=True))
        if progress is not None:
            progress(len(texts) - len(missing) + len(finished), len(texts))
    cache.add(finished)
    log.info("embedded %d texts, %d from the cache", len(missing), len(set(composed)) - len(missing))
    return cache.read([text_key(text) for text in composed])


def _by_length(encoder: TextEncoder, texts: list[str]) -> list[str]:
    """Sort texts by their number of tokens, or of characters if the encoder does not count tokens."""
    lengths = encoder.count_tokens(texts) if isinstance(encoder, TokenCounter) and texts else [len(text) for text in texts]
    return [text for _, text in sorted(zip(lengths, texts, strict=True))]


def decode_policy(encoder: object) -> str:
    """How images are decoded for an encoder, as a part of their keys."""
    draft = encoder.draft if isinstance(encoder, PreparedEncoder) else 0
    return f"{DECODE_POLICY} reduced to {draft}" if draft else DECODE_POLICY


class _Source(NamedTuple):
    """How to turn a row into the encoder's input, and the key of its embedding in the cache."""

    cache: EmbeddingCache
    shares: Shares
    policy: str
    """`decode_policy`; computed once, like the next two: checking an encoder's capabilities takes longer than a cache lookup."""
    prepared: PreparedEncoder | None
    by_row: RowEncoder | None
    decoders: Decoders | None
    """The caller's, who closes them; None: new ones."""

    def key_of(self, row: int, content: bytes) -> str:
        key = image_key(content, self.policy)
        return self.by_row.row_key(row, key) if self.by_row is not None else key

    def decoded(self, row: int, content: bytes, decoders: Decoders) -> ImageRow:
        """The encoder's input for a row, unless the cache has its embedding; raises UnreadableImage if it cannot be read."""
        key = self.key_of(row, content)
        if key in self.cache:
            return ImageRow(row, key)
        decoded = decoders.decode(content, self.prepared.draft if self.prepared is not None else 0)
        image = self.prepared.prepare(decoded.image) if self.prepared is not None else decoded.image
        return ImageRow(row, key, image, decoded.conversions)


def _embed_missing(
    dataset: Dataset, batches: ImageBatches, source: _Source, max_skip: float | None
) -> tuple[dict[int, str], list[ImageRow]]:
    """The key of every readable row, and the rows that cannot be read."""
    allowed = len(dataset.images) if max_skip is None else max_skip * len(dataset.images)
    readable: dict[int, str] = {}
    unreadable: list[ImageRow] = []
    with closing(_decode_ahead(dataset.images, source, batches.batch_size)) as rows:
        for seen in rows:
            if seen.key is None:
                unreadable.append(seen)
            else:
                readable[seen.row] = seen.key
            if len(unreadable) <= allowed:
                batches.take(seen)
            elif readable and len(unreadable) >= SHOWN:
                break  # it will be rejected; until here reading continued, without embedding, only to name enough rows
    return readable, unreadable


def _decode_ahead(images: Sequence[bytes], source: _Source, batch_size: int) -> Generator[ImageRow]:
    """Read, hash and (unless it is cached) decode and prepare each image, in order, with a bounded number of pixels ahead."""
    workers = source.shares.decoders
    waiting: deque[Future[ImageRow]] = deque()
    ahead = workers
    pool, decoders = ThreadPoolExecutor(workers, thread_name_prefix="decode"), source.decoders or Decoders(workers)
    try:
        for row in range(len(images)):
            waiting.append(pool.submit(_decode_row, images, row, source, decoders))
            while len(waiting) >= ahead:
                seen = waiting.popleft().result()
                if seen.image is not None:
                    ahead = max(min(4, workers), min(max(batch_size, workers), PIXELS_AHEAD // pixels(seen.image)))
                yield seen
        while waiting:
            yield waiting.popleft().result()
    finally:
        if source.decoders is None:
            decoders.close()  # first: a thread may be waiting for a decoder that hangs
        pool.shutdown(cancel_futures=True)


def _decode_row(images: Sequence[bytes], row: int, source: _Source, decoders: Decoders) -> ImageRow:
    try:
        return source.decoded(row, images[row], decoders)
    except UnreadableImage as error:
        return ImageRow(row, reason=error.reason)


def _stop_if_unreadable(dataset: Dataset, readable: int, unreadable: Sequence[ImageRow], max_skip: float | None) -> None:
    total = len(dataset.images)
    if max_skip is None:
        return
    if readable and len(unreadable) <= max_skip * total:
        return
    what = f"at least {len(unreadable)} of {total} images of {dataset.name} cannot be read; at most {max_skip:.2%} may be skipped"
    why = "; ".join(f"{dataset.attributes.index[seen.row]}: {explained(seen.reason)}" for seen in unreadable[:SHOWN])
    fix = "repair these files, take them out of the table, or raise --max-skip"
    if not readable:
        what = f"none of the {total} images of {dataset.name} can be read"
    raise DataError(what, where=dataset.source, why=why, fix=fix)


def _log_left_out(dataset: Dataset, exclusions: Sequence[Exclusion], unreadable: Sequence[ImageRow]) -> None:
    """Name a few images per reason; run.log lists all, so that they can be repaired."""
    for left_out in exclusions:
        images = "image" if left_out.count == 1 else "images"
        more = f" and {left_out.count - SHOWN:,} more, named in run.log" if left_out.count > SHOWN else ""
        reason, shown = explained(str(left_out.reason)), ", ".join(left_out.examples)
        log.warning("left out %d %s (%s): %s%s", left_out.count, images, reason, shown, more)
        if more:
            for seen in unreadable:
                log.debug("left out %s: %s", dataset.attributes.index[seen.row], seen.reason)


def _exclusions(dataset: Dataset, unreadable: Iterable[ImageRow]) -> tuple[Exclusion, ...]:
    by_reason = _gather((seen.reason, seen.row) for seen in unreadable)
    return tuple(
        Exclusion(
            Note(reason.replace(" ", "_")),
            len(rows),
            counts_by_level(dataset, rows),
            tuple(map(str, dataset.attributes.index[rows[:SHOWN]])),
        )
        for reason, rows in by_reason.items()
    )


def _gather(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    gathered: dict[str, list[int]] = defaultdict(list)
    for name, row in pairs:
        gathered[name].append(row)
    return dict(sorted(gathered.items()))


def counts_by_level(dataset: Dataset, rows: Sequence[int]) -> dict[str, dict[str, int]]:
    """Number of images of each level of each attribute among these rows."""
    part = dataset.attributes.iloc[list(rows)]
    return {str(name): level_counts(part[name], several=name in dataset.several) for name in part.columns}
