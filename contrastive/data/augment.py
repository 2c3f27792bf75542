"""Augmentation by the transforms of torchvision's v2, under their own names and with their own parameters.

torchvision draws from torch's one generator, which threads would share. Here each picture has a generator of its own, seeded for the pair,
whoever decodes it: torch's functions that draw are given it for the time of the transforms, in this thread alone.
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
"""Those of torchvision's v2 that make a picture of a picture; of `RandomApply`, `RandomChoice` and `RandomOrder` the `transforms` are
written as `data.augment` is."""
_SIZED = ("CenterCrop", "RandomCrop", "RandomResizedCrop", "Resize")
"""Whose `size` is the model's unless it is given."""
_DRAWING = frozenset(
    {
        torch.rand, torch.randint, torch.randperm, torch.multinomial, torch._sample_dirichlet, torch.Tensor.uniform_, torch.Tensor.normal_,
    }
)  # fmt: skip
"""Functions by which torchvision's transforms draw; each takes the generator to draw from."""


class Augmentation:
    """Transforms, one after another.

    `entries`: as `settings.DataConfig.augment` has them; `size`: pixels of the model's side. Raises `UsageError` if torchvision is not
    installed, has no such transform, or does not take the parameters.
    """

    def __init__(self, entries: Sequence[Transform], size: int):
        self._transforms = [_made(entry, size) for entry in entries]

    def __call__(self, image: Image.Image, seed: int) -> Image.Image:
        """Return the image as `seed` decides; on one machine the same each time. Threads may call it at once."""
        with _DrawFrom(torch.Generator().manual_seed(seed)):
            for transform in self._transforms:
                image = transform(image)
        return image


class _DrawFrom(TorchFunctionMode):
    """Within it, this thread's draws come from one generator."""

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
    """Return a parameter as torchvision takes it: what TOML cannot write has a name there."""
    if name == "transforms" and isinstance(value, Sequence) and not isinstance(value, str):
        return [_made(entry, size) for entry in value]
    return v2.InterpolationMode(value) if name == "interpolation" else value
