"""BLIP's retrieval head as two towers: `BlipForImageTextRetrieval` compares a projected image with a projected text, but has no methods for
the two separately. Its other head, which reads an image and a text together, gives no embeddings and is not used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from audit.models.huggingface.clip import ClipOutput
from audit.types import Note


class BlipForImageTextRetrieval:
    """Wraps transformers' class of that name with the methods that an encoder needs."""

    notes = (Note("blip_contrastive_head"), Note("guessed_no_temperature"))
    """For the model's record."""

    def __init__(self, model: Any):
        self.model, self.config, self.parameters = model, model.config, model.parameters
        self.dtype, self.device = model.dtype, model.device
        self.logit_scale = torch.zeros(())
        """Applied to the cosine itself: a factor of 1."""

    def get_image_features(self, pixel_values: Tensor) -> Tensor:
        """Feature of the class token, projected but not normalised: float[n, d]."""
        return self.model.vision_proj(self.model.vision_model(pixel_values=pixel_values).last_hidden_state[:, 0])  # type: ignore[no-any-return]

    def get_text_features(self, input_ids: Tensor, attention_mask: Tensor, **_: Tensor) -> Tensor:
        """Feature of the first token, projected but not normalised: float[k, d]; BLIP reads no token types."""
        hidden_kld = self.model.text_encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.model.text_proj(hidden_kld[:, 0])  # type: ignore[no-any-return]

    def __call__(self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor, **_: Tensor) -> ClipOutput:
        scores = self.model(input_ids=input_ids, pixel_values=pixel_values, attention_mask=attention_mask, use_itm_head=False)
        return ClipOutput(scores.itm_score)
