"""The contrastive losses in the shape of the other objectives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from contrastive.loss import tiled
from contrastive.loss.dense import LOSSES
from contrastive.model.clip import CLIP

Share = Callable[[Tensor, Tensor], Tensor]
"""``share(image_nd, text_nd)`` of this process's pairs; its mean over the processes is the loss of all pairs."""


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
