"""The base class of objectives with a head, in which pairs are independent."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from contrastive.model.clip import CLIP
from contrastive.model.flops import Cost
from contrastive.model.towers import end_positions

UNTAUGHT = {r"^(?!visual\.|objective\.)": 0.0}  # learning-rate multipliers: only the image tower and the head are trained


class PerPair(nn.Module, ABC):
    """A loss that is a mean over independent pairs: predicts something about the text from the image. The text tower is not used.

    Averaging over parts of a batch, or over processes, is therefore exact.
    """

    def forward(self, model: CLIP, images_nchw: Tensor, ids_nl: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        """Return the mean over the pairs, in nats per caption. `kept_nk`: the visible patches (`model.clip.kept_patches`)."""
        return -self.log_likelihood(model.encode_image(images_nchw, kept_nk), ids_nl).mean()

    @abstractmethod
    def log_likelihood(self, image_nd: Tensor, ids_nl: Tensor) -> Tensor:
        """Return log p(text | image) of each row in nats: float[n]. `image_nd`: the result of `CLIP.encode_image`, not normalised."""

    @abstractmethod
    def cost(self, tokens: int) -> Cost:
        """Operations of one pair with a text of `tokens` tokens."""


def words_mask(ids_nl: Tensor, eot: int) -> Tensor:
    """Return bool[n, l]: True between the start (position 0) and the end of the text, both excluded; never on padding.

    Examples
    --------
    >>> words_mask(torch.tensor([[8, 5, 6, 9, 0]]), eot=9).int().tolist()
    [[0, 1, 1, 0, 0]]
    """
    place_l = torch.arange(ids_nl.shape[1], device=ids_nl.device)
    return (place_l > 0) & (place_l < end_positions(ids_nl, eot)[:, None])
