"""``ckpt.pt``: a self-describing model. Tensors and primitives only; written completely or not at all, read by `torch_file`.

=============  =========================================================================================================
format         name and version
config         `ModelConfig` as plain values: towers, activation, pooling, mask, score rule
preprocess     `Preprocess` as plain values, with its hash
tokenizer      `Tokenizer` or `PieceTokenizer` as plain values (merges and all), with its hash
state_dict     OpenAI's names; ``logit_scale`` (and ``logit_bias``) 0-D
ema            running average of the weights, under the same names; absent without one
head           if an objective trained only the image tower: its kind (``loss.kind``) and its state_dict; else absent
step           optimiser steps taken
training       state for resuming, in the trainer's format; absent from a released model
account        samples, wall time and the like, in the trainer's format
data_card      a description of the training data
created, git   time, and revision if known
=============  =========================================================================================================

The weights of a loaded model are memory-mapped from the file (copy on write). Loading takes little memory, but the file must not be
overwritten in place while the model is in use. `save` never does that.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BufferedRandom
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contrastive.model.clip import CLIP, ModelConfig, load_portable, portable_state
from contrastive.model.pieces import AnyTokenizer, tokenizer_from_dict
from contrastive.model.preprocess import Preprocess
from strictio.errors import DataError, MachineError, UsageError, VlmAuditError
from strictio.folders import Folder
from strictio.weights.fill import check_fit
from strictio.weights.torch_file import Archive, check_finite, read_archive

FORMAT = "vlm-audit checkpoint"
VERSION = 1
OPTIONAL = {"training": dict, "account": dict, "data_card": str, "created": str, "git": str, "head": dict, "ema": dict}


@dataclass(frozen=True)
class Checkpoint:
    """The content of a ``ckpt.pt``."""

    model: CLIP  # as loaded: in eval mode, on the CPU
    preprocess: Preprocess
    tokenizer: AnyTokenizer
    step: int = 0
    data_card: str | None = None
    ema: Mapping[str, Tensor] | None = None  # running average of the weights, as `portable_state` has them; `averaged` makes it the model
    training: Mapping[str, Any] | None = None  # nested tables of tensors and primitives. Untrusted: look up known keys only.
    account: Mapping[str, Any] | None = None
    head: Mapping[str, Any] | None = None  # ``kind``, ``state_dict``: the head that trained the image tower; the text tower was not trained
    created: str | None = None  # ISO 8601, UTC. None: `save` takes the time of day.
    git: str | None = None
    sha256: str = ""  # of the file (hex); empty before it is saved
    format: str = f"{FORMAT} {VERSION}"
    notes: tuple[str, ...] = ()  # one sentence for each notable event while loading

    def __post_init__(self) -> None:
        text, image_size = self.config.text, self.config.vision.image_size
        if (self.tokenizer.vocab_size, self.tokenizer.context) != (text.vocab_size, text.context):
            sizes = f"{self.tokenizer.vocab_size} ids and context {self.tokenizer.context}"
            raise UsageError("the tokenizer does not fit the model", why=f"{sizes} for {text.vocab_size} and {text.context}")
        if self.preprocess.size != image_size:
            raise UsageError("the preprocessing does not fit the model", why=f"images of {self.preprocess.size} px for {image_size} px")

    @property
    def config(self) -> ModelConfig:
        return self.model.config


def save(path: str | Path, checkpoint: Checkpoint, folder: Folder | None = None) -> str:
    """Write a checkpoint atomically: at any moment the path holds the old file or the complete new one.

    `folder`: the folder of `path`, if it is held open. Returns the sha256 (hex) of the file.

    Raises `VlmAuditError` if a weight is NaN or infinite (nothing is written); `MachineError` if the file
    cannot be written; `TypeError` if `training` or `account` contain anything but tensors, strings, numbers, and lists and dicts of them.
    """
    state = {name: tensor.cpu() for name, tensor in portable_state(checkpoint.model).items()}
    head = {name: tensor.cpu() for name, tensor in (checkpoint.head or {}).get("state_dict", {}).items()}
    try:
        check_finite(state | head)
    except DataError as error:
        raise VlmAuditError("the checkpoint was not saved", why=error.what) from error
    content = description(checkpoint.config, checkpoint.preprocess, checkpoint.tokenizer, checkpoint.step) | {"state_dict": state}
    content |= {name: value for name in OPTIONAL if (value := getattr(checkpoint, name)) is not None}
    if checkpoint.head is not None:
        content["head"] = {**checkpoint.head, "state_dict": head}
    if checkpoint.ema is not None:
        content["ema"] = {name: tensor.cpu() for name, tensor in checkpoint.ema.items()}
    check_primitives(content, "checkpoint")
    return write_checkpoint(Path(path), lambda file: torch.save(content, file), folder)


def description(config: ModelConfig, preprocess: Preprocess, tokenizer: AnyTokenizer, step: int) -> dict[str, Any]:
    """Return the metadata of a checkpoint, the same for one file and for shards."""
    return {
        "format": {"name": FORMAT, "version": VERSION},
        "config": config.to_dict(),
        "preprocess": {**preprocess.to_dict(), "sha256": preprocess.sha256},
        "tokenizer": {**tokenizer.to_dict(), "sha256": tokenizer.sha256},
        "step": step,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint, in eval mode, without running its code. Raises like `read_archive`; `DataError` if it is not ours or invalid."""
    return from_archive(read_archive(path), path)


