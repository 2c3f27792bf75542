"""The optimiser: who decays, how the learning rate moves, and what a step may not do.

Nothing here keeps a state besides AdamW itself: the learning rate is a function of the step, so that one integer resumes a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from contrastive.config import OptimConfig

LOGIT_SCALE_MAX = math.log(100)
"""The paper's bound: cosines are never multiplied by more than 100."""

_NEVER_DECAY = ("positional_embedding", "class_embedding", "logit_scale", "logit_bias")


def decays(name: str, parameter: Tensor) -> bool:
    """Return whether weight decay applies: to matrices and kernels; not to gains, biases, positions, class embedding, scale or bias.

    Examples
    --------
    >>> decays("visual.conv1.weight", torch.zeros(8, 3, 3, 3)), decays("visual.positional_embedding", torch.zeros(50, 8))
    (True, False)
    """
    return parameter.ndim >= 2 and not any(part in _NEVER_DECAY for part in name.split("."))


def parameter_groups(named: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict[str, Any]]:
    """Return AdamW's two groups: with decay, without."""
    trained = [(name, parameter) for name, parameter in named if parameter.requires_grad]
    return [
        {"params": [p for name, p in trained if decays(name, p)], "weight_decay": weight_decay},
        {"params": [p for name, p in trained if not decays(name, p)], "weight_decay": 0.0},
    ]


def make_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    """Return AdamW over the model's parameters; fused, so that a step is one pass over memory."""
    groups = parameter_groups(model.named_parameters(), config.weight_decay)
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def learning_rate(step: int, config: OptimConfig) -> float:
    """Return the learning rate of one step: a linear warm-up, then half a cosine down to 0.

    Parameters
    ----------
    step : int
        ``0 <= step < config.steps``.
    config : OptimConfig
        Its `lr` is reached at the last step of the warm-up.

    Examples
    --------
    >>> config = OptimConfig(steps=12, lr=1.0, warmup=2)
    >>> [round(learning_rate(step, config), 3) for step in (0, 1, 2, 7, 11)]
    [0.5, 1.0, 1.0, 0.5, 0.024]
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.lr * (1 + math.cos(math.pi * done)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip(model: nn.Module, limit: float) -> float:
    """Scale the gradient down to length `limit` where it is longer; return its length before. Not finite: nothing is changed."""
    norm = nn.utils.get_total_norm(p.grad for p in model.parameters() if p.grad is not None)
    if torch.isfinite(norm):
        nn.utils.clip_grads_with_norm_(model.parameters(), limit, norm)
    return float(norm)


@torch.no_grad()
def clamp_logit_scale(logit_scale: Tensor) -> None:
    """Keep exp(logit_scale) within [1, 100]. Called after the optimiser's step, so that the gradient is never cut."""
    logit_scale.clamp_(0, LOGIT_SCALE_MAX)
