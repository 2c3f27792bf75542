"""A folder of shards -> the checkpoint that one file would have been.

The names in the folder are those of a ``ckpt.pt`` behind the table they stand in there: ``state_dict/visual.proj``, ``ema/visual.proj``,
``head/word.weight``, ``optimizer/visual.proj/exp_avg``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from contrastive.checkpoint.file import Checkpoint, from_archive
from contrastive.checkpoint.shards.folder import FOLDER, MANIFEST, Shards, check_hashes, folders, open_shards, read_into
from contrastive.model.clip import as_portable
from strictio.errors import DataError
from strictio.weights.torch_file import Archive


def newest(folder: Path) -> Path:
    """Return the folder of shards that a person means: this one, or the newest in it (an output folder will do). Raises `DataError`."""
    if (folder / MANIFEST).exists() or (folder / ".metadata").exists():
        return folder
    complete = [*folders(folder), *folders(folder / FOLDER)]
    if not complete:
        why = f"no folder step-... has a {MANIFEST} in it"
        raise DataError("no complete sharded checkpoint", where=str(folder), why=why, fix="name the run's output folder")
    return complete[0]


def assemble(folder: Path) -> Checkpoint:
    """Return the checkpoint that a folder of shards is the pieces of. One process may call it alone; raises as `open_shards` does."""
    shards = open_shards(folder)
    check_hashes(shards, alone=True)
    tensors = {name: torch.empty_like(like, device="cpu") for name, like in shards.layout.items()}
    read_into(shards, tensors, alone=True)
    tables: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *path, last = name.split("/")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
        table[last] = tensor
    return from_archive(Archive(tensors, _content(shards, tables), (), "sharded checkpoint", ""), folder)


def _content(shards: Shards, tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a ``ckpt.pt`` would hold."""
    content = {name: value for name, value in shards.content.items() if name != "head"}
    content |= {name: as_portable(tables[name]) for name in ("state_dict", "ema") if name in tables}
    content["training"] = {**shards.table("training"), "optimizer": tables.get("optimizer", {})}
    if "head" in tables:
        content["head"] = {**shards.table("head"), "state_dict": tables["head"]}
    return content
