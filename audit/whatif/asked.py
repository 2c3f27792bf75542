"""One measurement with the embeddings that it rests on, and the two halves of the images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import DataError
from audit.measure import predict
from audit.types import Measurement, ModelRecord, Predictions

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float


@dataclass(frozen=True)
class AskedMeasurement:
    """Everything that decides the answers of a measurement. A what-if changes one of it."""

    measurement: Measurement
    record: ModelRecord
    image_embeddings: Float[np.ndarray, "n d"]
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]]
    """Exact prompt text -> its embedding."""
    attributes: pd.DataFrame
    """One row for each image."""

    def answers(self) -> Predictions:
        """Return what the model answers."""
        return predict(self.measurement, self.record, self.image_embeddings, self.text_embeddings, self.attributes)

    def of(self, rows: Bool[np.ndarray, "n"]) -> AskedMeasurement:
        """Return the same question about some of the images."""
        return replace(self, image_embeddings=self.image_embeddings[rows], attributes=self.attributes[rows])


def fit_half(units: Sequence[str], seed: int) -> Bool[np.ndarray, "n"]:
    """Return which images a what-if is fitted on; it is shown on the others.

    Half of the distinct units, to one: what must not be torn apart, the hash of an image's content, or its person or scene where that is
    known. Depends on the seed and on the units, not on their order.

    Examples
    --------
    >>> half = fit_half(["a", "b", "a", "c"], seed=0)
    >>> bool(half[0] == half[2]), len({unit for unit, fit in zip("abac", half) if fit})
    (True, 2)
    """
    ranked = sorted(set(units), key=lambda unit: hashlib.sha256(f"{seed}:{unit}".encode()).digest())
    chosen = set(ranked[: (len(ranked) + 1) // 2])
    return np.fromiter((unit in chosen for unit in units), bool, len(units))


def require_disjoint(fitted_on: Sequence[str], shown_on: Sequence[str]) -> None:
    """Refuse to show a what-if on images that it was fitted on: DataError if an image, person or scene is on both sides."""
    common = sorted(set(fitted_on) & set(shown_on))
    if common:
        raise DataError(
            f"{len(common)} images or clusters are both fitted on and shown, the first is {common[0]!r}",
            why="what is fitted on an image looks better on it than it is",
            fix="split by image content, or by person where several images show one",
        )
