"""Training pairs: pixels as bytes and captions as ids, with random shifts and crops that depend only on seed, epoch and pair.

A dataset that fits is kept in memory, decoded and tokenised once; a larger one is read and decoded on demand. Both give the same batches.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from contrastive import distributed
from contrastive.config import DataConfig
from contrastive.data.augment import Augmentation
from contrastive.data.captions import texts_of
from contrastive.data.order import stream
from contrastive.data.reading import PairReader, shown_name, square_crop
from contrastive.data.source import CaptionedImages, TrainingDataError, hash_of
from contrastive.model.pieces import AnyTokenizer
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import trimmed
from strictio.errors import DataError


@dataclass(frozen=True)
class Pairs:
    """n images in memory, each with one or more of m texts: all captions with all templates."""

    pixels_nchw: Tensor
    """uint8."""
    ids_ml: Tensor
    """int32; the texts of an image are consecutive; l is the context."""
    first_n: NDArray[np.int64]
    """Row in `ids_ml` of each image's first text, followed by m: length n + 1."""
    eot: int | None
    """The id that ends a text; None: texts fill the context."""
    replaced: tuple[str, ...] = ()
    """One sentence per picture of a broken pair encountered so far and replaced by a neighbouring pair."""
    broken: Mapping[int, str] = field(default_factory=dict)
    """Row -> its error."""

    def __len__(self) -> int:
        return len(self.pixels_nchw)

    @property
    def sha256(self) -> str:
        """Hash of everything that affects a batch, here all pixels and ids."""
        digest = hashlib.sha256()
        for array in (self.pixels_nchw.numpy(), self.ids_ml.numpy(), self.first_n):
            digest.update(str(array.shape).encode())
            digest.update(array.data)  # not .tobytes(): no second copy of the data
        return digest.hexdigest()

    def faults(self, rows: NDArray[np.int64]) -> dict[int, str]:
        """Return row -> error for those of `rows` that cannot be read or have no caption."""
        return {row: self.broken[row] for row in rows.tolist() if row in self.broken}

    def batch(
        self, rows: NDArray[np.int64], epoch: int, seed: int, shift: int, before: NDArray[np.int64] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the pairs of `rows` for training: pixels uint8[n, 3, h, w], ids int64[n, l].

        Text, shift and crop of a pair depend on seed, epoch, row and `before` (how often the row was drawn before in the epoch; by default
        never) only, not on the rest of the batch or the decoding thread.
        """
        draws = [_draws(seed, epoch, *draw) for draw in _numbered(rows, before)]
        texts = np.array([rng.integers(self.first_n[row], self.first_n[row + 1]) for rng, row in zip(draws, rows, strict=True)])
        offsets = [rng.integers(-shift, shift + 1, 2) for rng in draws]
        pixels = torch.stack([_shifted(self.pixels_nchw[row], *offset) for row, offset in zip(rows, offsets, strict=True)])
        return pixels, trimmed(self.ids_ml[torch.from_numpy(texts)], self.eot)

    def plain(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the pairs of `rows` unchanged, with the first caption and the first template."""
        return self.pixels_nchw[torch.from_numpy(rows)], trimmed(self.ids_ml[torch.from_numpy(self.first_n[rows])], self.eot)


@dataclass(frozen=True)
class LazyPairs:
    """Like `Pairs`, but read and decoded on demand, by several threads."""

    reader: PairReader
    preprocess: Preprocess
    tokenizer: AnyTokenizer
    config: DataConfig
    augmentation: Augmentation | None = None
    """Applied in training only."""

    def __len__(self) -> int:
        return len(self.reader.source)

    @property
    def replaced(self) -> tuple[str, ...]:
        return self.reader.replaced

    @property
    def broken(self) -> Mapping[int, str]:
        return self.reader.broken

    @property
    def sha256(self) -> str:
        """Hash of the source's identity and all processing settings; does not open images."""
        augment = (json.dumps(self.config.augment),) if self.config.augment else ()  # omitted if unset, so that older hashes stay valid
        made = (self.preprocess.sha256, self.tokenizer.sha256, *self.config.templates, self.config.crop, *augment)
        return hash_of(self.reader.source.identity, *made)

    def faults(self, rows: NDArray[np.int64]) -> dict[int, str]:
        """Like `Pairs.faults`; decodes every image."""
        with _threads(self.config.workers) as pool:
            faults = zip(rows.tolist(), pool.map(self.reader.fault, rows.tolist()), strict=True)
            return {row: fault for row, fault in faults if fault is not None}

    def batch(
        self, rows: NDArray[np.int64], epoch: int, seed: int, shift: int, before: NDArray[np.int64] | None = None
    ) -> tuple[Tensor, Tensor]:
        def seen(row: int, before: int) -> tuple[Tensor, str]:
            rng = _draws(seed, epoch, row, before)
            image, texts = self._read(row)
            text = texts[rng.integers(0, len(texts))]
            offset = rng.integers(-shift, shift + 1, 2)
            if self.config.crop is not None:
                image = square_crop(image, rng, self.config.crop)
            if self.augmentation is not None:
                image = self.augmentation(image, int(rng.integers(2**63)))
            pixels = self.preprocess.pixels([image])[0]
            return (_shifted(pixels, *offset) if offset.any() else pixels), text

        return self._assembled(seen, _numbered(rows, before))

    def plain(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        def seen(row: int, _: int) -> tuple[Tensor, str]:
            image, texts = self._read(row)
            return self.preprocess.pixels([image])[0], texts[0]

        return self._assembled(seen, _numbered(rows))

    def _read(self, row: int) -> tuple[Image.Image, list[str]]:
        image, taken = self.reader.read(row)
        return image, texts_of(self.reader.source, taken, self.config.templates)

    def _assembled(self, seen: Callable[[int, int], tuple[Tensor, str]], draws: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        with _threads(self.config.workers) as pool:
            pixels, texts = zip(*pool.map(seen, *zip(*draws, strict=True)), strict=True)
        return torch.stack(pixels), trimmed(self.tokenizer(texts, truncate=True), self.tokenizer.eot)


_SHOWN_AFTER_S = 3.0
"""Seconds of decoding after which a bar appears."""

PairSet: TypeAlias = Pairs | LazyPairs


def _numbered(rows: NDArray[np.int64], before: NDArray[np.int64] | None = None) -> list[tuple[int, int]]:
    return list(zip(rows.tolist(), [0] * len(rows) if before is None else before.tolist(), strict=True))


def _draws(seed: int, epoch: int, row: int, before: int) -> np.random.Generator:
    """Return the generator of a draw; the first draw of a row in an epoch has the one that it has without sampling."""
    return stream(seed, "augmentation", epoch, row + (before << 40))


def load_pairs(
    source: CaptionedImages,
    preprocess: Preprocess,
    tokenizer: AnyTokenizer,
    config: DataConfig,
    max_broken: float | None = None,
    quiet: bool = True,
) -> PairSet:
    """Load the pairs of a source, in memory if they fit and are not augmented. Captions are truncated to the context.

    The processes of one machine share this memory, and each decodes its part of the images. Without `quiet`, a bar shows the progress if it
    takes longer than a few seconds. Random crops are taken from the original image, so such images are decoded again each time.

    Raises `TrainingDataError` if more pairs are broken than `max_broken` (by default `config.max_broken`) allows; datasets not held in
    memory raise it when they exceed the limit. Raises `UsageError` if `config.augment` is not possible.
    """
    reader = PairReader(source, config.max_broken if max_broken is None else max_broken)
    if config.augment:
        return LazyPairs(reader, preprocess, tokenizer, config, Augmentation(config.augment, preprocess.size))
    if config.crop is not None or len(source) * 3 * preprocess.size**2 > config.memory_gib * 2**30:
        return LazyPairs(reader, preprocess, tokenizer, config)
    shape = len(source), 3, preprocess.size, preprocess.size
    shared = distributed.shared_bytes(shape)
    pixels = torch.empty(shape, dtype=torch.uint8) if shared is None else shared
    taken = _decode(reader, pixels, preprocess, config.workers, quiet=quiet, apart=shared is None)
    texts = [texts_of(source, index, config.templates) for index in taken]
    ids = tokenizer([text for group in texts for text in group], truncate=True).int()
    return Pairs(pixels, ids, np.cumsum([0, *map(len, texts)]), tokenizer.eot, reader.replaced, reader.broken)


def _decode(reader: PairReader, pixels: Tensor, preprocess: Preprocess, workers: int, *, quiet: bool, apart: bool) -> list[int]:
    """Fill `pixels`, and return for each row which pair it is of. `apart`: this process decodes all rows; else those of its part."""
    node, n = distributed.own_node(), len(pixels)
    own = range(n) if apart else range(n * node.number // node.processes, n * (node.number + 1) // node.processes)

    def read(index: int) -> int:
        image, taken = reader.read(index)
        pixels[index] = preprocess.pixels([image])[0]  # each thread writes to different rows
        return taken

    bar = partial(tqdm, total=len(own), unit=" images", desc="decoding", delay=_SHOWN_AFTER_S, disable=quiet, leave=False)
    failed, rows = False, list[int]()
    try:
        with _threads(workers) as pool:
            rows = list(bar(pool.map(read, own)))
    except TrainingDataError:
        failed = True
        if apart:
            raise  # otherwise below, on all processes: they would wait for this one
    if apart:
        return rows
    parts = distributed.gather_on_node((rows, failed, reader.broken))
    for _, _, broken in parts:
        reader.add_broken(broken)
    if any(failed for _, failed, _ in parts):
        raise reader.too_many()
    return [index for rows, _, _ in parts for index in rows]


def load_whole(
    what: str, source: CaptionedImages, transforms: tuple[Preprocess, AnyTokenizer], config: DataConfig, rows: NDArray[np.int64]
) -> tuple[PairSet, NDArray[np.int64], tuple[str, ...]]:
    """Load the pairs of a source like `load_pairs`; return also which of `rows` can be evaluated, and a sentence about the others.

    Broken pairs are not replaced. `what`: the purpose of the data, such as "validation". Raises `TrainingDataError` if all are broken.
    """
    try:
        pairs = load_pairs(source, *transforms, config, max_broken=1.0)
        faults = pairs.faults(rows)
    except DataError as error:  # only if all are broken
        raise TrainingDataError(f"no {what} image can be read", where=config.train, why=error.why, fix=error.fix) from error
    if len(faults) == len(rows):
        why = "; ".join(f"{shown_name(source, row)} ({fault})" for row, fault in [*faults.items()][:3]) or "no image has a caption or label"
        raise TrainingDataError(f"no {what} image can be read", where=config.train, why=why)
    if not faults:
        return pairs, rows, ()
    (first, fault), pictures = next(iter(faults.items())), len({source.name(row) for row in rows.tolist()})
    kind = "images" if pictures == len(rows) else "pairs"
    words = f"{'first: ' if len(faults) > 1 else ''}{fault}"
    sentence = f"left out {len(faults)} of {len(rows)} {what} {kind} ({words}): {shown_name(source, first)}"
    return pairs, rows[~np.isin(rows, list(faults))], (sentence,)


@contextmanager
def _threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for decoding (Pillow releases the GIL); after an error, queued work is cancelled."""
    pool = ThreadPoolExecutor(workers, "decode")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such an image is refused and counted, with our own message
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _shifted(image_chw: Tensor, down: int, right: int) -> Tensor:
    """Shift an image by whole pixels, repeating the row or column at the edge."""
    _, height, width = image_chw.shape
    rows = torch.arange(height).sub(int(down)).clamp_(0, height - 1)
    columns = torch.arange(width).sub(int(right)).clamp_(0, width - 1)
    return image_chw[:, rows][:, :, columns]
