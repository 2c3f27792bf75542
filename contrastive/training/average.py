"""A running average of the weights (EMA): often a better model than the last step's, and saved with it.

All operations are element-wise, so a sharded model has a sharded average, without communication.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from contrastive.distributed import local_tensor


def begin(model: nn.Module) -> dict[str, Tensor]:
    """Return the average before the first step: a copy of everything stored in the model's files, including batch-norm statistics."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def decay_at(step: int, decay: float) -> float:
    """Return the decay in step `step` (from 1): at most (1 + step) / (10 + step), so that the initial weights fade quickly.

    >>> [round(decay_at(step, 0.999), 3) for step in (1, 10, 100_000)]
    [0.182, 0.55, 0.999]
    """
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update(average: Mapping[str, Tensor], model: nn.Module, step: int, decay: float) -> None:
    """Move the average towards the model after its step `step` (from 1). In place; integers are copied."""
    share = 1 - decay_at(step, decay)
    for name, tensor in model.state_dict().items():
        mean, now = local_tensor(average[name]), local_tensor(tensor)
        mean.lerp_(now, share) if mean.is_floating_point() else mean.copy_(now)


@contextmanager
def in_place(average: Mapping[str, Tensor], model: nn.Module) -> Iterator[None]:
    """Context in which the model has the averaged weights."""
    before = begin(model)
    _overwrite(model, average)
    try:
        yield
    finally:
        _overwrite(model, before)


@torch.no_grad()
def _overwrite(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    for name, tensor in model.state_dict().items():
        local_tensor(tensor).copy_(local_tensor(state[name]))
