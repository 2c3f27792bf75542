"""Rows of a file of predictions that belong together, named by a column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.schema import counted, quoted
from audit.errors import DataError
from audit.predictions.columns import as_text
from audit.types import UNKNOWN, Predictions

if TYPE_CHECKING:
    from jaxtyping import Int


@dataclass(frozen=True)
class ClusterColumn:
    """The cluster of each row."""

    column: str
    numbers: Int[np.ndarray, "n"]
    names: pd.api.extensions.ExtensionArray
    """What each number stands for."""

    def put_to(self, predictions: Predictions) -> Predictions:
        """Return predictions that know which rows belong together."""
        return replace(predictions, cluster=self.numbers, cluster_names=self.names)


def read_clusters(table: pa.Table, name: str, place: str, *, unknown_alone: bool) -> ClusterColumn:
    """Return the clusters that a column names; DataError if a row has none. `place` is what a message calls the file.

    With `unknown_alone` "unknown" is not a cluster: an audit writes it for a missing attribute, and such a row is a unit by itself.
    """
    text = as_text(table[name], name)
    if text.null_count:
        raise DataError(
            f"{place}: {counted(text.null_count, 'row')} without a cluster",
            where=f"column {quoted(name)}",
            fix="give each row its cluster; a row that belongs to no other has one of its own",
        )
    numbers, names = np.array(text.indices.to_numpy(), np.int64), text.dictionary
    if unknown_alone:
        alone = np.flatnonzero(pc.equal(text.dictionary_decode(), UNKNOWN).to_numpy(zero_copy_only=False))
        numbers[alone] = len(names) + np.arange(len(alone))
        names = pa.concat_arrays([names, pa.repeat(pa.scalar(UNKNOWN, names.type), len(alone))])
    return ClusterColumn(name, numbers, pd.array(names, dtype="str"))
