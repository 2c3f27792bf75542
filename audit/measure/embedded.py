"""One measurement with the embeddings behind it, to ask again with a changed model; and the two halves of the images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import DataError, UsageError
from audit.linear_maps import removed_share
from audit.measure import predict
from audit.types import UNKNOWN, Measurement, ModelRecord, Predictions

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float


LARGEST_SHARE = 0.5
"""A prompt that loses more than this is itself about the attribute."""


@dataclass(frozen=True)
class AskedMeasurement:
    """Everything that determines the answers to a measurement. A what-if or a mitigation changes part of it."""

    measurement: Measurement
    record: ModelRecord
    image_embeddings: Float[np.ndarray, "n d"]
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]]
    """Exact prompt text -> its embedding."""
    attributes: pd.DataFrame
    """One row per image."""

    def answers(self) -> Predictions:
        """The model's answers."""
        return predict(self.measurement, self.record, self.image_embeddings, self.text_embeddings, self.attributes)

    def of(self, rows: Bool[np.ndarray, "n"]) -> AskedMeasurement:
        """The same question about some of the images."""
        return replace(self, image_embeddings=self.image_embeddings[rows], attributes=self.attributes[rows])


def unit_names(attributes: pd.DataFrame, contents: Sequence[str], cluster: str | None) -> list[str]:
    """What may not be split, for each image: the level of `cluster`; its content (hash) without one, or where the level is unknown."""
    if cluster is None:
        return list(contents)
    return [content if level == UNKNOWN else level for level, content in zip(attributes[cluster], contents, strict=True)]


def fit_half(units: Sequence[str], seed: int) -> Bool[np.ndarray, "n"]:
    """The images on which a what-if is fitted; it is evaluated on the others.

    Half of the distinct units, plus or minus one: units that must not be split are equal images (by content hash), or a person or scene if
    that is known. Depends on the seed and on the units, not on their order.

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
    """Raise DataError if an image, person or scene is in both halves: a what-if may not be evaluated on images it was fitted on."""
    common = sorted(set(fitted_on) & set(shown_on))
    if common:
        raise DataError(
            f"{len(common)} images or clusters are both fitted on and shown, the first is {common[0]!r}",
            why="what is fitted on an image looks better on it than it is",
            fix="split by image content, or by person where several images show one",
        )


def check_prompts(task: AskedMeasurement, directions: Float[np.ndarray, "r d"]) -> None:
    """Raise UsageError if a prompt has more than half of its squared length along the directions."""
    shares = removed_share(directions, np.stack(list(task.text_embeddings.values())))
    if shares.max() > LARGEST_SHARE:
        raise UsageError(
            f"the prompt {list(task.text_embeddings)[int(shares.argmax())]!r} is itself about the attribute",
            why=f"{shares.max():.0%} of it lies along the directions that would be taken away",
            fix="project another attribute, or leave this label set as it is",
        )
