"""The contrastive losses in the shape of the other objectives."""

from __future__ import annotations

from torch import Tensor, nn

from contrastive.losses import LOSSES
from contrastive.model import CLIP


class Contrast(nn.Module):
    """The dense loss of the model's own score rule, over the pairs that it is given; no head, no parameters."""

    def forward(self, model: CLIP, images_nchw: Tensor, ids_nl: Tensor) -> Tensor:
        """Return the mean over the pairs, in nats."""
        image_nd, text_nd, scale = model(images_nchw, ids_nl)
        return LOSSES[model.config.score_rule](image_nd, text_nd, scale, model.logit_bias)
