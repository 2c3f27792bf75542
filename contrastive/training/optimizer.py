"""The optimiser: who decays, how the learning rate moves, and what a step may not do.

Nothing here keeps a state besides AdamW itself: the learning rate is a function of the step, so that one integer resumes a run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrastive.config import OptimConfig
from contrastive.errors import UsageError
from contrastive.model.clip import CLIP

if TYPE_CHECKING:
    from contrastive.loss import Together

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


def multiplier(name: str, multipliers: Mapping[str, float]) -> float:
    """Return the factor of a parameter's learning rate: that of the first pattern found in its name, else 1.

    Examples
    --------
    >>> [multiplier(name, {"^visual": 0.0, "bias": 0.5}) for name in ("visual.proj", "ln_final.bias", "text_projection")]
    [0.0, 0.5, 1.0]
    """
    return next((factor for pattern, factor in multipliers.items() if re.search(pattern, name)), 1.0)


def named(learner: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters by the names that files and settings have: a model's are the same whether or not an objective stands beside it.

    ``model.visual.proj`` of a `contrastive.loss.Together` is ``visual.proj``; its head's begin with ``objective.``.
    """
    return [(name.removeprefix("model."), parameter) for name, parameter in learner.named_parameters()]


def lock(model: nn.Module, multipliers: Mapping[str, float]) -> None:
    """Take the gradient from every parameter whose multiplier is 0. Call it before the model is wrapped.

    Raises `UsageError` if a pattern finds no parameter, or nothing is left to train.
    """
    names = [name for name, _ in named(model)]
    for pattern in multipliers:
        if not any(re.search(pattern, name) for name in names):
            raise UsageError(f"optim.multipliers {pattern[:80]!r} finds no parameter", why=f"they are called {', '.join(names[:3])}, ...")
    for name, parameter in named(model):
        parameter.requires_grad_(multiplier(name, multipliers) > 0)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError("optim.multipliers locks every parameter", fix="leave something to train")


def rest_locked_norms(model: nn.Module) -> None:
    """Let every batch norm of a locked tower use and keep its running statistics. Call it after each ``model.train()``."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.weight is not None and not module.weight.requires_grad:
            module.eval()


def parameter_groups(
    named: Iterable[tuple[str, nn.Parameter]], weight_decay: float, multipliers: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Return AdamW's groups: with decay, without; and so again for every other multiplier of the learning rate."""
    trained = [(name, parameter, multiplier(name, multipliers or {})) for name, parameter in named if parameter.requires_grad]
    groups = []
    for factor in sorted({factor for _, _, factor in trained}, reverse=True):
        for decayed in (True, False):
            chosen = [(name, parameter) for name, parameter, its in trained if its == factor and decays(name, parameter) == decayed]
            groups.append({
                "params": [parameter for _, parameter in chosen], "names": [name for name, _ in chosen],
                "weight_decay": weight_decay if decayed else 0.0, "multiplier": factor,
            })  # fmt: skip
    return [group for group in groups if group["params"]]


PAPER_MOMENTS: dict[str, tuple[tuple[float, float], float]] = {"resnet": ((0.9, 0.999), 1e-8)}
"""Kind of image tower -> betas and epsilon, where they are not those of a vision transformer: Radford et al. 2021, table 18."""


def make_optimizer(model: CLIP | Together, config: OptimConfig) -> torch.optim.AdamW:
    """Return AdamW over the model's unlocked parameters; fused, so that a step is one pass over memory."""
    groups = parameter_groups(named(model), config.weight_decay, config.multipliers)
    betas, eps = PAPER_MOMENTS.get(model.config.vision.kind, ((0.9, 0.98), 1e-6))
    betas, eps = config.betas or betas, eps if config.eps is None else config.eps
    return torch.optim.AdamW(groups, lr=config.lr, betas=betas, eps=eps, fused=True)


def learning_rate(step: int, config: OptimConfig) -> float:
    """Return the learning rate of one step: a linear warm-up, then what the schedule says.

    `step`: ``0 <= step < config.steps``; `config`: its `lr` is reached at the last step of the warm-up.

    Examples
    --------
    >>> config = OptimConfig(steps=12, lr=1.0, warmup=2)
    >>> [round(learning_rate(step, config), 3) for step in (0, 1, 2, 7, 11)]
    [0.5, 1.0, 1.0, 0.5, 0.024]
    >>> config = OptimConfig(steps=12, lr=1.0, warmup=2, schedule="wsd", cooldown=4)
    >>> [learning_rate(step, config) for step in (0, 1, 7, 8, 9, 11)]
    [0.5, 1.0, 1.0, 1.0, 0.75, 0.25]
    """
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    if config.schedule == "constant":
        return config.lr
    if config.schedule == "wsd":
        return config.lr * min(1.0, (config.steps - step) / max(1, config.cooldown))
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.lr * (1 + math.cos(math.pi * done)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the learning rate, times its own multiplier."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["multiplier"]


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
