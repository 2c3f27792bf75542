"""The one reader of torch files: it cannot run code.

`read_archive` checks the archive (`archive`), reads its pickle as data (`safe_pickle`), and maps tensors from the
file without copying. Names that the pickle asks for fall in three classes: those that make tensors; harmless data classes, which become
opaque values and are noted; anything else, which means refusal. The part that is not tensors is never walked, compared or printed: two
kilobytes can hold a list that expands to 10^30 items. `salvage` gives the tensors of a refused file (``python -m contrastive.foreign``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from strictio.errors import DataError, UnsafeError, VlmAuditError, as_machine_error
from strictio.weights.archive import AGAIN, SAFETENSORS, Zip, open_zip
from strictio.weights.safe_pickle import HARMLESS, Machine, Name, OpaqueObject

MAX_BYTES = 20 * 10**9
MAX_PICKLE = 64 * 2**20
MAX_TENSORS = 30_000  # each takes some 50 microseconds to look at; the largest models here have 5,000 with their optimiser
MAX_DEPTH = 32
MAX_NODES = 1_000_000
MAX_LETTERS = 8_000_000  # of all tensors' names: with nested tables a small file can spell long ones
MAX_REPEATS = 16  # how often the tensors may hold the numbers of the file: layers that share their weights name them again
MAX_SHOWN = 20  # names in a message
MAX_KEY = 100  # letters of a storage's name, which torch counts

STORAGES = {
    "torch.DoubleStorage": torch.float64, "torch.FloatStorage": torch.float32, "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16, "torch.LongStorage": torch.int64, "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16, "torch.CharStorage": torch.int8, "torch.ByteStorage": torch.uint8, "torch.BoolStorage": torch.bool,
}  # fmt: skip
REBUILD = "torch._utils._rebuild_tensor_v2"
ALIGNMENT = max(dtype.itemsize for dtype in STORAGES.values())
PASS_ON = (
    "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
    *(f"torch.jit._pickle.build_{kind}list" for kind in ("int", "double", "bool", "tensor")),
)  # fmt: skip
"""Called with one value (and more that does not matter): the value itself."""
TENSOR_NAMES = frozenset({*STORAGES, REBUILD, *PASS_ON, "collections.OrderedDict"})

MASK = "attn_mask"  # last part of a name: OpenAI's archives hold their causal masks, which are deliberately infinite and never used.


@dataclass(frozen=True)
class Archive:
    """What a torch file holds."""

    tensors: dict[str, Tensor]  # all in nested tables, by the tables' keys joined with "."; mapped: reading them reads the file
    data: Any  # the nested structure itself, tensors in place. Untrusted: look up known keys, check their types, never walk or print it.
    unknown: tuple[str, ...]  # names of harmless foreign classes, sorted; their values are opaque
    kind: str  # ``"torch.save archive"`` or ``"TorchScript archive"``
    sha256: str  # of the whole file (hex)
    release: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)
    """Frees the memory of tensor data read so far; it is read again when needed. Do not call it after writing to a tensor."""


def read_archive(path: str | Path, *, max_bytes: int = MAX_BYTES) -> Archive:
    """Read a torch file without running anything from it.

    `max_bytes`: limit of the file's size and of all tensors together. Raises `UnsafeError` if it asks for foreign code (every name is
    listed) or could exhaust the machine, which is decided first; `DataError` if it is missing, no model, damaged, or not finite.
    """
    with located(path):
        return _read(Path(path), max_bytes, salvage=False)


def salvage(path: Path) -> Archive:
    """Return the tensors of a file that `read_archive` refuses because of the names in it. Nothing of it is run either."""
    with located(path):
        return _read(path, MAX_BYTES, salvage=True)


@contextmanager
def located(path: str | Path) -> Iterator[None]:
    """Add the file's path to errors, and convert errors of the system to ours."""
    try:
        yield
    except VlmAuditError as error:
        error.where = error.where or str(path)
        raise
    except (OSError, MemoryError, RuntimeError) as error:
        if machine := as_machine_error(error):
            machine.where = str(path)
            raise machine from error
        if not isinstance(error, OSError):
            raise
        raise DataError("the file cannot be read", where=str(path), why=error.strerror) from error


