"""The process group that torchrun starts, and its collectives, which are no-ops in a single process.

Symbols: W processes, n rows on each, m = W n rows in total, ordered by rank.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor

from strictio.errors import UsageError, VlmAuditError


def init(device: str = "cpu", *, rendezvous: str = "env://", timeout_s: float = 600.0) -> torch.device:
    """Join the processes that torchrun started; a no-op for a single process, or if already joined.

    `device`: ``cpu`` (gloo) or ``cuda`` (NCCL; the GPU of the local rank); `rendezvous`: torchrun's variables, or ``file://PATH`` of a file
    that does not exist yet; `timeout_s`: after which a process stops waiting for the others. Returns its own device. Raises `UsageError` if
    torchrun's variables are incomplete or there are fewer GPUs than processes on this machine.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    own = own_device(device)
    if dist.is_initialized() or (size == 1 and rendezvous == "env://"):
        return own
    wanted = ("RANK", *(("MASTER_ADDR", "MASTER_PORT") if rendezvous == "env://" else ()))
    missing = [name for name in wanted if name not in os.environ]
    if missing:
        fix = f"start with: torchrun --nproc-per-node {size} -m contrastive.train ..."
        raise UsageError(f"{size} processes were announced, but {', '.join(missing)} is not set", where="the environment", fix=fix)
    # Gloo serves CPU tensors, so that comparing batch sizes does not wait for the GPU.
    backend, bound = ("cpu:gloo,cuda:nccl", own) if own.type == "cuda" else ("gloo", None)
    rank, timeout = int(os.environ["RANK"]), timedelta(seconds=timeout_s)
    dist.init_process_group(backend, init_method=rendezvous, rank=rank, world_size=size, timeout=timeout, device_id=bound)
    return own


def own_device(device: str) -> torch.device:
    """Return this process's device: with torchrun, the GPU of its local rank; raises like `init`."""
    if device != "cuda" or "LOCAL_RANK" not in os.environ:
        return torch.device(device)
    local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= gpus:
        raise UsageError(f"process {local} of this machine has no GPU", why=f"{gpus} found", fix="start fewer, or with run.device=cpu")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def close() -> None:
    """Wait for the other processes, then leave the group."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def world_size() -> int:
    """Number of processes; 1 alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def rank0() -> bool:
    """Whether this process writes files and speaks."""
    return rank() == 0


def barrier() -> None:
    """Wait until all processes arrive."""
    if dist.is_initialized():
        dist.barrier()


def all_mean(x: Tensor) -> Tensor:
    """Mean over the processes; no gradient."""
    return all_sum(x) / world_size()


def all_sum(x: Tensor) -> Tensor:
    """Sum over the processes; no gradient."""
    return _reduced(x, "SUM")


def all_max(x: Tensor) -> Tensor:
    """Element-wise maximum over the processes; no gradient."""
    return _reduced(x, "MAX")


def _reduced(x: Tensor, operation: Literal["SUM", "MAX"]) -> Tensor:
    x = x.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(x, getattr(dist.ReduceOp, operation))
    return x


def all_reduce_max(number: int) -> int:
    """Return the maximum over the processes, for example of a signal that one received or a step that one must skip."""
    if world_size() == 1:
        return number
    return int(all_max(torch.tensor(number, device=_collective_device())))


def rank_slice(n: int) -> slice:
    """Return this process's slice of the `n` rows of a batch; W must divide n."""
    per_rank = n // world_size()
    return slice(rank() * per_rank, (rank() + 1) * per_rank)


def _collective_device() -> torch.device:
    return torch.device("cpu") if "gloo" in dist.get_backend_config() else torch.device("cuda", torch.cuda.current_device())


def gather_rows(x_nd: Tensor) -> Tensor:
    """Return the rows of all processes, in rank order, as float[m, d], without gradient. A single process gets `x_nd` itself."""
    x_nd = x_nd.detach()
    if world_size() == 1:
        return x_nd
    x_md = x_nd.new_empty(world_size() * len(x_nd), *x_nd.shape[1:])
    dist.all_gather(list(x_md.chunk(world_size())), x_nd.contiguous())
    return x_md


def scatter_sum(x_md: Tensor) -> Tensor:
    """Return this process's n rows of the sum over the processes: the gradient of `gather_rows`."""
    if world_size() == 1:
        return x_md
    x_nd = torch.empty_like(x_md[: len(x_md) // world_size()])
    dist.reduce_scatter(x_nd, list(x_md.contiguous().chunk(world_size())))
    return x_nd


def require_even(rows: int) -> None:
    """Raise `VlmAuditError` on all processes if batch sizes differ, because gathering them would hang or mix rows."""
    if world_size() == 1:
        return
    smallest, largest = -all_reduce_max(-rows), all_reduce_max(rows)
    if smallest != largest:
        what = f"the processes have batches of different sizes: {smallest} to {largest} pairs"
        fix = "drop the last, incomplete batch, or choose a batch that the number of processes divides"
        raise VlmAuditError(what, where=f"process {rank()} of {world_size()} has {rows}", fix=fix)