def averaged(checkpoint: Checkpoint) -> Checkpoint:
    """Replace the weights by their running average. Raises `DataError` if it is missing or does not fit."""
    if checkpoint.ema is None:
        raise DataError("the checkpoint has no running average of its weights", fix="train with optim.ema=0.999")
    if not is_state(checkpoint.ema):
        raise DataError("the checkpoint's running average holds values that are not tensors by name")
    return replace(checkpoint, model=load_portable(checkpoint.config, checkpoint.ema).eval(), ema=None, training=None, sha256="")


def is_own(archive: Archive) -> bool:
    """Whether an archive claims to be a checkpoint of this program, in any version."""
    return bool(_format(archive)[0] == FORMAT)


def from_archive(archive: Archive, path: str | Path) -> Checkpoint:
    """Interpret an archive read from `path` as a checkpoint of this program; raises like `load`."""
    try:
        return _understand(archive)
    except UsageError as error:
        raise DataError(error.what, where=str(path), why=error.why, fix=error.fix) from error
    except DataError as error:
        error.where = error.where or str(path)
        raise


def check_primitives(value: Any, name: str) -> None:
    """Raise `TypeError` for values that the reader would refuse later, such as NumPy scalars and `Path` objects."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) not in (str, int):
                raise TypeError(f"{name} has a key of type {type(key).__name__}; only str and int are kept")
            check_primitives(item, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            check_primitives(item, f"{name}[{i}]")
    elif type(value) not in (str, int, float, bool, type(None), Tensor):
        raise TypeError(f"{name} is of type {type(value).__name__}; a checkpoint holds tensors and primitives only")


def write_checkpoint(path: Path, write: Callable[[BufferedRandom], None], folder: Folder | None = None) -> str:
    """Let `write` fill a file that replaces `path` once it is complete; return its sha256 (hex). Raises `MachineError`."""
    try:
        with (folder or Folder.of(path.parent, make=True)).replacing(path.name) as file:
            write(file)
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError about its file format
        room = f" ({shutil.disk_usage(path.parent).free >> 20:,} MiB are free there)" if isinstance(error, RuntimeError) else ""
        raise MachineError("the checkpoint cannot be written", where=str(path), why=str(error)[:200] + room) from error


def _understand(archive: Archive) -> Checkpoint:
    data = _known_format(archive)
    config, state = ModelConfig.from_dict(_table(data, "config")), _table(data, "state_dict")
    if not is_state(state):
        raise DataError("its state_dict holds values that are not tensors by name")
    preprocess, tokenizer = _table(data, "preprocess"), _table(data, "tokenizer")
    hashes = [table.pop("sha256", None) for table in (preprocess, tokenizer)]
    checkpoint = Checkpoint(
        model=load_portable(config, state).eval(),
        preprocess=Preprocess.from_dict(preprocess),
        tokenizer=tokenizer_from_dict(tokenizer),
        step=_optional(data, "step", int) or 0,
        sha256=archive.sha256,
        notes=tuple(f"The file names {name}, which was not looked up." for name in archive.unknown),
        **{name: _optional(data, name, kind) for name, kind in OPTIONAL.items()},
    )
    if hashes[1] != checkpoint.tokenizer.sha256:
        raise DataError("its tokenizer does not match the hash beside it")
    if hashes[0] != checkpoint.preprocess.sha256:
        note = "Pillow here has another major version than where the model was trained: resized pixels may differ slightly."
        return replace(checkpoint, notes=(*checkpoint.notes, note))
    return checkpoint


def _format(archive: Archive) -> tuple[Any, Any]:
    """Return the format name and version in an archive."""
    form = archive.data.get("format") if isinstance(archive.data, dict) else None
    return (form.get("name"), form.get("version")) if isinstance(form, dict) else (None, None)


def _known_format(archive: Archive) -> dict[Any, Any]:
    name, version = _format(archive)
    if name != FORMAT or not isinstance(version, int):
        names = ", ".join(key[:80] for key in list(archive.tensors)[:5])
        why = f"a {archive.kind} with {len(archive.tensors)} tensors" + (f"; the first are {names}" if names else "")
        raise DataError("the file is not a checkpoint of this program: it does not say which architecture its weights belong to", why=why)
    if version != VERSION:
        raise DataError(f"the checkpoint has format version {version}; this program reads version {VERSION}", fix="update vlm-audit")
    return dict(archive.data)


def is_state(table: Mapping[Any, Any]) -> bool:
    """Whether a dict maps strings to tensors only."""
    return all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in table.items())


def require_both_towers(checkpoint: Checkpoint) -> None:
    """Raise `DataError` if the image tower was trained through a head: its features were never compared with text features."""
    if checkpoint.head is not None:
        why = f"it was trained with loss.kind = {str(checkpoint.head.get('kind'))[:80]!r}: the image tower and a head of its own"
        fix = "train it on with model.init=THIS loss.kind=softmax, or take a checkpoint of a contrastive run"
        raise DataError("the model's text tower was never taught to go with its image tower", why=why, fix=fix)


def kind_of(checkpoint: Checkpoint | None) -> str | None:
    """Return the objective (``loss.kind``) whose head a checkpoint has; None: it has none."""
    kind = (checkpoint.head or {}).get("kind") if checkpoint else None
    return kind if isinstance(kind, str) else None


def load_head(objective: nn.Module, checkpoint: Checkpoint) -> None:
    """Load the head of a checkpoint into an objective. Raises `DataError` if it is missing or does not fit."""
    state = (checkpoint.head or {}).get("state_dict")
    if not isinstance(state, Mapping) or not is_state(state):
        raise DataError("the checkpoint has no head of its objective to go on with", fix="start again with --fresh")
    check_fit(objective.state_dict(), state)
    objective.load_state_dict(state)


def _table(data: dict[Any, Any], name: str) -> dict[Any, Any]:
    value = data.get(name)
    if not isinstance(value, dict):
        raise DataError(f"the checkpoint has no {name}")
    return value


def _optional(data: dict[Any, Any], name: str, kind: type) -> Any:
    value = data.get(name)
    if value is not None and type(value) is not kind:
        raise DataError(f"the checkpoint's {name} is of type {type(value).__name__}, not {kind.__name__}")
    return value
