"""A model and its objective as one module: what is trained, wrapped and saved when the objective has parameters of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from contrastive.architecture import ModelConfig
from contrastive.errors import ConfigError, nearest
from contrastive.model import CLIP
from contrastive.objectives.bag_of_words import BagOfWords
from contrastive.objectives.caption import Caption
from contrastive.objectives.contrast import Contrast


class Objective(Protocol):
    """What every objective is called with; each is an `nn.Module` as well."""

    def __call__(self, model: CLIP, images_nchw: Tensor, ids_nl: Tensor) -> Tensor:
        """Return the loss: a scalar, the mean over the pairs."""
        ...


class Together(nn.Module):
    """Both in one: to be called, wrapped for several processes and given to the optimiser as a whole."""

    def __init__(self, model: CLIP, objective: nn.Module) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, images_nchw: Tensor, ids_nl: Tensor) -> Tensor:
        """Return the loss."""
        return self.objective(self.model, images_nchw, ids_nl)  # type: ignore[no-any-return]


Maker = Callable[[ModelConfig, torch.Generator | None], nn.Module]
MAKERS: dict[str, Maker] = {
    "contrastive": lambda _, __: Contrast(),
    "caption": lambda config, generator: Caption(config, generator=generator),
    "caption-both": lambda config, generator: Caption(config, both_directions=True, generator=generator),
    "bag-of-words": lambda config, generator: BagOfWords(config, generator=generator),
}


def make_objective(kind: str, config: ModelConfig, generator: torch.Generator | None = None) -> nn.Module:
    """Return the objective called `kind` for a model of this architecture (`Distillation` needs a teacher: make it directly).

    Raises
    ------
    ConfigError
        If there is none; the nearest names are given.

    Examples
    --------
    >>> from contrastive.presets import preset
    >>> sum(p.numel() for p in make_objective("bag-of-words", preset("tiny-vit")).parameters())
    66560
    """
    if kind not in MAKERS:
        raise ConfigError(f"no objective {kind[:80]!r}", fix=nearest(kind[:80], MAKERS))
    return MAKERS[kind](config, generator)
