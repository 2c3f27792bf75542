"""A part of a data set: without the images that a list names, or a sample with the same composition."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.data.assemble import fingerprint
from audit.data.lazy import ImageSubset
from audit.errors import DataError, UsageError
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
        images=ImageSubset(dataset.images, np.flatnonzero(~out).tolist()),
        attributes=attributes,
        fingerprint=fingerprint(attributes),
        notes=(*dataset.notes, *((note,) if unknown else ())),
        exclusions=(*dataset.exclusions, listed_in(name, dataset.attributes[out])),
    )


def listed_in(name: str, gone: pd.DataFrame) -> Exclusion:
    """Return the exclusion of the images whose attributes are given, which a list names."""
    by_group = {str(column): {str(k): int(v) for k, v in gone[column].value_counts().items()} for column in gone.columns}
    return Exclusion(f"listed in {name}", len(gone), by_group, tuple(map(str, gone.index[:SHOWN])))


def stratified(dataset: Dataset, limit: int, seed: int, by: Sequence[str] | None = None) -> Dataset:
    """Return at most `limit` images, drawn so that every combination of attributes keeps its share.

    Which images are drawn depends on their identifiers and on `seed`, not on the order of the rows; the order is kept.

    Parameters
    ----------
    dataset : Dataset
        What to draw from.
    limit : int
        Images to keep; as many as there are, or more, keep all.
    seed : int
        Of the draw.
    by : sequence of str, optional
        Attributes whose joint levels are the strata; the first two by default.

    Returns
    -------
    Dataset
        Marked `limited`, unless it is whole.

    Raises
    ------
    UsageError
        If `limit` is below 1.
    """
    if limit < 1:
        raise UsageError(f"--limit {limit} leaves no image", fix="give a number from 1 on")
    total = len(dataset.attributes)
    if limit >= total:
        return dataset
    names = list(by if by is not None else dataset.attributes.columns[:2])
    rows = _draw(dataset, names, limit, np.random.default_rng(seed))
    attributes = dataset.attributes.iloc[rows]
    note = f"LIMITED: {limit} of {total} images were drawn at random (seed {seed}), in proportion to {' x '.join(names)}."
    return replace(
        dataset,
        images=ImageSubset(dataset.images, rows),
        attributes=attributes,
        fingerprint=fingerprint(attributes),
        notes=(*dataset.notes, note),
        limited=True,
    )


def _draw(dataset: Dataset, names: list[str], limit: int, rng: np.random.Generator) -> list[int]:
    """Return the rows to keep, in increasing order."""
    strata: dict[tuple[str, ...], list[int]] = {}
    keys = list(zip(*(map(str, dataset.attributes[name]) for name in names), strict=True))
    for row in np.argsort(dataset.attributes.index.to_numpy(dtype=str), kind="stable").tolist():
        strata.setdefault(keys[row], []).append(row)
    ordered = [strata[key] for key in sorted(strata)]
    sizes = apportion([len(rows) for rows in ordered], limit)
    drawn = [rng.choice(rows, size, replace=False) for rows, size in zip(ordered, sizes, strict=True)]
    return sorted(int(row) for rows in drawn for row in rows)


def apportion(counts: Sequence[int], seats: int) -> list[int]:
    """Return how many of `seats` go to each count, in proportion, by largest remainder; ties go to the first.

    Examples
    --------
    >>> apportion([50, 30, 20], 10), apportion([1, 1, 1], 2)
    ([5, 3, 2], [1, 1, 0])
    """
    total = sum(counts)
    shares = [divmod(count * seats, total) for count in counts]
    by_remainder = sorted(range(len(counts)), key=lambda place: -shares[place][1])
    lucky = set(by_remainder[: seats - sum(whole for whole, _ in shares)])
    return [whole + (place in lucky) for place, (whole, _) in enumerate(shares)]
