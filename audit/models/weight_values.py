"""The numbers in a safetensors file, looked at as they stream by: mapping them in would cost the memory of the whole file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from audit.errors import DataError

if TYPE_CHECKING:
    import torch

CHUNK = 2**24
KINDS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""safetensors' name of a type -> torch's."""


def check_values(path: Path) -> None:
    """Refuse NaN and infinite weights in a file that the official reader has accepted."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(size))
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            if entry["dtype"] not in KINDS or begin == end:
                continue
            file.seek(8 + size + begin)
            if bad := _count_bad(file, end - begin, KINDS[entry["dtype"]]):
                what = f"tensor {name[:80]!r} holds {bad} values that are NaN or infinite"
                raise DataError(
                    what, where=str(path), why="the model's training diverged", fix="use an earlier checkpoint of the same training"
                )


def _count_bad(file: BinaryIO, size: int, kind: str) -> int:
    import torch

    dtype: torch.dtype = getattr(torch, kind)
    bad = 0
    buffer = bytearray(min(size, CHUNK))
    while size:
        view = memoryview(buffer)[: min(size, CHUNK)]
        file.readinto(view)  # type: ignore[attr-defined]
        numbers = torch.frombuffer(view, dtype=dtype)
        if not all(bool(torch.isfinite(end)) for end in numbers.aminmax()):  # NaN is both the least and the largest
            bad += int((~torch.isfinite(numbers)).sum())
        size -= len(view)
    return bad