def flatten(data: Any, max_bytes: int = MAX_BYTES) -> dict[str, Tensor]:
    """Return the tensors in nested tables (not lists) by their keys joined with "."; `UnsafeError` beyond reason (one can hold itself)."""
    tensors: dict[str, Tensor] = {}
    waiting: list[tuple[str, int, Any]] = [("", 0, data)]
    nodes = total = letters = 0
    while waiting:
        name, depth, value = waiting.pop()
        nodes += 1 + (len(value) if isinstance(value, dict) else 0)  # a table's items are all looked at
        if isinstance(value, Tensor):
            tensors[name] = value
            total, letters = total + value.nbytes, letters + len(name)
        deep = max(nodes, len(waiting)) > MAX_NODES or len(tensors) > MAX_TENSORS or depth > MAX_DEPTH
        if deep or len(name) > 1000 or letters > MAX_LETTERS or total > max_bytes:
            why = f"tensors of more than {max_bytes:,} bytes" if total > max_bytes else "tables without an end, or names too long"
            raise UnsafeError("its tables or tensors are nested, repeated or large beyond reason", why=why, fix=SAFETENSORS)
        if isinstance(value, dict):
            prefix = f"{name}." if name else ""
            waiting += [(f"{prefix}{key}", depth + 1, value[key]) for key in reversed(value) if isinstance(value[key], Tensor | dict)]
    return tensors


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Refuse NaN and infinite weights, naming the first tensor and the number of bad values."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.numel() == 0:
            continue
        if not all(bool(torch.isfinite(end)) for end in tensor.aminmax()):  # NaN is both the least and the largest
            count = int((~torch.isfinite(tensor)).sum())
            what = f"tensor {name[:80]!r} holds {count} values that are NaN or infinite"
            raise DataError(what, why="the model's training diverged", fix="use an earlier checkpoint of the same training")


def _read(path: Path, max_bytes: int, salvage: bool) -> Archive:
    _check_kind(path)
    archive = open_zip(path, max_bytes)
    if "data.pkl" not in archive.entries:
        raise DataError("the file is a zip archive but not a torch checkpoint", why="it has no entry data.pkl", fix="unpack it first")
    reader = _TensorReader(archive)
    try:
        data = reader.read()
    finally:  # what the file wanted to run is said first, even where reading also failed
        if reader.foreign() and not salvage:
            raise _refusal(path, reader.foreign())
    tensors = flatten(data, min(max_bytes, MAX_REPEATS * len(archive.content)))
    _check_values(archive, tensors)
    kind = "TorchScript archive" if "constants.pkl" in archive.entries else "torch.save archive"
    unknown = tuple(sorted(set(reader.names) - TENSOR_NAMES))
    return Archive(tensors, data, unknown, kind, archive.sha256(), archive.release)


def _check_values(archive: Zip, tensors: Mapping[str, Tensor]) -> None:
    """Check every checksum and every number, holding no more than a few pages of the file at once."""
    for name in archive.entries:
        if not name.startswith("code/"):
            archive.verify(name)
            archive.release()
    for name, tensor in tensors.items():
        if not name.endswith(MASK):
            check_finite({name: tensor})
            archive.release()


def _refusal(path: Path, names: list[str]) -> UnsafeError:
    shown = ", ".join(name[:80] for name in names[:MAX_SHOWN]) + (f" and {len(names) - MAX_SHOWN:,} more" if len(names) > MAX_SHOWN else "")
    why = "a checkpoint holds tensors, words and numbers; this one names code to run while loading. Nothing was run"
    fix = f"python -m contrastive.foreign {path} OUT.safetensors (saves the tensors alone and runs nothing either)"
    return UnsafeError(f"this file asks for {shown}", why=why, fix=fix)


def _check_kind(path: Path) -> None:
    if path.is_dir():
        if (path / ".metadata").exists():
            why = "opening it would run the pickle in its .metadata"
            raise UnsafeError("the folder is a distributed checkpoint (DCP), which is not accepted", why=why, fix="pass a ckpt.pt")
        sharded = (path / "shards.json").exists()
        fix = f"python -m contrastive.unshard {path} ckpt.pt" if sharded else None
        raise DataError("this is a folder, not a checkpoint file", why="of a sharded checkpoint" if sharded else None, fix=fix)
    if not path.exists():
        raise DataError("file not found", fix="check the path")
    if not path.is_file():
        raise DataError("this is not a regular file")


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: torch.dtype
    elements: int


