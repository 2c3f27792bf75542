"""Preprocessing described by plain numbers, so that it can be stored in a checkpoint and hashed for cache keys.

Resizing is Pillow's, on 8-bit pixels and always antialiased, as in OpenAI's own pipeline. Normalisation happens per batch, so that pixels
take one byte each as long as possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import PIL
import torch
from PIL import Image
from pydantic import StrictBool, StrictFloat
from torch import Tensor

from contrastive.model.architecture import Size, Stored
from strictio.errors import UsageError
from strictio.schema import record, sha256_of_json

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)

Channels = tuple[StrictFloat, StrictFloat, StrictFloat]
RESAMPLING = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
"""Names of Pillow's filters and their numbers in Pillow."""


@record
class Preprocess(Stored):
    """RGB images into one normalised batch.

    Examples
    --------
    >>> images = [Image.new("RGB", (60, 40), "white"), Image.new("RGB", (9, 9))]
    >>> Preprocess(size=32)(images).shape
    torch.Size([2, 3, 32, 32])
    """

    PLACE = "preprocess"
    size: Size
    mean: Channels = OPENAI_MEAN  # per channel, for values in [0, 1]
    std: Channels = OPENAI_STD
    interpolation: Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"] = "bicubic"
    resize_mode: Literal["shortest", "squash"] = "shortest"  # resize the short side to `size` and crop the centre; or resize both sides
    antialias: StrictBool = True  # always true for Pillow; stored because it is part of the specification

    def __post_init__(self) -> None:
        if not all(0 < std < float("inf") for std in self.std):
            raise UsageError("preprocess.std must be above 0")
        if not self.antialias:
            raise UsageError("preprocess.antialias must be true", why="Pillow has no resizing without it")

    def __call__(self, images: Sequence[Image.Image]) -> Tensor:
        return self.normalise(self.pixels(images))

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """Resized and cut, not normalised: uint8[n, 3, size, size]."""
        none = np.empty((0, self.size, self.size, 3), np.uint8)
        rows = np.stack([np.asarray(self._resize(image)) for image in images]) if images else none
        return torch.from_numpy(rows).permute(0, 3, 1, 2).contiguous()

    def normalise(self, pixels_nchw: Tensor) -> Tensor:
        """(x / 255 - mean) / std, as float32 on the same device."""
        mean, std = (torch.tensor(values, device=pixels_nchw.device).view(1, 3, 1, 1) for values in (self.mean, self.std))
        return pixels_nchw.to(torch.float32, copy=True).div_(255).sub_(mean).div_(std)  # in place: allocation costs more than arithmetic

    @property
    def sha256(self) -> str:
        """Hash of the whole specification and of the major version of Pillow, whose filters it uses."""
        return sha256_of_json({**self.to_dict(), "pillow": int(PIL.__version__.split(".")[0])})

    def _resize(self, image: Image.Image) -> Image.Image:
        image = image if image.mode == "RGB" else image.convert("RGB")
        filter_ = Image.Resampling(RESAMPLING[self.interpolation])
        if self.resize_mode == "squash":
            return image.resize((self.size, self.size), filter_)
        width, height = image.size
        short = min(width, height)
        if short != self.size:
            image = image.resize((self.size * width // short, self.size * height // short), filter_)
        left, top = round((image.width - self.size) / 2), round((image.height - self.size) / 2)
        return image.crop((left, top, left + self.size, top + self.size))
