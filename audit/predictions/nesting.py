"""Which images belong together, and clusters that are declared to lie in one group: every image of a person has the person's race."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.data.schema import quoted
from audit.errors import DataError, UsageError, nearest
from audit.types import UNKNOWN, Predictions

if TYPE_CHECKING:
    from jaxtyping import Int


def check_nested(
    cluster: Int[np.ndarray, "n"] | None, attributes: pd.DataFrame, nested: Sequence[str], place: str, row: Callable[[int], str]
) -> None:
    """Raise `DataError` naming the first image of a cluster that has another level of a nested attribute than an image before it.

    `cluster` numbers the cluster of each image, `row` names one; an image whose level is unknown is left out. UsageError if there are no
    clusters, or no such attribute.
    """
    if cluster is None:
        raise UsageError("--nested requires --cluster", where=place, fix="name the column that says which images belong together")
    for name in nested:
        if name not in attributes.columns:
            raise UsageError(f"no attribute {name!r} for --nested", where=place, fix=nearest(name, map(str, attributes.columns)))
        levels = attributes[name].to_numpy(object)
        known = np.flatnonzero(levels != UNKNOWN)
        _, start, owner = np.unique(cluster[known], return_index=True, return_inverse=True)
        first = known[start][owner]
        if (differ := levels[known] != levels[first]).any():
            one = int(np.argmax(differ))
            here, before = int(known[one]), int(first[one])
            raise DataError(
                f"{place}: a cluster lies in two groups of {quoted(name)}", where=row(here),
                why=f"{name} is {quoted(str(levels[here]))}, and {quoted(str(levels[before]))} in {row(before)} of the same cluster",
                fix=f"correct the row, or leave {name} out of --nested: clusters may span groups",
            )  # fmt: skip


def clustered(predictions: Predictions, cluster: str | None) -> Predictions:
    """Return predictions that know which images belong together; an image whose cluster is not known is one of its own."""
    if cluster is None or predictions.cluster is not None:
        return predictions
    if cluster not in predictions.attributes.columns:
        raise UsageError(f"no attribute {cluster!r} to tell clusters by", fix=nearest(cluster, map(str, predictions.attributes.columns)))
    column = predictions.attributes[cluster]
    codes = pd.factorize(column)[0].astype(np.int64)
    alone = np.flatnonzero(column == UNKNOWN)
    codes[alone] = len(codes) + alone
    return replace(predictions, cluster=codes)
