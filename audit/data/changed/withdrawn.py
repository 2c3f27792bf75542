"""People take their images out of a data set: rows about images that are gone are left out, counted by group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from audit.data.cells.votes import level_counts
from audit.data.changed.subset import part_of
from audit.errors import DataError
from audit.types import Dataset, Exclusion, Note

_EXAMPLES = 10


def without_withdrawn(dataset: Dataset, is_there: Callable[[str], bool], names: str | None = None) -> Dataset:
    """Return the data set without the rows whose picture is gone, however many they are: images are withdrawn on purpose.

    `is_there` tells of a picture's name, which the attribute `names` holds (None: the row's identifier).
    """
    pictures = dataset.attributes.index if names is None else dataset.attributes[names]
    found = {picture: is_there(picture) for picture in map(str, dict.fromkeys(pictures))}
    gone = ~np.array([found[str(picture)] for picture in pictures], bool)
    return leave_rows_out(dataset, gone, Note("withdrawn"))


def leave_rows_out(dataset: Dataset, gone: np.ndarray, reason: Note) -> Dataset:
    """Return the data set without some rows, counted by group under a reason; DataError if no row is left."""
    if not gone.any():
        return dataset
    if gone.all():
        raise DataError(f"no image of {dataset.name} is left", why=f"left out: {reason}", where=dataset.source)
    out = dataset.attributes[gone]
    by_group = {str(name): level_counts(out[name], several=name in dataset.several) for name in out.columns}
    exclusion = Exclusion(reason, len(out), by_group, tuple(map(str, out.index[:_EXAMPLES])))
    return replace(part_of(dataset, np.flatnonzero(~gone).tolist()), exclusions=(*dataset.exclusions, exclusion))
