"""External predictions without some of their images."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool

    from audit.types import Predictions


@dataclass(frozen=True)
class Excluded:
    """Predictions without the listed images."""

    predictions: Predictions
    left_out: int
    unknown: tuple[str, ...]
    """Listed identifiers that no image has."""


def exclude(predictions: Predictions, identifiers: Collection[str]) -> Excluded:
    """Leave the listed images out, for example those whose labels are known to be wrong.

    Parameters
    ----------
    predictions : Predictions
        Its attributes are indexed by row identifier.
    identifiers : collection of str
        Rows to leave out. One that does not occur is reported, not ignored: a list for other data would otherwise change nothing silently.
    """
    listed = set(identifiers)
    rows = predictions.attributes.index.astype(str)
    keep = np.asarray(~rows.isin(listed))
    return Excluded(keep_rows(predictions, keep), int((~keep).sum()), tuple(sorted(listed - set(rows))))


def keep_rows(predictions: Predictions, keep: Bool[np.ndarray, "n"]) -> Predictions:
    """Return the predictions of some of the images."""
    return replace(
        predictions,
        scores=predictions.scores[keep],
        y_pred=predictions.y_pred[keep],
        y_true=None if predictions.y_true is None else predictions.y_true[keep],
        attributes=predictions.attributes[keep],
        margin=predictions.margin[keep] if len(predictions.margin) else predictions.margin,  # none without scores
        cluster=None if predictions.cluster is None else predictions.cluster[keep],
    )
