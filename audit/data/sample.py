"""A smaller data set with the same composition, for `--limit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from audit.data.assemble import fingerprint
from audit.data.lazy import Chosen
from audit.errors import UsageError
from audit.types import Dataset


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
        images=Chosen(dataset.images, rows),
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
