"""Augmentation with torchvision's v2 transforms, by their names and with their parameters.

torchvision draws from torch's global generator, which threads would share. Here each picture has its own generator, seeded for the pair,
so the decoding thread does not matter: torch's random functions use it during the transforms, in this thread only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch.overrides import TorchFunctionMode

from contrastive.settings import Transform
from strictio.errors import UsageError, nearest

NAMES = (
    "AugMix", "AutoAugment", "CenterCrop", "ColorJitter", "GaussianBlur", "Pad", "RandAugment", "RandomAdjustSharpness",
    "RandomAffine", "RandomApply", "RandomAutocontrast", "RandomChannelPermutation", "RandomChoice", "RandomCrop", "RandomEqualize",
    "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomOrder", "RandomPerspective", "RandomPhotometricDistort",
    "RandomPosterize", "RandomResizedCrop", "RandomRotation", "RandomShortestSize", "RandomSolarize", "RandomVerticalFlip",
    "RandomZoomOut", "Resize", "ScaleJitter", "TrivialAugmentWide",
)  # fmt: skip
"""The v2 transforms that turn a picture into a picture; the `transforms` of `RandomApply`, `RandomChoice` and `RandomOrder` are
written like `data.augment`."""
_SIZED = ("CenterCrop", "RandomCrop", "RandomResizedCrop", "Resize")
"""Transforms whose `size` defaults to the model's."""
_DRAWING = frozenset(
    {
        torch.rand, torch.randint, torch.randperm, torch.multinomial, torch._sample_dirichlet, torch.Tensor.uniform_, torch.Tensor.normal_,
    }
)  # fmt: skip
"""Random functions that torchvision's transforms use; each accepts a generator."""


class Augmentation:
    """A sequence of transforms.

    `entries`: as in `settings.DataConfig.augment`; `size`: side of the model's input in pixels. Raises `UsageError` if torchvision is not
    installed, lacks the transform, or does not accept the parameters.
    """

    def __init__(self, entries: Sequence[Transform], size: int):
        self._transforms = [_made(entry, size) for entry in entries]

    def __call__(self, image: Image.Image, seed: int) -> Image.Image:
        """Transform an image; deterministic for a `seed` on one machine. Thread-safe."""
        with _DrawFrom(torch.Generator().manual_seed(seed)):
            for transform in self._transforms:
                image = transform(image)
        return image


class _DrawFrom(TorchFunctionMode):
    """Context in which this thread draws from one generator."""

    def __init__(self, generator: torch.Generator):
        super().__init__()
        self._generator = generator

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        own = {"generator": self._generator} if function in _DRAWING else {}
        return function(*args, **own, **(kwargs or {}))


def _made(entry: Transform, size: int) -> Any:
    name, parameters = (entry, {}) if isinstance(entry, str) else (entry["name"], {key: entry[key] for key in entry if key != "name"})
    if name not in NAMES:
        raise UsageError(f"data.augment: no transform {str(name)[:80]!r}", fix=nearest(str(name)[:80], NAMES))
    try:
        v2 = importlib.import_module("torchvision.transforms.v2")
    except ImportError as error:
        fix = "python -m pip install torchvision, or leave out data.augment"
        raise UsageError("data.augment needs the package torchvision", why=str(error)[:200], fix=fix) from error
    defaults: dict[str, Any] = {"size": (size, size)} if name in _SIZED else {}
    try:
        return getattr(v2, name)(**(defaults | {key: _value(key, value, size, v2) for key, value in parameters.items()}))
    except (TypeError, ValueError) as error:
        raise UsageError(f"data.augment: {name} does not take these parameters", why=str(error)[:200]) from error


def _value(name: str, value: object, size: int, v2: Any) -> object:
    """Convert a parameter for torchvision: values that TOML cannot express have names."""
    if name == "transforms" and isinstance(value, Sequence) and not isinstance(value, str):
        return [_made(entry, size) for entry in value]
    return v2.InterpolationMode(value) if name == "interpolation" else value
