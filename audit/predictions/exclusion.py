"""External predictions without some of their images."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from audit.types import Predictions


def exclude(predictions: Predictions, identifiers: Collection[str]) -> tuple[Predictions, set[str]]:
    """Return the predictions without the listed images (those whose labels are known to be wrong, say), and what is listed in vain.

    An identifier that does not occur is reported, not ignored: a list for other data would otherwise change nothing silently.
    """
    rows = predictions.attributes.index.astype(str)
    keep = np.asarray(~rows.isin(list(identifiers)))
    columns = {name: getattr(predictions, name) for name in ("scores", "y_pred", "y_true", "attributes", "margin", "cluster")}
    kept = {name: column[keep] for name, column in columns.items() if column is not None and len(column)}  # no margin without scores
    return replace(predictions, **kept), set(identifiers) - set(rows)
