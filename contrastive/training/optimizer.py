"""The optimiser: weight decay, learning-rate schedule, gradient clipping and loss scaling.

Only AdamW itself has state: the learning rate is a function of the step, so one integer is enough to resume it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrastive.config import OptimConfig
from contrastive.loss import ModelWithHead
from contrastive.model.clip import CLIP
from contrastive.model.lora import is_addition
from strictio.errors import UsageError

LOGIT_SCALE_MAX = math.log(100)
"""The paper's limit: cosines are multiplied by at most 100."""


def decays(name: str, parameter: Tensor, positions: bool = False) -> bool:
    """Whether weight decay applies: to matrices and kernels; not to gains, biases, class embedding, logit scale or bias.

    `positions`: whether it applies to position embeddings.

    >>> decays("visual.conv1.weight", torch.zeros(8, 3, 3, 3)), decays("visual.positional_embedding", torch.zeros(50, 8))
    (True, False)
    """
    never = {"class_embedding", "probe", "logit_scale", "logit_bias", *(() if positions else ("positional_embedding",))}
    return parameter.ndim >= 2 and never.isdisjoint(name.split("."))


def multiplier(name: str, multipliers: Mapping[str, float]) -> float:
    """Return the learning-rate factor of a parameter: that of the first pattern found in its name, else 1.

    >>> [multiplier(name, {"^visual": 0.0, "bias": 0.5}) for name in ("visual.proj", "ln_final.bias", "text_projection")]
    [0.0, 0.5, 1.0]
    """
    return next((factor for pattern, factor in multipliers.items() if re.search(pattern, name)), 1.0)


def named(learner: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the parameters by their names in files and settings: for a `ModelWithHead`, without ``model.``."""
    return [(name.removeprefix("model."), parameter) for name, parameter in learner.named_parameters()]


def lock(model: nn.Module, multipliers: Mapping[str, float], only_additions: bool = False) -> None:
    """Lock parameters with multiplier 0, before the model is wrapped; `UsageError` if a pattern matches nothing, or all are locked.

    `only_additions`: lock all that are not low-rank additions, too.
    """
    names = [name for name, _ in named(model)]
    for pattern in multipliers:
        if not any(re.search(pattern, name) for name in names):
            raise UsageError(f"optim.multipliers {pattern[:80]!r} finds no parameter", why=f"they are called {', '.join(names[:3])}, ...")
    for name, parameter in named(model):
        parameter.requires_grad_(multiplier(name, multipliers) > 0 and (is_addition(name) or not only_additions))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError("optim.multipliers locks every parameter", fix="leave something to train")


def rest_locked_norms(model: nn.Module) -> None:
    """Make batch norm in locked towers use fixed running statistics. Call it after each ``model.train()``."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.weight is not None and not module.weight.requires_grad:
            module.eval()


def parameter_groups(
    named: Iterable[tuple[str, nn.Parameter]],
    weight_decay: float,
    multipliers: Mapping[str, float] | None = None,
    positions: bool = False,
) -> list[dict[str, Any]]:
    """Return AdamW's groups: with and without decay, for each learning-rate multiplier; `positions`: as for `decays`."""
    groups: dict[tuple[float, bool], list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in named:
        if parameter.requires_grad:
            kind = multiplier(name, multipliers or {}), decays(name, parameter, positions)
            groups.setdefault(kind, []).append((name, parameter))
    return [
        {
            "params": [parameter for _, parameter in chosen], "names": [name for name, _ in chosen],
            "weight_decay": weight_decay if decayed else 0.0, "multiplier": factor,
        }
        for (factor, decayed), chosen in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    ]  # fmt: skip


PAPER_MOMENTS: dict[str, tuple[tuple[float, float], float]] = {"resnet": ((0.9, 0.999), 1e-8)}
"""Image tower -> betas and epsilon, if they differ from those of a vision transformer: Radford et al. 2021, table 18."""


def make_optimizer(model: CLIP | ModelWithHead, config: OptimConfig) -> torch.optim.AdamW:
    """Return AdamW for the unlocked parameters; fused, so that a step is one pass over memory."""
    groups = parameter_groups(named(model), config.weight_decay, config.multipliers, config.decay_positions)
    betas, eps = PAPER_MOMENTS.get(model.config.vision.kind, ((0.9, 0.98), 1e-6))
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas or betas, eps=config.eps or eps, fused=True)


def learning_rate(step: int, config: OptimConfig) -> float:
    """Return the learning rate of a step, from 0: a linear warm-up that ends at `lr`, then the schedule.

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
    """Set the learning rate of every group, times its multiplier."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["multiplier"]


def clip(model: nn.Module, limit: float) -> float:
    """Clip the gradient norm to `limit` (0: no limit) and return the original norm. Non-finite gradients are not changed."""
    norm = nn.utils.get_total_norm(p.grad for p in model.parameters() if p.grad is not None)
    if limit and torch.isfinite(norm):
        nn.utils.clip_grads_with_norm_(model.parameters(), limit, norm)
    return float(norm)


@torch.no_grad()
def clamp_logit_scale(logit_scale: Tensor) -> None:
    """Keep exp(logit_scale) within [1, 100]. Called after the optimiser's step, so that the gradient is not affected."""
    logit_scale.clamp_(0, LOGIT_SCALE_MAX)


PATIENCE = 2000
"""Number of good steps before trying a larger loss scale."""


@dataclass(frozen=True)
class LossScale:
    """Loss scaling for fp16, whose smallest number is 6e-8, to avoid underflow of gradients, which are divided by the factor afterwards.

    It is halved when a gradient overflows and doubled after 2,000 steps without overflow. It never falls below 1.
    """

    factor: float = 1.0
    good: int = 0
    """Number of steps since the factor last changed."""

    def __post_init__(self) -> None:
        if not (1 <= self.factor < math.inf and self.good >= 0):
            raise ValueError(f"no loss scale: {self.factor} after {self.good} steps")

    @classmethod
    def first(cls, precision: str) -> LossScale:
        """Return the initial scale: 2^16 for fp16; otherwise 1, which stays."""
        return cls(2.0**16) if precision == "fp16" else cls()

    def after(self, finite: bool, precision: str) -> LossScale:
        """Return the scale of the next step.

        >>> LossScale(8.0, 5).after(False, "fp16"), LossScale(8.0, 1999).after(True, "fp16")
        (LossScale(factor=4.0, good=0), LossScale(factor=16.0, good=0))
        """
        if precision != "fp16":
            return self
        if not finite:
            return LossScale(max(1.0, self.factor / 2))
        return LossScale(self.factor * 2) if self.good + 1 >= PATIENCE else LossScale(self.factor, self.good + 1)
