"""The plainest form: tensors under the checkpoint's own names, and everything else as JSON beside them."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from contrastive.checkpoint.file import Checkpoint
from contrastive.formats.exports import Features, write_json
from contrastive.model.clip import ModelConfig, load_portable, portable_state

NOTE = "Everything that the checkpoint says of the model is in config.json."


def check(checkpoint: Checkpoint) -> None:
    """Every model can be written so."""


def write(checkpoint: Checkpoint, folder: Path) -> None:
    """Write ``model.safetensors`` and ``config.json`` (architecture, preprocessing, tokenizer)."""
    save_file({name: tensor.contiguous() for name, tensor in portable_state(checkpoint.model).items()}, folder / "model.safetensors")
    parts = {name: getattr(checkpoint, name).to_dict() for name in ("config", "preprocess", "tokenizer")}
    write_json(folder / "config.json", {"format": "vlm-audit safetensors 1", **parts})


def reader(folder: Path) -> Features:
    """Return the features of the model that the folder describes."""
    config = ModelConfig.from_dict(json.loads((folder / "config.json").read_text("utf-8"))["config"])
    model = load_portable(config, load_file(folder / "model.safetensors")).eval()
    return lambda images, ids: (model.encode_image(images), model.encode_text(ids))
