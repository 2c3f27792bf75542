"""Wraps a model in DDP or FSDP2, and converts between sharded and complete tensors.

The logit scale and bias are kept out of both wrappers, because GradCache gives them their gradient outside a forward pass. The losses of
`contrastive.loss.tiled` average that gradient over the processes themselves.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from contrastive.distributed.processes import world_size
from contrastive.model.blocks import Block
from contrastive.model.towers import Bottleneck
from strictio.errors import UsageError, nearest
from strictio.weights.fill import SCALARS

Mode = Literal["ddp", "fsdp2"]
MODES: tuple[Mode, ...] = ("ddp", "fsdp2")


def wrap(model: nn.Module, mode: str) -> nn.Module:
    """Wrap a model to average gradients over processes; all start with rank 0's weights. A single process gets `model` itself.

    Train with the returned module and call it as a whole (not its ``encode_image``). Then create the optimiser, from the parameters of
    `model` (changed in place). Batch norm uses the samples of all processes (on GPUs). `mode`: with ``ddp``, every process holds the whole
    model; with ``fsdp2``, parameters, gradients and optimiser state are sharded per block. Raises `UsageError` for other modes, and for
    trained batch norm in several processes on the CPU.
    """
    if mode not in MODES:
        raise UsageError(f"unknown run.dist {mode!r}", fix=nearest(mode, MODES))
    if not dist.is_initialized():
        return model
    with torch.no_grad():
        for tensor in chain(model.parameters(), model.buffers()):
            dist.broadcast(tensor, 0)
    _synchronize_batch_norm(model)
    return _data_parallel(model) if mode == "ddp" else _sharded(model)


def _synchronize_batch_norm(model: nn.Module) -> None:
    """Make every trained batch norm use the samples of all processes. In place."""
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if world_size() == 1 or not isinstance(norm, nn.BatchNorm2d) or (norm.weight is not None and not norm.weight.requires_grad):
                continue
            if norm.running_mean is None or norm.running_mean.device.type == "cpu":
                raise UsageError(
                    f"batch norm cannot be trained by {world_size()} processes on the CPU",
                    why="torch synchronizes its statistics on GPUs only; each process would normalize by its own part of the batch",
                    fix="train in one process, on GPUs (run.device=cuda), with a vision transformer, or with the image tower locked "
                    "(optim.multipliers={'^visual' = 0})",
                )
            setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(norm))  # type: ignore[no-untyped-call]


def _scalars(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if name.rpartition(".")[2] in SCALARS}


def _data_parallel(model: nn.Module) -> nn.Module:
    from torch.nn.parallel import DistributedDataParallel

    learned = [scalar for scalar in _scalars(model).values() if scalar.requires_grad]
    # DDP includes parameters that require gradients when it is built; this excludes one without private API.
    for scalar in learned:
        scalar.requires_grad_(False)
    # The argument's name changed. Buffers need no broadcast: those of batch norm already agree.
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
        # Replicated, but as the same type as the shards, so that one optimiser and one gradient norm accept both.
        copies = nn.Parameter(DTensor.from_local(scalar.data, mesh, [Replicate()]), requires_grad=scalar.requires_grad)
        owner, _, last = name.rpartition(".")  # the model alone, or with the head of an objective
        setattr(model.get_submodule(owner), last, copies)
    for module in model.modules():
        if isinstance(module, (Block, Bottleneck)):
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh, ignored_params=set(_scalars(model).values()))
    return model


@contextmanager
def no_sync(model: nn.Module, on: bool = True) -> Iterator[None]:
    """Accumulate gradients locally (forward and backward inside); the next backward pass outside averages the sum."""
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
        raise TypeError(f"{type(model).__name__} was not wrapped by contrastive.distributed.wrap")


def local_tensor(x: Tensor) -> Tensor:
    """Return the local part of a sharded or replicated tensor, including its gradient; plain tensors are returned unchanged."""
    return x.to_local() if hasattr(x, "to_local") else x


def distribute_like(full: Tensor, like: Tensor) -> Tensor:
    """Return a copy of a complete tensor with the layout of `like`. Every process must call it, with the same tensor."""
    full = full.detach().to(like.device, copy=True)
    if not hasattr(like, "to_local"):
        return full
    from torch.distributed.tensor import DTensor, distribute_tensor

    return distribute_tensor(full, like.device_mesh, like.placements) if isinstance(like, DTensor) else full


def full_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return plain, complete, detached tensors, without copying those already complete. Every process must call it; each gets all."""
    return {name: x.full_tensor() if hasattr(x, "full_tensor") else x for name, x in ((name, x.detach()) for name, x in tensors.items())}
