"""Work and memory that the processes of one machine share, as torchrun starts them."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from contrastive.distributed.processes import all_reduce_max, barrier

_MEMORY = Path("/dev/shm")  # noqa: S108  # shared memory on Linux; the file has a name of its own and is removed at once
_SPARE = 64 * 2**20


class Node(NamedTuple):
    """The position of a process on its machine."""

    machine: int
    number: int
    processes: int


def own_node() -> Node:
    """Return the position of this process; alone on its machine if torchrun does not say it."""
    names = ("GROUP_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if not dist.is_initialized() or not all(name in os.environ for name in names):
        return Node(0, 0, 1)
    return Node(*(int(os.environ[name]) for name in names))


def gather_on_node(value: Any) -> list[Any]:
    """Return the values of the processes of this machine, in their order. Every process of the run must call it."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, (own_node(), value))
    return [other for (machine, *_), other in sorted(values, key=lambda item: item[0]) if machine == own_node().machine]


def shared_bytes(shape: tuple[int, ...]) -> Tensor | None:
    """Return uint8 memory that the processes of this machine share; None if all are alone on theirs, or there is not enough room for it.

    It has no name once all processes have it, so it is freed when the last of them ends, however it ends. Every process must call it.
    """
    node = own_node()
    if all_reduce_max(node.processes) == 1:
        return None
    paths = gather_on_node(_made(math.prod(shape)) if node.number == 0 else None)
    if all_reduce_max(int(paths[0] is None)):  # on any machine: all do the same
        for path in filter(None, paths if node.number == 0 else ()):
            Path(path).unlink()
        return None
    memory = torch.from_file(paths[0], shared=True, size=math.prod(shape), dtype=torch.uint8).reshape(shape)
    barrier()
    if node.number == 0:
        Path(paths[0]).unlink()
    return memory


def _made(size: int) -> str | None:
    """Create a file of `size` bytes in memory, or on disk if memory has no room; None if neither has."""
    for folder in (_MEMORY, Path(tempfile.gettempdir())):
        if folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > size + _SPARE:
            descriptor, path = tempfile.mkstemp(prefix="vlm-audit-images-", dir=folder)
            with os.fdopen(descriptor, "wb") as file:
                file.truncate(max(size, 1))
            return path
    return None
