"""The state of a run in pieces: which tensors it has under which names, written by all processes, restored by as many or others.

The names are those of a ``ckpt.pt`` behind the table they stand in there: ``state_dict/visual.proj``, ``ema/visual.proj``,
``head/word.weight``, ``optimizer/visual.proj/exp_avg``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contrastive.checkpoint import file as files
from contrastive.checkpoint import shards as pieces
from contrastive.checkpoint.shard_writer import write
from contrastive.checkpoint.shards import Shards
from contrastive.checkpoint.torch_file import Archive
from contrastive.errors import DataError
from contrastive.model.clip import as_portable
from contrastive.training.inputs import RunInputs
from contrastive.training.loss_scale import LossScale
from contrastive.training.state import Training, optimised, told

FOLDER = "shards"
"""In the output folder."""


def save(training: Training, material: RunInputs) -> Path:
    """Write a folder of shards; every process must call it and writes its own. Raises as `shard_writer.write` does."""
    content = {
        **files.description(material.model, material.preprocess, material.tokenizer, training.step),
        "data_card": material.data_card,
        "account": told(training, material, None),
        "training": {"skipped": training.skipped, "loss_scale": [training.scale.factor, training.scale.good]},
        "head": {"kind": material.config.loss.kind},
    }
    return write(Path(material.config.run.out) / FOLDER, _tensors(training), content)


def restore(training: Training, shards: Shards) -> None:
    """Fill a run before its first step from a folder. Every process must call it.

    Raises
    ------
    DataError
        If the folder does not fit the run.
    """
    for name, parameter in optimised(training.optimizer).items():
        begin = f"optimizer/{name}/"
        keys = [key.removeprefix(begin) for key in shards.layout if key.startswith(begin)]
        moments = {key: shards.layout[begin + key] for key in keys}
        training.optimizer.state[parameter] = {
            key: torch.zeros_like(parameter) if like.ndim else torch.zeros((), dtype=like.dtype, device=parameter.device)
            for key, like in moments.items()
        }
    pieces.read_into(shards, _tensors(training))
    told_of = shards.table("training")
    try:
        training.skipped = int(told_of["skipped"])
        training.scale = LossScale(float(told_of["loss_scale"][0]), int(told_of["loss_scale"][1]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError("the sharded checkpoint does not say where the run stood", where=str(shards.folder)) from error


def assemble(folder: Path) -> files.Checkpoint:
    """Return the checkpoint that a folder of shards is the pieces of, in the memory of this process. One process may call it alone.

    Raises
    ------
    DataError, UnsafeError
        If the folder is damaged, no checkpoint of this program, or of DCP's usual kind.
    """
    shards = pieces.open_folder(folder)
    pieces.verify(shards, alone=True)
    tensors = {name: torch.empty_like(like, device="cpu") for name, like in shards.layout.items()}
    pieces.read_into(shards, tensors, alone=True)
    tables: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *path, last = name.split("/")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
        table[last] = tensor
    return files.from_archive(Archive(tensors, _content(shards, tables), (), "sharded checkpoint", ""), folder)


def _content(shards: Shards, tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a ``ckpt.pt`` would hold."""
    content = {name: value for name, value in shards.content.items() if name != "head"}
    for name in ("state_dict", "ema"):
        if name in tables:
            content[name] = as_portable(tables[name])
    content["training"] = {**shards.table("training"), "optimizer": tables.get("optimizer", {})}
    if "head" in tables:
        content["head"] = {**shards.table("head"), "state_dict": tables["head"]}
    return content


def _tensors(training: Training) -> dict[str, Tensor]:
    """Return every tensor of the state by its name in the folder, as it is laid out over the processes."""
    tables: dict[str, Mapping[str, Tensor]] = {
        "state_dict": training.model.state_dict(),
        "ema": training.ema or {},
        "head": training.objective.state_dict(),
        **{f"optimizer/{name}": training.optimizer.state.get(p, {}) for name, p in optimised(training.optimizer).items()},
    }
    return {f"{table}/{name}": tensor for table, tensors in tables.items() for name, tensor in tensors.items()}
