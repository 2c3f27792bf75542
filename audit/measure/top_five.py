"""Accuracy among the best five: an image counts as right if a right label is among the five whose texts are nearest. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from audit.measure.any_right import best_of
from audit.types import Measurement, ModelRecord, Predictions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from jaxtyping import Float

QUESTION = "Is a right label among the five whose texts lie nearest?"
K = 5


def predict(
    measurement: Measurement,
    record: ModelRecord,
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]],
    attributes: pd.DataFrame,
) -> Predictions:
    """For each image a right label among its best five, else its best label; several may be right, as in `any_right`.

    A tie goes to the label declared first. The rate expected by chance is five times as high as for one label.
    """
    return best_of(measurement, record, image_embeddings, text_embeddings, attributes, K)
