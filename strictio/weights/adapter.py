"""Adapters (LoRA and its kin): small weights that change a model, beside it in a folder or among its own. They are not applied here.

A model without its adapter is another model, so this never happens silently: the user must specify ``adapter=ignore``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from strictio.errors import DataError

T = TypeVar("T")
FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
"""What the package peft writes."""
PART = re.compile(r"(lora|hada|lokr|ia3|oft|boft|vera|fourierft)_\w+|modules_to_save")
WRAPPERS = ("base_layer", "original_module")  # peft's names for what it wraps
PREFIX = "base_model.model."
MERGE = (
    "merge it where it was trained (peft: merge_and_unload(), then save_pretrained), and name the result; "
    "or leave it out: --model-args adapter=ignore"
)


def beside(folder: Path) -> list[str]:
    """Return the files of an adapter in a folder."""
    return [name for name in FILES if (folder / name).exists()]


def refuse_beside(folder: Path, ignored: bool) -> list[str]:
    """Return the files of an adapter in a folder; `DataError` unless it is to be `ignored`."""
    files = beside(folder)
    if files and not ignored:
        why = f"it has {', '.join(files)}: with the adapter the model gives other answers than its base weights alone"
        raise DataError("an adapter (LoRA) lies beside the weights, and is not applied here", where=str(folder), why=why, fix=MERGE)
    return files


def without_adapter(tensors: Mapping[str, T], ignored: bool) -> tuple[dict[str, T], list[str]]:
    """Return the weights of the base model by its own names, and the names of the adapter's; `DataError` unless it is to be `ignored`."""
    names = [name for name in tensors if any(PART.fullmatch(part) for part in name.split("."))]
    if not names:
        return dict(tensors), names
    taken = set(names)
    shown = f"{len(names)} of its tensors are an adapter's, such as {names[0][:80]!r}"
    base = {_base_name(name): tensor for name, tensor in tensors.items() if name not in taken}
    if not base:
        raise DataError("the file is an adapter (LoRA) alone, not a model", why=shown, fix=MERGE.partition(";")[0])
    if not ignored:
        raise DataError("the weights hold an adapter (LoRA), which is not applied here", why=shown, fix=MERGE)
    return base, names


def _base_name(name: str) -> str:
    return ".".join(part for part in name.removeprefix(PREFIX).split(".") if part not in WRAPPERS)
