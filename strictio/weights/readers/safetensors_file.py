"""safetensors files, by the official reader, and a look at their numbers as they stream by.

Mapping the numbers in to look at them would cost the memory of the whole file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from strictio.errors import DataError, UnsafeError, as_machine_error
from strictio.files import open_file, sha256_of_file
from strictio.weights.contents import Contents
from strictio.weights.torch_file import MASK, MAX_TENSORS
from strictio.weights.unwrap import tables

SUFFIXES = (".safetensors",)
SAVE_AGAIN = "download or save it again"
MAX_HEADER_BYTES = 16 * 1024**2  # of a safetensors file. A longer one costs minutes of work before the first tensor.
CHUNK = 2**24
KINDS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # safetensors' name of a type -> torch's


def read(path: Path) -> Contents:
    """Return what the file holds; raises as `read_tensors` does."""
    return Contents(tables(read_tensors(path)), "safetensors file", sha256_of_file(path))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of one safetensors file, by the official reader; another kind of file under that name is refused, not tried."""
    _check_start(path)
    try:
        with safe_open(path, framework="pt") as file:
            count = len(file.keys())
        if count > MAX_TENSORS:
            what = f"the safetensors file holds {count:,} tensors; the limit is {MAX_TENSORS:,}"
            raise UnsafeError(what, where=str(path), fix="save the model with fewer tensors")
        tensors: dict[str, Tensor] = load_file(path)
        check_values(path)
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, RuntimeError, MemoryError) as error:
        if machine := as_machine_error(error):
            machine.where = str(path)
            raise machine from error
        raise DataError("the safetensors file is damaged", where=str(path), why=str(error), fix=SAVE_AGAIN) from error
    return tensors


def check_values(path: Path) -> None:
    """Refuse NaN and infinite weights in a file that the official reader has accepted."""
    with open_file(path) as file:
        size = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(min(size, MAX_HEADER_BYTES)))
        header.pop("__metadata__", None)
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end = entry["data_offsets"]
            if entry["dtype"] not in KINDS or begin == end or name.endswith(MASK):
                continue
            file.seek(8 + size + begin)
            if bad := _count_bad(file, end - begin, KINDS[entry["dtype"]]):
                what = f"tensor {name[:80]!r} holds {bad} values that are NaN or infinite"
                fix = "use an earlier checkpoint of the same training"
                raise DataError(what, where=str(path), why="the model's training diverged", fix=fix)


def _count_bad(file: BinaryIO, size: int, kind: str) -> int:
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


def refuse_other_kind(path: Path) -> bytes:
    """Return a file's first bytes; refuse one that only claims to be safetensors: eight bytes of length, then a JSON object."""
    with open_file(path) as file:
        start = file.read(64)
    if not start or _is_safetensors(start, path) or _other_kind(start) or start[8:9] in (b"{", b""):
        return start
    why = f"it begins with {start[:8]!r}; it is refused, not tried as something else"
    raise UnsafeError("a file named .safetensors is not one", where=str(path), why=why, fix="save the weights as safetensors")


def _check_start(path: Path) -> None:
    """Say what is in the place of a safetensors file, and refuse a header that would take minutes."""
    start = refuse_other_kind(path)
    if not start:
        raise DataError("the weights file is empty", where=str(path), fix=SAVE_AGAIN)
    if not _is_safetensors(start, path) and (misnomer := _other_kind(start)):
        raise DataError(f"the weights file is {misnomer[0]}", where=str(path), fix=misnomer[1])
    if len(start) > 8 and MAX_HEADER_BYTES < int.from_bytes(start[:8], "little") <= path.stat().st_size:
        what = f"the header of the safetensors file is over {MAX_HEADER_BYTES:,} bytes"
        raise UnsafeError(what, where=str(path), fix="save the model with fewer tensors")


def _is_safetensors(start: bytes, path: Path) -> bool:
    """Tell whether a file begins with a length that fits into it and a JSON object; the length may look like ``<`` (60)."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size


def _other_kind(start: bytes) -> tuple[str, str] | None:
    if start.startswith(b"version https://git-lfs"):
        return "a Git-LFS pointer, not the weights", "git lfs pull"
    if start.lstrip().startswith(b"<"):
        return "an HTML page", "download it again, signed in if need be"
    return None
