"""Objectives by name; and a model and its objective as one module, where the objective has parameters of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from contrastive.errors import UsageError, nearest
from contrastive.loss.bag_of_words import BagOfWords
from contrastive.loss.caption import Caption
from contrastive.loss.contrast import Contrast
from contrastive.loss.per_pair import PerPair
from contrastive.model.architecture import ModelConfig
from contrastive.model.clip import CLIP

Objective = Contrast | PerPair
"""``objective(model, images_nchw, ids_nl, kept_nk=None)``: the loss, a scalar, the mean over the pairs that are given."""


class Together(nn.Module):
    """Both in one: to be called, wrapped for several processes and given to the optimiser as a whole."""

    def __init__(self, model: CLIP, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    @property
    def config(self) -> ModelConfig:
        """Return the model's architecture."""
        return self.model.config

    def forward(self, images_nchw: Tensor, ids_nl: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        """Return the loss."""
        return self.objective(self.model, images_nchw, ids_nl, kept_nk)  # type: ignore[no-any-return]


Maker = Callable[[ModelConfig, torch.Generator | None], Objective]
MAKERS: dict[str, Maker] = {
    "softmax": lambda _, __: Contrast(),
    "sigmoid": lambda _, __: Contrast(),
    "caption": lambda config, generator: Caption(config, generator=generator),
    "caption-both": lambda config, generator: Caption(config, both_directions=True, generator=generator),
    "bag-of-words": lambda config, generator: BagOfWords(config, generator=generator),
}


def make_objective(kind: str, config: ModelConfig, generator: torch.Generator | None = None) -> Objective:
    """Return the objective that ``loss.kind`` calls `kind` for a model of this architecture.

    `Distillation` needs a teacher: make it directly.

    Raises `UsageError` if it is unknown; the nearest names are given.

    Examples
    --------
    >>> from contrastive.model.presets import preset
    >>> sum(p.numel() for p in make_objective("bag-of-words", preset("tiny-vit")).parameters())
    66560
    """
    if kind not in MAKERS:
        raise UsageError(f"no objective {kind[:80]!r}", fix=nearest(kind[:80], MAKERS))
    return MAKERS[kind](config, generator)
