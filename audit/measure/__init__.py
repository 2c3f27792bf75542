"""Predictions from embeddings or likelihoods and a measurement's label set: one kind of question per file, NumPy only.

A kind is a module with `QUESTION` (its question, in one line) and `predict`; `predict` here calls the right one. `asked` is for generative
models.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from audit.errors import UsageError, nearest
from audit.types import Measurement, ModelRecord, Predictions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from jaxtyping import Float


def kinds() -> dict[str, Any]:
    """The module of each kind of question."""
    modules = {module.name: import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)}
    return {name: module for name, module in modules.items() if hasattr(module, "QUESTION")}


def predict(
    measurement: Measurement,
    record: ModelRecord,
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]],
    attributes: pd.DataFrame,
    row_texts: pd.DataFrame | None = None,
) -> Predictions:
    """Predict a dual encoder's answers to a measurement of any kind.

    `text_embeddings` has every prompt of the label set; `attributes` has one row per image, and so has `row_texts` (`Dataset.texts`).
    Raises UsageError if the kind is unknown.
    """
    kind: Any = sys.modules.get(f"{__name__}.{measurement.kind}") or kinds().get(measurement.kind)
    if not hasattr(kind, "QUESTION"):
        what = f"measurement {measurement.name!r} is of an unknown kind {measurement.kind!r}"
        raise UsageError(what, fix=nearest(measurement.kind, kinds()))
    own = {} if measurement.options is None else {"row_texts": row_texts}
    answers: Predictions = kind.predict(measurement, record, image_embeddings, text_embeddings, attributes, **own)
    return answers
