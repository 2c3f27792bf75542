"""A running average of the weights (EMA): often a better model than the last step's, and saved beside it.

Everything here is element by element, so a sharded model has a sharded average, without communication.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from contrastive.distributed import local_tensor


def begin(model: nn.Module) -> dict[str, Tensor]:
    """Return the average before the first step: a copy of everything that the model's files hold, batch-norm statistics too."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def decay_at(step: int, decay: float) -> float:
    """Return the weight of the past in step `step` (from 1): never more than (1 + step) / (10 + step), so that the first weights fade soon.

    >>> [round(decay_at(step, 0.999), 3) for step in (1, 10, 100_000)]
    [0.182, 0.55, 0.999]
    """
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update(average: Mapping[str, Tensor], model: nn.Module, step: int, decay: float) -> None:
    """Move the average towards the model after its step `step` (from 1). In place; whole numbers are taken over."""
    share = 1 - decay_at(step, decay)
    for name, tensor in model.state_dict().items():
        mean, now = local_tensor(average[name]), local_tensor(tensor)
        mean.lerp_(now, share) if mean.is_floating_point() else mean.copy_(now)


@contextmanager
def in_place(average: Mapping[str, Tensor], model: nn.Module) -> Iterator[None]:
    """Let the model have the averaged weights for a while."""
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
