"""External predictions without some of their images."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.types import Predictions

if TYPE_CHECKING:
    from jaxtyping import Bool


def exclude(predictions: Predictions, identifiers: Collection[str]) -> tuple[Predictions, set[str]]:
    """Return the predictions without the listed images (those whose labels are known to be wrong, say), and what is listed in vain.

    An identifier that does not occur is reported, not ignored: a list for other data would otherwise change nothing silently.
    """
    rows = predictions.attributes.index.astype(str)
    return some_rows(predictions, np.asarray(~rows.isin(list(identifiers)))), set(identifiers) - set(rows)


def some_rows(predictions: Predictions, keep: Bool[np.ndarray, "n"]) -> Predictions:
    """Return the predictions about some of the images."""
    names = ("scores", "y_pred", "y_true", "attributes", "margin", "cluster", "weight")
    columns = {name: getattr(predictions, name) for name in names}
    kept = {name: column[keep] for name, column in columns.items() if column is not None and len(column)}  # no margin without scores
    return replace(predictions, **kept)
