"""A model folder in Hugging Face layout, checked and with its weights read; and the common part of its models' records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict, Unpack

import torch

from audit.models.folder_weights import Weights, read_weights
from audit.models.huggingface.pretrained import require_files, tokenizer_sha256
from audit.models.runtime import canonical, model_record, torch_setting
from audit.types import Note
from strictio.model_folders.check import check_folder
from strictio.model_folders.configurations import read_configuration
from strictio.model_folders.families import unknown_settings

if TYPE_CHECKING:
    from audit.types import ModelRecord

ORIGIN = ("_name_or_path", "name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "_commit_hash")
"""Configuration values that only say where a model came from."""

MAX_KEYS, MAX_KEY = 10, 60
"""Of settings that are left out: how many are named, and with how many characters."""


class OpenedFolder(NamedTuple):
    """A folder that may be read, and how to run its model."""

    path: Path
    weights: Weights
    device: torch.device
    dtype: torch.dtype
    stated: Mapping[str, str | None]
    """name, dtype and revision, for the record."""

    def record(
        self, model: Any, tokenizer: Any, pixels: Mapping[str, Any], prepared: Mapping[str, Any], context: int = 0, **more: Any
    ) -> ModelRecord:
        """The record of a model, with dimensions 0.

        `pixels` are the settings of its image processor, `prepared` everything that determines its input; `context` tokens are shown unless
        0.
        """
        image, text = (describe_tower(model.config, f"{part}_config") for part in ("vision", "text"))
        words, size = tokenizer_sha256(tokenizer, self.path), f"{len(tokenizer)} entries{f', context {context}' if context else ''}"
        config = {"class": type(model).__name__, "attention": model.config._attn_implementation, **without_origin(model.config.to_dict())}
        described = {
            "dimensions": 0,
            "architecture": f"image: {image}; text: {text}",
            "preprocessing": describe_preprocessing(pixels),
            "tokenizer": f"{type(tokenizer).__name__}, {size}, sha256 {words[:12]}",
        }
        decisive = {"architecture": config, "preprocessing": prepared, "tokenizer": words}
        return model_record(model, decisive, sha256=self.weights.sha256, device=model.device, **{**described, **self.stated, **more})


class FolderOptions(TypedDict):
    """How to open a folder."""

    name: str
    device: str
    dtype: str
    revision: NotRequired[str | None]
    """The hub commit of which the folder is a copy."""
    inside: NotRequired[Path | None]
    """Where links may lead; None: only inside the folder."""
    adapter: NotRequired[str | None]
    """``"ignore"``: an adapter beside the weights or among them is skipped, not rejected."""


def open_folder(path: Path, *, reads_images: bool = True, reads_texts: bool = True, **options: Unpack[FolderOptions]) -> OpenedFolder:
    """Check a folder and read its weights; a model that `reads_images` needs an image processor, one that `reads_texts` a tokenizer."""
    name, device, dtype, revision = options["name"], options["device"], options["dtype"], options.get("revision")
    check_folder(path, options.get("inside") or path)
    weights = read_weights(path, options.get("adapter"))
    require_files(path, processor=reads_images, tokenizer=reads_texts)
    if notes := _ignored_settings(path):
        weights = replace(weights, notes=(*weights.notes, *notes))
    return OpenedFolder(path, weights, *torch_setting(device, dtype), {"name": name, "dtype": dtype, "revision": revision})


def _ignored_settings(folder: Path) -> list[Note]:
    """The note about settings of ``config.json`` that are left out (`audit.models.huggingface.pretrained.configuration`)."""
    ignored = [prefix + key for prefix, key, _ in unknown_settings(read_configuration(folder / "config.json"))]
    shown = ", ".join(key[:MAX_KEY] for key in ignored[:MAX_KEYS]) + (", …" if len(ignored) > MAX_KEYS else "")
    return [Note("settings_ignored", {"count": len(ignored), "settings": shown})] if ignored else []


def image_settings(processor: Any) -> dict[str, Any]:
    """Class and settings of an image processor."""
    return {"class": type(processor).__name__, **without_origin(processor.to_dict())}


def without_origin(values: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the values of `ORIGIN`, at any depth."""
    return {key: without_origin(value) if isinstance(value, dict) else value for key, value in values.items() if key not in ORIGIN}


def describe_tower(config: Any, name: str) -> str:
    """The sizes of a part of a configuration, in words."""
    part = getattr(config, name, config)
    shown = {"hidden_size": "width", "num_hidden_layers": "layers", "image_size": "px", "patch_size": "patch", "vocab_size": "tokens"}
    return ", ".join(f"{word} {getattr(part, key)}" for key, word in shown.items() if isinstance(getattr(part, key, None), int))


def describe_preprocessing(preprocessing: Mapping[str, Any]) -> str:
    """The enabled steps, with their parameters."""
    steps = {"do_resize": ("size", "resample"), "do_center_crop": ("crop_size",), "do_normalize": ("image_mean", "image_std")}
    keys = [key for step, keys in steps.items() if preprocessing.get(step) for key in keys if preprocessing.get(key) is not None]
    return ", ".join([preprocessing["class"], *(f"{key} {canonical(preprocessing[key]).decode()}" for key in keys)])