@dataclass
class _TensorReader:
    """Reads ``data.pkl``, and builds tensors over the bytes of the archive within their bounds."""

    archive: Zip
    names: list[str] = field(default_factory=list)
    contents: dict[str, Tensor] = field(default_factory=dict)
    built: int = 0

    def foreign(self) -> list[str]:
        return sorted(name for name in set(self.names) - TENSOR_NAMES if not HARMLESS.fullmatch(name))

    def read(self) -> Any:
        if "byteorder" in self.archive.entries and self.archive.read("byteorder") != sys.byteorder.encode():
            raise DataError("the file was written on a machine with another byte order", fix="save it again on this kind of machine")
        entry = self.archive.entries["data.pkl"]
        if entry.end - entry.start > MAX_PICKLE:
            raise UnsafeError(f"its part that is not tensors has {entry.end - entry.start:,} bytes; the limit is {MAX_PICKLE:,}")
        try:
            return Machine(self.call, self.storage, self.names).read(self.archive.read("data.pkl"))
        except (ValueError, LookupError, TypeError) as error:
            raise DataError("the file is damaged: its data.pkl cannot be read", why=str(error)[:200], fix=AGAIN) from error

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == REBUILD:
            return self.tensor(*arguments[:4])
        if name in PASS_ON:
            return arguments[0]
        return {} if name == "collections.OrderedDict" and not arguments else OpaqueObject()

    def storage(self, persistent_id: Any) -> _Storage:
        match persistent_id:
            case ("storage", Name(name), str(key), _, int(elements)) if name in STORAGES and elements >= 0 and len(key) <= MAX_KEY:
                storage = _Storage(key, STORAGES[name], elements)
            case _:
                raise ValueError("a storage is described in a way that torch.save does not use")
        entry = self.archive.entries.get(f"data/{key}")
        if entry is None:
            raise ValueError(f"no entry for the storage {key!r}")
        if elements * storage.dtype.itemsize > entry.end - entry.start:
            raise UnsafeError(f"it declares a storage larger than its entry data/{key}", fix=SAFETENSORS)
        return storage

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
        self.built += 1
        if self.built > MAX_TENSORS:
            raise UnsafeError(f"it describes more than {MAX_TENSORS:,} tensors", fix=SAFETENSORS)
        if not isinstance(storage, _Storage) or not len(size) == len(stride) <= 16 or not _are_sizes((offset, *size, *stride)):
            raise ValueError("a tensor is described in a way that torch.save does not use")
        if prod(max(n, 1) for n in size) >= 2**62:
            raise ValueError("a tensor of more numbers than there are addresses")
        if prod(size) == 0:
            return torch.empty(size, dtype=storage.dtype)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if max(prod(size), last + 1) > storage.elements:
            sizes = f"{'x'.join(map(str, size))} over {storage.elements} values"
            raise UnsafeError(f"it declares a tensor larger than its storage ({sizes})", fix=SAFETENSORS)
        return self.base(storage).as_strided(size, stride, offset)

    def base(self, storage: _Storage) -> Tensor:
        """Return the storage as one row of values: a part of its entry, which is mapped (or, where not aligned, copied) once."""
        if storage.key not in self.contents:
            entry = self.archive.entries[f"data/{storage.key}"]
            self.contents[storage.key] = mapped(self.archive, entry.start, entry.end - entry.start, torch.uint8, ALIGNMENT)
        return self.contents[storage.key][: storage.elements * storage.dtype.itemsize].view(storage.dtype)


def _are_sizes(numbers: tuple[Any, ...]) -> bool:
    return all(type(number) is int and 0 <= number < 2**62 for number in numbers)


def mapped(archive: Zip, start: int, count: int, dtype: torch.dtype, alignment: int | None = None) -> Tensor:
    """Return values of the file as one row, mapped; copied only where the file does not align them (to their size, unless stated)."""
    if start % (alignment or dtype.itemsize) == 0:
        return torch.frombuffer(archive.content, dtype=dtype, count=count, offset=start)
    return torch.frombuffer(bytearray(archive.content[start : start + count * dtype.itemsize]), dtype=dtype)
