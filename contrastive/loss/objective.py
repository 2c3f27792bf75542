"""Objectives by name, including the contrastive losses, and a module that combines a model and its objective."""

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

Share = Callable[[Tensor, Tensor], Tensor]  # this process's images and texts -> loss; its mean over processes is the loss over all pairs


class Contrast(nn.Module):
    """The loss of the model's score rule, without a head or parameters."""

    def forward(self, model: CLIP, images_nchw: Tensor, ids_nl: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        """Return the dense loss, the mean over the given pairs, in nats."""
        image_nd, text_nd, scale = model(images_nchw, ids_nl, kept_nk)
        return LOSSES[model.config.score_rule](image_nd, text_nd, scale, model.logit_bias)

    def share(self, model: CLIP, parts: Sequence[tuple[Tensor, ...]], tile: int | None = None, weigh: tiled.Weigh | None = None) -> Share:
        """Return the loss over the pairs of all processes, as a function of this process's features; `parts` make up its batch.

        `weigh`: weights of this process's pairs (`contrastive.loss.by_group`).
        """
        loss = tiled.LOSSES[model.config.score_rule]
        return lambda image_nd, text_nd: loss(image_nd, text_nd, model.logit_scale, model.logit_bias, tile, weigh)


Objective = Contrast | PerPair
"""``objective(model, images_nchw, ids_nl, kept_nk=None)``: the loss, a scalar, the mean over the given pairs."""


class ModelWithHead(nn.Module):
    """A model and an objective with parameters, to be called, wrapped and optimised as a whole."""

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
    """Create the objective for a ``loss.kind`` and a model architecture. `Distillation` is created directly.

    Raises `UsageError` with the closest names if it is unknown.

    Examples
    --------
    >>> from contrastive.model.presets import preset
    >>> sum(p.numel() for p in make_objective("bag-of-words", preset("tiny-vit")).parameters())
    66560
    """
    if kind not in MAKERS:
        raise UsageError(f"no objective {kind[:80]!r}", fix=nearest(kind[:80], MAKERS))
    return MAKERS[kind](config, generator)
