"""Assemble a folder of shards into the checkpoint that a single file would hold.

Names in the folder are those of a ``ckpt.pt``, prefixed with their table: ``state_dict/visual.proj``, ``ema/visual.proj``,
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
from contrastive.model.lora import additions, merged
from strictio.errors import DataError
from strictio.weights.torch_file import Archive


def newest(folder: Path) -> Path:
    """Return this folder if it holds shards, else the newest such folder in it (for example in an output folder). Raises `DataError`."""
    if (folder / MANIFEST).exists() or (folder / ".metadata").exists():
        return folder
    complete = [*folders(folder), *folders(folder / FOLDER)]
    if not complete:
        why = f"no folder step-... has a {MANIFEST} in it"
        raise DataError("no complete sharded checkpoint", where=str(folder), why=why, fix="name the run's output folder")
    return complete[0]


def assemble(folder: Path) -> Checkpoint:
    """Return the checkpoint in a folder of shards. A single process may call it; raises like `open_shards`."""
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
    """Return the content of the equivalent ``ckpt.pt``."""
    content = {name: value for name, value in shards.content.items() if name != "head"}
    content |= {name: as_portable(tables[name]) for name in ("state_dict", "ema") if name in tables}
    low_rank = additions(content.get("state_dict", {}))
    content["training"] = {**shards.table("training"), "optimizer": tables.get("optimizer", {})}
    if low_rank:
        content["training"]["additions"] = low_rank
        content["state_dict"] = merged(content["state_dict"])
    if "head" in tables:
        content["head"] = {**shards.table("head"), "state_dict": tables["head"]}
    return content
