"""A sharded checkpoint, one shard per process: a ``torch.distributed.checkpoint`` (DCP) folder, complete or absent, read without pickle.

::

    step-00000100/
      shard-00001-model-00001-of-00001.safetensors ...   written by each process: its parts of the tensors, and their offsets
      shards.json                                        the rest of a ``ckpt.pt``; size and sha256 of each file

DCP's default storage keeps its metadata in ``.metadata``, a pickle, which can run code when it is read. Its safetensors storage has
the same metadata as JSON headers. It is used here, for tensors only, so reading cannot run any code.
The number of processes that read may differ from the number that wrote. `contrastive.checkpoint.shards.writer` writes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from contrastive import distributed
from strictio.errors import DataError, UnsafeError, VlmAuditError
from strictio.files import read_text, sha256_of_file
from strictio.weights.torch_file import check_finite

MANIFEST = "shards.json"
FOLDER = "shards"  # in the output folder of a run
MAX_MANIFEST = 64 * 2**20
PREFIX = "step-"


@dataclass(frozen=True)
class Shards:
    """A complete folder of shards. Untrusted: look up known keys only."""

    folder: Path
    content: Mapping[str, Any]  # the metadata of a ``ckpt.pt``
    hashes: Mapping[str, str]  # file name -> sha256 (hex)
    layout: Mapping[str, Tensor]  # name -> a meta tensor with the complete shape and dtype

    @property
    def step(self) -> int:
        """Optimiser steps taken, according to the folder; -1 (not resumable) if unknown."""
        step = self.content.get("step")
        return step if type(step) is int else -1

    def table(self, name: str) -> Mapping[str, Any]:
        """Return a table of the content, or an empty one."""
        table = self.content.get(name)
        return table if isinstance(table, dict) else {}


def folders(root: Path) -> list[Path]:
    """Return the complete folders of shards under `root`, newest first."""
    return sorted((path for path in root.glob(f"{PREFIX}*") if (path / MANIFEST).is_file()), key=step_of, reverse=True)


def step_of(folder: Path) -> int:
    """Return the step in a folder's name; 0 for other names."""
    digits = folder.name.removeprefix(PREFIX)
    return int(digits) if digits.isdecimal() and len(digits) < 20 else 0


def open_shards(folder: Path) -> Shards:
    """Read the metadata of a folder and its files' headers; `DataError` if incomplete or damaged, `UnsafeError` for DCP's pickles."""
    if (folder / ".metadata").exists():
        why = "its .metadata is a pickle, which can run code when it is read; folders of this trainer have none"
        raise UnsafeError("this distributed checkpoint (DCP) is not accepted", where=str(folder), why=why)
    try:
        manifest = json.loads(read_text(folder / MANIFEST, MAX_MANIFEST))
        content, files = dict(manifest["content"]), dict(manifest["files"])
        sizes, hashes = ({name: entry[key] for name, entry in files.items()} for key in ("bytes", "sha256"))
        present = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file() and path.name != MANIFEST}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError("not a complete sharded checkpoint", where=str(folder), why=why) from error
    if present != sizes:
        wrong = next(name for name in {**sizes, **present} if present.get(name) != sizes.get(name))
        raise DataError("the sharded checkpoint is damaged", where=str(folder), why=f"{wrong[:80]} is missing, cut short or added")
    return Shards(folder, content, hashes, _layout(folder))


def check_hashes(shards: Shards, *, alone: bool = False) -> None:
    """Raise `DataError` on all processes if a hash differs. Each checks some files, so all must call it, unless one does so `alone`."""
    names = sorted(shards.hashes) if alone else sorted(shards.hashes)[distributed.rank() :: distributed.world_size()]
    wrong = [name for name in names if _hash_of(shards.folder / name) != shards.hashes[name]]
    if wrong if alone else distributed.all_reduce_max(len(wrong)):
        named = f"{wrong[0][:80]} does not match its sha256" if wrong else "another process found it"
        raise DataError("the sharded checkpoint is damaged", where=str(shards.folder), why=named)


def read_into(shards: Shards, tensors: Mapping[str, Tensor], *, alone: bool = False) -> None:
    """Fill tensors, complete or sharded in any way, from a folder; `tensors` must have all of its names.

    Every process must call it, unless one does so `alone`. Raises `DataError` if names or shapes differ from the folder's, or if it
    contains NaN or infinite numbers.
    """
    from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    wanted, there = ({name: tensor.shape for name, tensor in side.items()} for side in (tensors, shards.layout))
    unlike = [name for name in {**wanted, **there} if wanted.get(name) != there.get(name)]
    if unlike:
        why = f"{len(unlike)} tensors are missing, unexpected or of another shape: {', '.join(name[:80] for name in unlike[:5])}"
        raise DataError("the sharded checkpoint does not fit", where=str(shards.folder), why=why)
    reader, planner = HuggingFaceStorageReader(str(shards.folder)), DefaultLoadPlanner(flatten_state_dict=False)
    with dcp_errors(shards.folder, DataError, "the sharded checkpoint cannot be read"):
        load(dict(tensors), storage_reader=reader, planner=planner, no_dist=alone or not dist.is_initialized())
    try:
        check_finite({name: distributed.local_tensor(tensor) for name, tensor in tensors.items()})
    except DataError as error:
        raise DataError(error.what, where=str(shards.folder), why=error.why) from error


@contextmanager
def dcp_errors(folder: Path, kind: type[VlmAuditError], what: str) -> Iterator[None]:
    """Translate errors of DCP, which raises a `BaseException` with one exception per process."""
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)  # a single process is intended
            yield
    except CheckpointException as error:
        number, (cause, _) = min(error.failures.items())
        raise kind(what, where=str(folder), why=f"process {number}: {type(cause).__name__}: {str(cause)[:200]}") from error


def _hash_of(path: Path) -> str | None:
    with suppress(OSError):
        return sha256_of_file(path)
    return None


def _layout(folder: Path) -> dict[str, Tensor]:
    """Return the tensors without values. Each must be complete, because DCP itself does not notice missing parts."""
    from safetensors import SafetensorError
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    try:
        described = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
        tensors = {name: entry for name, entry in described.items() if isinstance(entry, TensorStorageMetadata)}
        held = {name: sum(prod(chunk.sizes) for chunk in entry.chunks) for name, entry in tensors.items()}
        partial = [name for name, entry in tensors.items() if held[name] != prod(entry.size)]
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError("the sharded checkpoint is damaged", where=str(folder), why=why) from error
    if partial:
        why = f"a part of {partial[0][:80]} is missing; every process must write to the same folder"
        raise DataError("the sharded checkpoint is incomplete", where=str(folder), why=why)
    return {name: torch.empty(entry.size, dtype=entry.properties.dtype, device="meta") for name, entry in tensors.items()}
