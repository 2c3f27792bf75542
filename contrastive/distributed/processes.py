"""Several processes as one: what torchrun starts, wrapped in DDP or FSDP2. No engine of our own.

Every function here also works in a lone process, where it does nothing: the trainer has one path.

The logit scale and bias are kept out of both wrappers, because GradCache gives them their gradient outside a forward pass. The losses of
`contrastive.loss.tiled` average that gradient over the processes themselves.

Symbols: W processes, n rows on each, m = W n rows in all, in the order of the ranks.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from contrastive.distributed.sync_norm import synchronise_batch_norm
from contrastive.errors import UsageError, VlmAuditError, nearest
from contrastive.model.blocks import Block
from contrastive.model.clip import SCALARS
from contrastive.model.towers import Bottleneck

Mode = Literal["ddp", "fsdp2"]
MODES: tuple[Mode, ...] = ("ddp", "fsdp2")
TIMEOUT_S = 600.0


def init(device: str = "cpu", *, rendezvous: str = "env://", timeout_s: float = TIMEOUT_S) -> torch.device:
    """Join the processes that torchrun started; alone (no torchrun, or one process), or if that was done before, join nothing.

    Parameters
    ----------
    device : str
        ``cpu`` (gloo) or ``cuda`` (NCCL; each process takes the GPU of its local rank).
    rendezvous : str
        Where the processes meet: torchrun's variables, or ``file://PATH`` of a file that does not exist yet.
    timeout_s : float
        How long one process waits for the others before it gives up.

    Returns
    -------
    torch.device
        This process's own.

    Raises
    ------
    UsageError
        If torchrun's variables are incomplete or there are fewer GPUs than processes on this machine.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    own = own_device(device)
    if dist.is_initialized() or (size == 1 and rendezvous == "env://"):
        return own
    wanted = ("RANK", *(("MASTER_ADDR", "MASTER_PORT") if rendezvous == "env://" else ()))
    missing = [name for name in wanted if name not in os.environ]
    if missing:
        raise UsageError(
            f"{size} processes were announced, but {', '.join(missing)} is not set",
            where="the environment",
            fix=f"start with: torchrun --nproc-per-node {size} -m contrastive.train ...",
        )
    # Beside NCCL there is gloo for what lives on the CPU, so that comparing batch sizes does not wait for the GPU.
    backend, bound = ("cpu:gloo,cuda:nccl", own) if own.type == "cuda" else ("gloo", None)
    rank, timeout = int(os.environ["RANK"]), timedelta(seconds=timeout_s)
    dist.init_process_group(backend, init_method=rendezvous, rank=rank, world_size=size, timeout=timeout, device_id=bound)
    return own


def own_device(device: str) -> torch.device:
    """Return this process's own device of a kind: with torchrun, the GPU of its local rank; raises as `init` does."""
    if device != "cuda" or "LOCAL_RANK" not in os.environ:
        return torch.device(device)
    local, found = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= found:
        raise UsageError(f"process {local} of this machine has no GPU", why=f"{found} found", fix="start fewer, or with run.device=cpu")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def close() -> None:
    """Wait for the others, then leave the group."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def world_size() -> int:
    """Return W; 1 alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return which of the W processes this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def rank0() -> bool:
    """Return whether this is the process that writes files and speaks."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process is here."""
    if dist.is_initialized():
        dist.barrier()


def all_mean(x: Tensor) -> Tensor:
    """Return the mean over the processes; no gradient."""
    return all_sum(x) / world_size()


def all_sum(x: Tensor) -> Tensor:
    """Return the sum over the processes; no gradient."""
    return _reduced(x, "SUM")


def all_max(x: Tensor) -> Tensor:
    """Return the element-wise maximum over the processes; no gradient."""
    return _reduced(x, "MAX")


def all_reduce_max(number: int) -> int:
    """Return the largest of the processes' numbers: a signal that one got, a step that one must leave out."""
    if world_size() == 1:
        return number
    device = "cpu" if "gloo" in dist.get_backend_config() else torch.device("cuda", torch.cuda.current_device())
    return int(all_max(torch.tensor(number, device=device)))


def rank_slice(n: int) -> slice:
    """Return which of the `n` rows of a batch are this process's; needs W to divide n."""
    each = n // world_size()
    return slice(rank() * each, (rank() + 1) * each)


def _reduced(x: Tensor, operation: Literal["SUM", "MAX"]) -> Tensor:
    x = x.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(x, getattr(dist.ReduceOp, operation))
    return x


