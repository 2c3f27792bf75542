"""open_clip's transform in two parts: Pillow's steps for each image, and torch's steps for the bytes of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor


class OpenClipPixels:
    """A transform that ends with ``ToTensor`` and ``Normalize``, like those of open_clip: both are applied per batch.

    Other transforms are applied completely, image by image.
    """

    def __init__(self, transform: Any, size: int | Sequence[int]):
        self.size: int = min(size) if isinstance(size, Sequence) else size
        self._transform, steps = transform, getattr(transform, "transforms", [])
        self._split = [type(step).__name__ for step in steps[-2:]] in (["ToTensor", "Normalize"], ["MaybeToTensor", "Normalize"])

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """uint8[n, 3, h, w]; for other transforms their output."""
        return torch.stack([self._prepared(image) for image in images])

    def normalise(self, pixels_nchw: Tensor) -> Tensor:
        """float32 of the same shape, on the same device."""
        if not self._split:
            return pixels_nchw
        normalised: Tensor = self._transform.transforms[-1](pixels_nchw.float().div(255))
        return normalised

    def _prepared(self, image: Any) -> Tensor:
        if not self._split:
            whole: Tensor = self._transform(image)
            return whole
        for step in self._transform.transforms[:-2]:
            image = step(image)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
