"""What the objectives with a head of their own have in common: no pair needs the others."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from contrastive.model.clip import CLIP
from contrastive.model.flops import Cost
from contrastive.model.towers import end_positions

UNTAUGHT = {r"^(?!visual\.|objective\.)": 0.0}  # multipliers of the learning rate: all but the image tower and the head stay as they are


class PerPair(nn.Module, ABC):
    """A loss that is a mean over pairs, each by itself: of the image alone something is said of the text. The text tower is not used.

    So the mean over parts of a batch, or over processes, is exact.
    """

    def forward(self, model: CLIP, images_nchw: Tensor, ids_nl: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        """Return the mean over the pairs, in nats a caption. `kept_nk` are the patches that are seen (`model.clip.kept_patches`)."""
        return -self.log_likelihood(model.encode_image(images_nchw, kept_nk), ids_nl).mean()

    @abstractmethod
    def log_likelihood(self, image_nd: Tensor, ids_nl: Tensor) -> Tensor:
        """Return log p(text | image) of each row in nats: float[n]. `image_nd` is what `CLIP.encode_image` gives, not normalised."""

    @abstractmethod
    def cost(self, tokens: int) -> Cost:
        """Operations of one pair, whose text has so many tokens."""


def words_mask(ids_nl: Tensor, eot: int) -> Tensor:
    """Return bool[n, l]: True between the start (place 0) and the end of the text, both excluded; never on padding.

    Examples
    --------
    >>> words_mask(torch.tensor([[8, 5, 6, 9, 0]]), eot=9).int().tolist()
    [[0, 1, 1, 0, 0]]
    """
    place_l = torch.arange(ids_nl.shape[1], device=ids_nl.device)
    return (place_l > 0) & (place_l < end_positions(ids_nl, eot)[:, None])
