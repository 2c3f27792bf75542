"""Distributed training: `init` joins the process group of torchrun, collectives take tensors, `wrap` wraps a model (DDP, FSDP2).

In a single process they are no-ops, so the trainer needs only one code path.
"""

from contrastive.distributed.node import gather_on_node, own_node, shared_bytes
from contrastive.distributed.parallel import MODES, distribute_like, full_tensors, local_tensor, no_sync, wrap

from contrastive.distributed.processes import (  # isort: skip
    all_max, all_mean, all_reduce_max, all_sum, barrier, close, gather_rows, init, own_device, rank, rank0, rank_slice, require_even,
    scatter_sum, world_size,
)  # fmt: skip

__all__ = [
    "MODES",
    "all_max",
    "all_mean",
    "all_reduce_max",
    "all_sum",
    "barrier",
    "close",
    "distribute_like",
    "full_tensors",
    "gather_on_node",
    "gather_rows",
    "init",
    "local_tensor",
    "no_sync",
    "own_device",
    "own_node",
    "rank",
    "rank0",
    "rank_slice",
    "require_even",
    "scatter_sum",
    "shared_bytes",
    "world_size",
    "wrap",
]  # fmt: skip
