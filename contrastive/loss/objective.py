"""Objectives by name, the contrastive losses among them; and a model and its objective as one module."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from contrastive.loss import tiled
from contrastive.loss.bag_of_words import BagOfWords
from contrastive.loss.caption import Caption
from contrastive.loss.dense import LOSSES
from contrastive.loss.per_pair import PerPair
from contrastive.model.architecture import ModelConfig
from contrastive.model.clip import CLIP
from strictio.errors import UsageError, nearest

Share = Callable[[Tensor, Tensor], Tensor]  # of this process's images and texts; its mean over the processes is the loss of all pairs


class Contrast(nn.Module):
    """The loss of the model's own score rule; no head, no parameters."""

    def forward(self, model: CLIP, images_nchw: Tensor, ids_nl: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        """Return the dense loss over the pairs that are given: the mean over them, in nats."""
        image_nd, text_nd, scale = model(images_nchw, ids_nl, kept_nk)
        return LOSSES[model.config.score_rule](image_nd, text_nd, scale, model.logit_bias)

    def share(self, model: CLIP, parts: Sequence[tuple[Tensor, ...]], tile: int | None = None) -> Share:
        """Return the loss over the pairs of all processes, as a function of the features of this one's, whose batch `parts` are."""
        loss = tiled.LOSSES[model.config.score_rule]
        return lambda image_nd, text_nd: loss(image_nd, text_nd, model.logit_scale, model.logit_bias, tile)


Objective = Contrast | PerPair
"""``objective(model, images_nchw, ids_nl, kept_nk=None)``: the loss, a scalar, the mean over the pairs that are given."""


class Together(nn.Module):
    """A model and an objective with parameters of its own: to be called, wrapped and given to the optimiser as a whole."""

    def __init__(self, model: CLIP, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    @property
    def config(self) -> ModelConfig:
        return self.model.config

    def forward(self, images_nchw: Tensor, ids_nl: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        return self.objective(self.model, images_nchw, ids_nl, kept_nk)  # type: ignore[no-any-return]


MAKERS: dict[str, Callable[[ModelConfig, torch.Generator | None], Objective]] = {
    "softmax": lambda _, __: Contrast(),
    "sigmoid": lambda _, __: Contrast(),
    "caption": lambda config, generator: Caption(config, generator=generator),
    "caption-both": lambda config, generator: Caption(config, both_directions=True, generator=generator),
    "bag-of-words": lambda config, generator: BagOfWords(config, generator=generator),
}


def make_objective(kind: str, config: ModelConfig, generator: torch.Generator | None = None) -> Objective:
    """Return the objective that ``loss.kind`` calls `kind` for a model of this architecture. `Distillation` is made directly.

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