def gather_rows(x_nd: Tensor) -> Tensor:
    """Return the rows of all processes, rank 0's first, as float[m, d]; no gradient. Alone: the rows themselves, not a copy."""
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
    """Refuse batches of different sizes; gathering them would hang or mix rows.

    Raises
    ------
    VlmAuditError
        On every process alike.
    """
    if world_size() == 1:
        return
    device = "cpu" if "gloo" in dist.get_backend_config() else torch.device("cuda", torch.cuda.current_device())
    smallest, largest = (all_max(torch.tensor([-rows, rows], device=device)) * torch.tensor([-1, 1], device=device)).tolist()
    if smallest != largest:
        raise VlmAuditError(
            f"the processes have batches of different sizes: {smallest} to {largest} pairs",
            where=f"process {rank()} of {world_size()} has {rows}",
            fix="drop the last, incomplete batch, or choose a batch that the number of processes divides",
        )


def wrap(model: nn.Module, mode: str) -> nn.Module:
    """Return the model so that its gradients are averaged over the processes; all start from rank 0's weights.

    Train through what is returned and call it as a whole (not its ``encode_image``). Make the optimiser afterwards, from the
    parameters of `model` itself. Batch norm counts all processes' samples. Alone, `model` itself is returned.

    Parameters
    ----------
    model : nn.Module
        On its device; changed in place.
    mode : str
        ``ddp``: every process holds everything. ``fsdp2``: parameters, gradients and optimiser state are sharded block by block.

    Raises
    ------
    UsageError
        For another mode.
    """
    if mode not in MODES:
        raise UsageError(f"no way {mode!r} to use several processes", fix=nearest(mode, MODES))
    if not dist.is_initialized():
        return model
    with torch.no_grad():
        for tensor in chain(model.parameters(), model.buffers()):
            dist.broadcast(tensor, 0)
    synchronise_batch_norm(model)
    return _data_parallel(model) if mode == "ddp" else _sharded(model)


def _scalars(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if name.rpartition(".")[2] in SCALARS}


def _data_parallel(model: nn.Module) -> nn.Module:
    from torch.nn.parallel import DistributedDataParallel

    learned = [scalar for scalar in _scalars(model).values() if scalar.requires_grad]
    # DDP takes in what has a gradient when it is built: this is how to leave something out with public names only.
    for scalar in learned:
        scalar.requires_grad_(False)
    # The name of "leave the buffers alone" changed: batch norm's are the same everywhere already.
    renamed = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    quiet: dict[str, Any] = {"forward_sync_buffers" if renamed else "broadcast_buffers": False}
    wrapped = DistributedDataParallel(model, gradient_as_bucket_view=True, **quiet)
    for scalar in learned:
        scalar.requires_grad_(True)
    return wrapped


def _sharded(model: nn.Module) -> nn.Module:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor, Replicate

    mesh = init_device_mesh(next(model.parameters()).device.type, (world_size(),))
    for name, scalar in _scalars(model).items():
        # A copy on each process, but of the same type as the shards: one optimiser and one gradient norm take both.
        copies = nn.Parameter(DTensor.from_local(scalar.data, mesh, [Replicate()]), requires_grad=scalar.requires_grad)
        owner, _, last = name.rpartition(".")  # the model stands alone, or beside the head of an objective
        setattr(model.get_submodule(owner), last, copies)
    for module in model.modules():
        if isinstance(module, (Block, Bottleneck)):
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh, ignored_params=set(_scalars(model).values()))
    return model


@contextmanager
def no_sync(model: nn.Module, on: bool = True) -> Iterator[None]:
    """Keep gradients to this process while they add up (forward and backward inside); the next backward outside averages the sum."""
    if not on or not dist.is_initialized():
        yield
        return
    from torch.distributed.fsdp import FSDPModule
    from torch.nn.parallel import DistributedDataParallel

    if isinstance(model, DistributedDataParallel):
        with model.no_sync():
            yield
    elif isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            model.set_requires_gradient_sync(True)
    else:
        raise TypeError(f"{type(model).__name__} was not wrapped by contrastive.distributed.processes.wrap")


def local_tensor(x: Tensor) -> Tensor:
    """Return the part of a sharded or copied tensor that is here, gradient and all; a plain tensor as it is."""
    return x.to_local() if hasattr(x, "to_local") else x


def spread(full: Tensor, like: Tensor) -> Tensor:
    """Return a copy of a complete tensor, laid out over the processes as `like` is. Every process must call it, with the same tensor."""
    full = full.detach().to(like.device, copy=True)
    if not hasattr(like, "to_local"):
        return full
    from torch.distributed.tensor import DTensor, distribute_tensor

    return distribute_tensor(full, like.device_mesh, like.placements) if isinstance(like, DTensor) else full


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return plain, complete tensors (of a state dict, of gradients), detached. Every process must call it; each gets all.

    What was complete before is not copied: a later step changes it.
    """
    return {name: x.full_tensor() if hasattr(x, "full_tensor") else x for name, x in ((name, x.detach()) for name, x in tensors.items())}
