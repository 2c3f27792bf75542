"""Images that somebody listed as not to be audited, for example because their labels are known to be wrong."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.data.assemble import fingerprint
from audit.data.lazy import Chosen
from audit.errors import DataError
from audit.types import Dataset, Exclusion

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10
_ENCODING = "utf-8-sig"


def read_list(path: Path) -> tuple[str, ...]:
    """Return the identifiers of a text file, one a line; blank lines and lines that begin with ``#`` say nothing.

    Raises
    ------
    DataError
        If the file cannot be read, is not text, or names nothing.
    """
    try:
        lines = [line.strip() for line in path.read_text(_ENCODING).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise DataError(f"cannot read the list {str(path)!r}", why=why, fix="give a text file with one identifier a line") from error
    listed = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not listed:
        raise DataError(f"the list {str(path)!r} names no image", fix="put one identifier on each line, or leave --exclude out")
    return listed


def without(dataset: Dataset, listed: Collection[str], name: str) -> Dataset:
    """Return the data set without the listed images; they are counted by group, and what is listed in vain is counted too.

    Parameters
    ----------
    dataset : Dataset
    listed : collection of str
        Row identifiers, as the index of its attributes has them.
    name : str
        What the report calls the list.

    Raises
    ------
    DataError
        If no listed identifier is one of the data set's: the list is for other data. Or if no image is left.
    """
    ids = dataset.attributes.index.astype(str)
    wanted = set(listed)
    out = np.asarray(ids.isin(wanted))
    unknown = sorted(wanted - set(ids))
    if not out.any():
        known = f"list identifiers as the data have them, such as {ids[0]!r}"
        raise DataError(f"{name} lists no image of {dataset.name}", why=f"{unknown[0]!r} is none", fix=known)
    if out.all():
        raise DataError(f"{name} lists every image of {dataset.name}: none is left", fix="give a shorter list")
    attributes = dataset.attributes[~out]
    note = f"{len(unknown)} of the {len(wanted)} identifiers in {name} belong to no image of this data set."
    return replace(
        dataset,
        images=Chosen(dataset.images, np.flatnonzero(~out).tolist()),
        attributes=attributes,
        fingerprint=fingerprint(attributes),
        notes=(*dataset.notes, *((note,) if unknown else ())),
        exclusions=(*dataset.exclusions, listed_in(name, dataset.attributes[out])),
    )


def listed_in(name: str, gone: pd.DataFrame) -> Exclusion:
    """Return the exclusion of the images whose attributes are given, which a list names."""
    by_group = {str(column): {str(k): int(v) for k, v in gone[column].value_counts().items()} for column in gone.columns}
    return Exclusion(f"listed in {name}", len(gone), by_group, tuple(map(str, gone.index[:SHOWN])))
