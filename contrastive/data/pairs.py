"""All pairs in memory: pixels as bytes, captions as ids; a batch is a look-up and a shift."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from contrastive.data.order import stream
from contrastive.data.pictures import UnreadablePicture
from contrastive.data.source import CaptionedImages, TrainingDataError
from contrastive.preprocess import Preprocess
from contrastive.tokenizer import Tokenizer

MAX_BYTES = 8 * 2**30
MAX_REPLACED = 0.01
"""Largest share of pictures that may be unreadable before training refuses the data."""


@dataclass(frozen=True)
class Pairs:
    """n pictures, and m texts: every caption of a picture under every template."""

    pixels_nchw: Tensor
    """uint8."""
    ids_ml: Tensor
    """int32; the texts of a picture follow each other; l is the context."""
    first_n: NDArray[np.int64]
    """Row in `ids_ml` of each picture's first text, and at last m: length n + 1."""
    eot: int
    replaced: tuple[str, ...] = ()
    """A sentence for each unreadable picture, whose place a neighbouring pair took."""

    def __len__(self) -> int:
        return len(self.pixels_nchw)

    @property
    def sha256(self) -> str:
        """Hash of every pixel and every id: equal for equal data."""
        digest = hashlib.sha256()
        for array in (self.pixels_nchw.numpy(), self.ids_ml.numpy(), self.first_n):
            digest.update(str(array.shape).encode())
            digest.update(array.data)  # not .tobytes(): no second copy of the data
        return digest.hexdigest()

    def batch(self, rows: NDArray[np.int64], epoch: int, seed: int, shift: int) -> tuple[Tensor, Tensor]:
        """Return the pairs of `rows` as training sees them: pixels uint8[n, 3, h, w], ids int64[n, l].

        Shift and text of a pair are drawn by (seed, epoch, row), whatever else is in the batch.
        """
        draws = [stream(seed, "augmentation", epoch, int(row)) for row in rows]
        texts = np.array([rng.integers(self.first_n[row], self.first_n[row + 1]) for rng, row in zip(draws, rows, strict=True)])
        offsets = [rng.integers(-shift, shift + 1, 2) for rng in draws]
        pixels = torch.stack([_shifted(self.pixels_nchw[row], *offset) for row, offset in zip(rows, offsets, strict=True)])
        return pixels, trimmed(self.ids_ml[torch.from_numpy(texts)], self.eot)

    def plain(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the pairs of `rows` unchanged, with the first caption under the first template."""
        return self.pixels_nchw[torch.from_numpy(rows)], trimmed(self.ids_ml[torch.from_numpy(self.first_n[rows])], self.eot)


def load_pairs(source: CaptionedImages, preprocess: Preprocess, tokenizer: Tokenizer, templates: Sequence[str]) -> Pairs:
    """Read every picture and every caption of a source. Over-long captions are cut at the context.

    Raises
    ------
    TrainingDataError
        If the pixels do not fit into 8 GiB, or more than 1 % of the pictures are unreadable.
    """
    need = len(source) * 3 * preprocess.size**2
    if need > MAX_BYTES:
        raise TrainingDataError(
            f"{len(source)} pictures of {preprocess.size} pixels take {need / 2**30:.1f} GiB of memory",
            why=f"the limit is {MAX_BYTES / 2**30:.0f} GiB: every picture is held in memory",
            fix="take fewer pictures or a model with a smaller image size",
        )
    chosen, replaced = [], []
    pixels = torch.empty((len(source), 3, preprocess.size, preprocess.size), dtype=torch.uint8)
    for index in range(len(source)):
        image, taken, reasons = _readable(source, index)
        pixels[index] = preprocess.pixels([image])[0]
        chosen.append(taken)
        replaced += [f"picture {index}: {reasons[0]}; pair {taken} takes its place"] if reasons else []
        if len(replaced) > max(1, MAX_REPLACED * len(source)):
            raise TrainingDataError("too many pictures are unreadable", why="; ".join(replaced[:3]), fix="mend or remove them")
    texts = [texts_of(source, index, templates) for index in chosen]
    ids = tokenizer([text for group in texts for text in group], truncate=True).int()
    return Pairs(pixels, ids, np.cumsum([0, *map(len, texts)]), tokenizer.eot, tuple(replaced))


def texts_of(source: CaptionedImages, index: int, templates: Sequence[str]) -> list[str]:
    """Return every caption of a picture under every template; the first caption under the first template comes first."""
    return [fill(template, caption) for caption in source.captions(index) for template in templates]


def fill(template: str, caption: str) -> str:
    """Return the template with the caption in its place.

    Examples
    --------
    >>> fill("a picture of {a caption}", "orange"), fill("{caption}!", "judge")
    ('a picture of an orange', 'judge!')
    """
    article = "an" if caption[:1].lower() in set("aeiou") else "a"
    return template.replace("{a caption}", f"{article} {caption}").replace("{caption}", caption)


def trimmed(ids_nl: Tensor, eot: int) -> Tensor:
    """Return int64 ids without the columns that lie behind every row's end of text: the towers' time grows with the length."""
    longest = int((ids_nl == eot).int().argmax(dim=1).max()) + 1
    return ids_nl[:, :longest].long()


def _readable(source: CaptionedImages, index: int) -> tuple[Image.Image, int, list[str]]:
    """Return the picture at `index`, or the next readable one with its place and the reasons for going on."""
    reasons: list[str] = []
    for taken in (*range(index, len(source)), *range(index)):
        try:
            return source.image(taken), taken, reasons
        except UnreadablePicture as error:
            reasons.append(str(error))
        if len(reasons) > max(1, MAX_REPLACED * len(source)):
            break
    raise TrainingDataError("too many pictures are unreadable", where=f"pictures {index} and after", why="; ".join(reasons[:3]))


def _shifted(image_chw: Tensor, down: int, right: int) -> Tensor:
    """Return the picture moved by whole pixels; the row or column at its edge is repeated."""
    _, height, width = image_chw.shape
    rows = torch.arange(height).sub(int(down)).clamp_(0, height - 1)
    columns = torch.arange(width).sub(int(right)).clamp_(0, width - 1)
    return image_chw[:, rows][:, :, columns]
