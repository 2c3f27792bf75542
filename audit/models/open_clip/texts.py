"""open_clip's text towers without the padding: token ids in, features out."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.func import functional_call


class _TextTower(nn.Module):
    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, ids_nl: Tensor) -> Tensor:
        features: Tensor = self.model.encode_text(ids_nl)
        return features


def text_features(model: Any, ids_nl: Tensor) -> Tensor:
    """Return float[n, d] of int[n, l], the batch cut at its longest text where that changes nothing.

    What follows the end of a text never reaches its feature if attention is causal and the feature is read at the end, the largest id: so
    it is in CLIP itself, and most prompts fill a tenth of its 77 places. Other towers, SigLIP's among them, see all of their context.
    """
    mask = getattr(model, "attn_mask", None)
    if type(model).__name__ != "CLIP" or getattr(model, "text_pool_type", "") != "argmax" or mask is None:
        return _TextTower(model).forward(ids_nl)
    longest = int(ids_nl.argmax(dim=1).max()) + 1
    cut = {"model.positional_embedding": model.positional_embedding[:longest], "model.attn_mask": mask[:longest, :longest]}
    features: Tensor = functional_call(_TextTower(model), cut, (ids_nl[:, :longest],))
    return features
