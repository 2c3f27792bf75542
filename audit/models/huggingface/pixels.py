"""Prepares images like a folder's image processor: transformers' own class or, for CLIP's plain steps, the same steps without it.

transformers' image processors take two to three seconds and 150 MB to import. CLIP's steps are a resize, a crop and a normalisation; the
tests compare the results bit for bit with both of transformers' backends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image

from audit.models.huggingface.pretrained import PROCESSORS, pretrained
from strictio.files import read_text
from strictio.model_folders.configurations import is_three_numbers

CLIP_NAMES = ("CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil", "CLIPFeatureExtractor")
BICUBIC = 3
CLIP_DEFAULTS = {
    "do_resize": True, "size": {"shortest_edge": 224}, "resample": BICUBIC, "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224}, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711], "do_convert_rgb": True,
}  # fmt: skip
"""`CLIPImageProcessor`'s default settings."""
IGNORED = ("image_processor_type", "feature_extractor_type", "processor_class", "_valid_processor_keys", "data_format", "default_to_square")
"""Settings that say where the others came from, or that are the same for every CLIP."""


def image_processor(folder: Path) -> Any:
    """The image processor of a folder: its class in transformers, or the equivalent `ClipPixels`."""
    settings = _settings(folder)
    name = str(settings.get("image_processor_type") or settings.get("feature_extractor_type"))
    if name in CLIP_NAMES and (plain := _clip_settings(settings)) is not None:
        return ClipPixels(plain, pillow=name.endswith("Pil") or find_spec("torchvision") is None)
    # A class whose name ends in Pil uses Pillow; by default transformers would use torchvision if it is installed.
    backend = {"backend": "pil"} if name.endswith("Pil") else {}
    return pretrained("AutoImageProcessor", folder, **backend)


def resize_library(processor: Any) -> str:
    """The library that resizes, with its version: pixels from torchvision and Pillow differ by a level in places."""
    classes = [cls.__name__ for cls in type(processor).__mro__]
    pillow = processor.pillow if isinstance(processor, ClipPixels) else "TorchvisionBackend" not in classes
    return f"pillow {PIL.__version__.split('.')[0]}" if pillow else f"torchvision {'.'.join(version('torchvision').split('.')[:2])}"


class ClipPixels:
    """The steps of `CLIPImageProcessor` for RGB images."""

    def __init__(self, settings: Mapping[str, Any], pillow: bool):
        self.pillow = pillow
        """Whether Pillow resizes, as in `CLIPImageProcessorPil`; else torch, like torchvision in `CLIPImageProcessor`."""
        self._settings = dict(settings)
        self._short: int = settings["size"]["shortest_edge"]
        self.size: int = settings["crop_size"]["height"]
        """Width and height of the result in pixels."""

    def to_dict(self) -> dict[str, Any]:
        """Settings, under the name of the equivalent class in transformers."""
        return {"class": f"CLIPImageProcessor{'Pil' * self.pillow}", **self._settings}

    def __call__(self, images: Sequence[Image.Image], return_tensors: str = "pt") -> dict[str, torch.Tensor]:
        return {"pixel_values": self.normalise(self.pixels(images))}

    def pixels(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Resized and cropped, not normalised: uint8[n, 3, size, size], channel by channel, as a model's kernels expect it."""
        resized = self._with_pillow if self.pillow else self._with_torch
        return torch.stack([resized(image) for image in images])

    def normalise(self, pixels_nchw: torch.Tensor) -> torch.Tensor:
        """To float32, on the same device; each backend of transformers rounds differently."""
        device, factor = pixels_nchw.device, self._settings["rescale_factor"]
        mean, std = (torch.tensor(self._settings[name]) for name in ("image_mean", "image_std"))
        if self.pillow:  # products in double precision: one for each of the 256 values
            levels = torch.from_numpy((np.arange(256) * np.float64(factor)).astype(np.float32)).to(device)
            scaled = levels.index_select(0, pixels_nchw.flatten().int()).view(pixels_nchw.shape)
        else:
            scaled, mean, std = pixels_nchw.float(), mean * (1.0 / factor), std * (1.0 / factor)
        return scaled.sub_(mean.to(device)[:, None, None]).div_(std.to(device)[:, None, None])

    def _with_torch(self, image: Image.Image) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
        size = self._size(image)
        if size != (image.height, image.width):
            pixels = F.interpolate(pixels, list(size), mode="bicubic", align_corners=False, antialias=True)
        rows, columns = self._cut(size)
        return pixels[0, :, rows, columns].contiguous()

    def _with_pillow(self, image: Image.Image) -> torch.Tensor:
        height, width = self._size(image)
        pixels = np.array(image.resize((width, height), Image.Resampling.BICUBIC))
        return torch.from_numpy(pixels[self._cut((height, width))]).permute(2, 0, 1).contiguous()

    def _size(self, image: Image.Image) -> tuple[int, int]:
        """Height and width after resizing the short side."""
        short, long = sorted(image.size)
        other = int(self._short * long / short)
        return (other, self._short) if image.width <= image.height else (self._short, other)

    def _cut(self, size: tuple[int, int]) -> tuple[slice, slice]:
        """The rows and columns of the central square."""
        rows, columns = (slice(start, start + self.size) for start in ((length - self.size) // 2 for length in size))
        return rows, columns


def _settings(folder: Path) -> dict[str, Any]:
    """The settings of a folder's image processor, in their own file or together with those of a tokenizer (already checked to be JSON)."""
    for name in PROCESSORS:
        if (folder / name).is_file():
            content = json.loads(read_text(folder / name))
            inner = content.get("image_processor", content)
            return inner if isinstance(inner, dict) else {}
    return {}


def _clip_settings(settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """All settings of CLIP's steps; None if anything is unusual."""
    resolved = {**CLIP_DEFAULTS, **{name: value for name, value in settings.items() if name not in IGNORED and value is not None}}
    unusual = settings.get("data_format", "channels_first") != "channels_first" or settings.get("default_to_square")
    if set(resolved) != set(CLIP_DEFAULTS) or unusual:
        return None
    if type(resolved["size"]) is int:
        resolved["size"] = {"shortest_edge": resolved["size"]}
    if type(resolved["crop_size"]) is int:
        resolved["crop_size"] = dict.fromkeys(("height", "width"), resolved["crop_size"])
    switches = all(resolved[name] is True for name in ("do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"))
    numbers = all(is_three_numbers(resolved[name]) for name in ("image_mean", "image_std")) and all(resolved["image_std"])
    if not (switches and numbers and resolved["resample"] == BICUBIC and _fitting(resolved["size"], resolved["crop_size"])):
        return None
    factor = resolved["rescale_factor"]
    return resolved if type(factor) is float and factor > 0 else None


def _fitting(size: Any, crop: Any) -> bool:
    """Whether the crop is a square that is never larger than the resized image."""
    if not isinstance(size, dict) or not isinstance(crop, dict) or set(size) != {"shortest_edge"} or set(crop) != {"height", "width"}:
        return False
    short, sides = size["shortest_edge"], set(crop.values())
    return type(short) is int and len(sides) == 1 and all(type(side) is int and 0 < side <= short for side in sides)
