"""A model of transformers, tried out when it is loaded: its embeddings must give its own scores, or an audit of them would be another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from audit.errors import DataError

if TYPE_CHECKING:
    from audit.models.huggingface.encoder import HuggingFaceEncoder

PLUGIN_FIX = "leave this model out, or write a plug-in of two methods: --model FILE.py:CLASS"
_TOLERANCE = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.01}
"""Of a cosine."""


def check_scores(encoder: HuggingFaceEncoder, family: str) -> int:
    """Embed one plain image and two texts; return the dimensions. DataError unless the embeddings give the model's own scores."""
    record = encoder.record
    images, texts = [Image.new("RGB", (64, 64), (90, 120, 150))], ["a photo of a person", "a drawing"]
    image_rows, text_rows = encoder.encode_images(images), encoder.encode_texts(texts)
    own = encoder.logits(images, texts)
    if image_rows.ndim != 2 or image_rows.shape[1:] != text_rows.shape[1:]:
        why = f"image features are {image_rows.shape}, text features {text_rows.shape}"
        raise DataError(f"{record.name} has no common space", why=why, fix=PLUGIN_FIX)
    unit_images, unit_texts = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (image_rows, text_rows))
    logits = record.logit_scale * unit_images @ unit_texts.T + (record.logit_bias or 0.0)
    if not np.allclose(logits, own, atol=_TOLERANCE[record.dtype] * record.logit_scale):
        why = "its own logits differ from scale x cosine + bias, so an audit of its embeddings would not be an audit of the model"
        raise DataError(f"the scores of a {family!r} model are not those of its embeddings", why=why, fix=PLUGIN_FIX)
    return int(image_rows.shape[1])
