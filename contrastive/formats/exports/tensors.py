"""The simplest format: tensors with the checkpoint's names, and everything else as JSON."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from contrastive.checkpoint.file import Checkpoint
from contrastive.formats.exports import Features, write_json
from contrastive.model.clip import ModelConfig, load_portable, portable_state
from contrastive.model.pieces import tokenizer_from_dict
from contrastive.model.preprocess import Preprocess
from strictio.errors import DataError, UsageError
from strictio.files import sha256_of_file
from strictio.weights.contents import read_json
from strictio.weights.readers.safetensors_file import read_tensors

FORMAT = "vlm-audit safetensors 1"
WEIGHTS, CONFIGURATION = "model.safetensors", "config.json"
NOTE = "Everything that the checkpoint says of the model is in config.json."


def check(checkpoint: Checkpoint) -> None:
    """All models are supported."""


def write(checkpoint: Checkpoint, folder: Path) -> None:
    """Write ``model.safetensors`` and ``config.json`` (architecture, preprocessing, tokenizer)."""
    save_file({name: tensor.contiguous() for name, tensor in portable_state(checkpoint.model).items()}, folder / WEIGHTS)
    parts = {name: getattr(checkpoint, name).to_dict() for name in ("config", "preprocess", "tokenizer")}
    write_json(folder / CONFIGURATION, {"format": FORMAT, **parts, "step": checkpoint.step, "data_card": checkpoint.data_card})


def ids_of(checkpoint: Checkpoint, folder: Path) -> None:
    """There is no other program, hence no other tokenizer."""


def reader(folder: Path) -> Features:
    """Features of the model that the folder describes."""
    model = read(folder).model
    return lambda images, ids: (model.encode_image(images), model.encode_text(ids))


def is_export(folder: Path) -> bool:
    """Whether the folder says that it was written so."""
    try:
        return (folder / CONFIGURATION).is_file() and read_json(folder / CONFIGURATION).get("format") == FORMAT
    except DataError:  # another program's folder; its reader will report what is wrong
        return False


def read(folder: Path) -> Checkpoint:
    """Read the exported checkpoint, which lacks the state for resuming; `DataError` if it is damaged or invalid."""
    content, weights = read_json(folder / CONFIGURATION), folder / WEIGHTS
    step, card = content.get("step"), content.get("data_card")
    tensors = read_tensors(weights)
    try:
        return Checkpoint(
            load_portable(ModelConfig.from_dict(content.get("config", {})), tensors).eval(),
            Preprocess.from_dict(content.get("preprocess", {})),
            tokenizer_from_dict(content.get("tokenizer", {})),
            step if type(step) is int else 0,
            card if isinstance(card, str) else None,
            sha256=sha256_of_file(weights),
            format=FORMAT,
        )
    except (UsageError, DataError) as error:
        raise DataError(error.what, where=str(folder), why=error.why, fix=error.fix or "write it again: contrastive.export") from error
