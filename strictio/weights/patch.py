"""A copy of a safetensors file with other numbers in some of its tensors: all other bytes, its header included, stay as they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from strictio.files import open_file
from strictio.weights.readers.safetensors_file import KINDS

CHUNK = 2**24


def write_patched(source: Path, target: BinaryIO, tensors: Mapping[str, Tensor]) -> None:
    """Copy `source`, which `read_tensors` has accepted, into an open file, with `tensors` in place of its own of these names.

    Raises ValueError if one has another shape or dtype than in the file.
    """
    with open_file(source) as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(size))
        file.seek(0)
        shutil.copyfileobj(file, target, CHUNK)
    for name, tensor in tensors.items():
        entry = header[name]
        if entry["shape"] != list(tensor.shape) or getattr(torch, KINDS[entry["dtype"]]) != tensor.dtype:
            raise ValueError(f"{name} is {entry['dtype']} {entry['shape']}, not {tensor.dtype} {list(tensor.shape)}")
        target.seek(8 + size + entry["data_offsets"][0])
        target.write(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
