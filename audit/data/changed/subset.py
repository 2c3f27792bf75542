"""Part of a data set: without images that are listed or absent, or a sample with the same composition."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.data.assemble import fingerprint_with_texts
from audit.data.cells.votes import level_counts
from audit.errors import DataError, UsageError
from audit.types import Dataset, Exclusion, Note
from strictio.files import read_text
from strictio.images.lazy import image_subset

if TYPE_CHECKING:
    import pandas as pd


def read_list(path: Path) -> tuple[str, ...]:
    """Read the identifiers in a text file, one per line; empty lines and lines that start with ``#`` are ignored."""
    try:
        lines = [line.strip() for line in read_text(path, encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise DataError(f"cannot read the list {str(path)!r}", why=why, fix="give a text file with one identifier per line") from error
    listed = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not listed:
        raise DataError(f"the list {str(path)!r} names no image", fix="put one identifier on each line, or leave --exclude out")
    return listed


def without(dataset: Dataset, listed: Collection[str], name: str) -> Dataset:
    """Remove the listed images (by row identifier); they are counted by group, and unknown identifiers are counted too.

    `name` is the list's name in reports. Raises DataError if no image is listed, or none is left.
    """
    ids, wanted = dataset.attributes.index.astype(str), set(listed)
    out = np.asarray(ids.isin(wanted))
    unknown = sorted(wanted - set(ids))
    if not out.any():
        known = f"list identifiers as the data have them, such as {ids[0]!r}"
        raise DataError(f"{name} lists no image of {dataset.name}", why=f"unknown identifier {unknown[0]!r}", fix=known)
    if out.all():
        raise DataError(f"{name} lists every image of {dataset.name}: no image is left", fix="give a shorter list")
    note = Note("unknown_identifiers", {"count": len(unknown), "total": len(wanted), "list": name})
    return replace(
        part_of(dataset, np.flatnonzero(~out).tolist()),
        notes=(*dataset.notes, *((note,) if unknown else ())),
        exclusions=(*dataset.exclusions, listed_in(name, listed, dataset.attributes[out])),
    )


def without_absent(dataset: Dataset, is_there: Callable[[str], bool], reason: Note, names: str | None = None) -> Dataset:
    """Remove the rows of a published list whose image is not there, regardless of their number; they are counted by group.

    Images of such a list are withdrawn, or gone from the web. `is_there` takes an image name, from the attribute `names` (None: the row's
    identifier).
    """
    pictures = dataset.attributes.index if names is None else dataset.attributes[names]
    exists = {picture: is_there(picture) for picture in map(str, dict.fromkeys(pictures))}
    gone = ~np.array([exists[str(picture)] for picture in pictures], bool)
    return leave_rows_out(dataset, gone, reason)


def leave_rows_out(dataset: Dataset, gone: np.ndarray, reason: Note) -> Dataset:
    """Remove rows, counted by group under a reason; raises DataError if no row is left."""
    if not gone.any():
        return dataset
    if gone.all():
        raise DataError(f"no image of {dataset.name} is left", why=f"left out: {reason}", where=dataset.source)
    out = dataset.attributes[gone]
    by_group = {str(name): level_counts(out[name], several=name in dataset.several) for name in out.columns}
    exclusion = Exclusion(reason, len(out), by_group, tuple(map(str, out.index[:10])))
    return replace(part_of(dataset, np.flatnonzero(~gone).tolist()), exclusions=(*dataset.exclusions, exclusion))


def part_of(dataset: Dataset, rows: list[int]) -> Dataset:
    """The data set with only some of its rows."""
    attributes = dataset.attributes.iloc[rows]
    texts = None if dataset.texts is None else dataset.texts.iloc[rows]
    images = image_subset(dataset.images, rows)
    return replace(dataset, images=images, attributes=attributes, texts=texts, fingerprint=fingerprint_with_texts(attributes, texts))


def listed_in(name: str, listed: Collection[str], gone: pd.DataFrame) -> Exclusion:
    """The exclusion of the images that a list names; `gone` has their attributes.

    The list is identified by the sha256 of its identifiers, one per line: equal to that of its file if this has no comments or duplicates.
    """
    sha256 = hashlib.sha256("".join(f"{identifier}\n" for identifier in listed).encode("utf-8", "surrogatepass")).hexdigest()
    by_group = {str(column): {str(k): int(v) for k, v in gone[column].value_counts().items()} for column in gone.columns}
    return Exclusion(Note("listed", {"list": name, "sha256": sha256}), len(gone), by_group, tuple(map(str, gone.index[:10])))


def stratified(dataset: Dataset, limit: int, seed: int) -> Dataset:
    """Draw at most `limit` images such that every combination of the first two attributes keeps its share.

    The draw depends on identifiers and `seed`, not on the order of the rows; the order is kept. A sample is marked as
    `limited`.
    """
    if limit < 1:
        raise UsageError(f"--limit {limit} leaves no image", fix="give a number from 1 on")
    total = len(dataset.attributes)
    if limit >= total:
        return dataset
    names = list(dataset.attributes.columns[:2])
    rows = _draw(dataset, names, limit, np.random.default_rng(seed))
    note = Note("limited", {"count": limit, "total": total, "seed": seed, "attributes": " x ".join(names)})
    return replace(part_of(dataset, rows), notes=(*dataset.notes, note), limited=True)


def whole_sets(dataset: Dataset, of: str, limit: int, seed: int) -> Dataset:
    """Draw at most `limit` images in whole sets (images with one level of the attribute `of`), at least one set, marked as `limited`.

    The draw depends on their names and the seed. Returns the same data if they have no more images.
    """
    names = dataset.attributes[of].to_numpy(object)
    if limit >= len(names):
        return dataset
    sizes = dataset.attributes[of].value_counts()
    order = [str(name) for name in np.random.default_rng(seed).permutation(sorted(set(names)))]
    fitting = int(np.searchsorted(np.cumsum([sizes[name] for name in order]), limit, side="right"))
    chosen = set(order[: max(1, fitting)])
    rows = [row for row, name in enumerate(names) if name in chosen]
    note = Note("limited_sets", {"sets": len(chosen), "count": len(rows), "total": len(names), "seed": seed})
    return replace(part_of(dataset, rows), notes=(*dataset.notes, note), limited=True)


def _draw(dataset: Dataset, names: list[str], limit: int, rng: np.random.Generator) -> list[int]:
    """The rows to keep, ascending."""
    strata: dict[tuple[str, ...], list[int]] = {}
    keys = list(zip(*(map(str, dataset.attributes[name]) for name in names), strict=True))
    for row in np.argsort(dataset.attributes.index.to_numpy(dtype=str), kind="stable").tolist():
        strata.setdefault(keys[row], []).append(row)
    ordered = [strata[key] for key in sorted(strata)]
    sizes = apportion([len(rows) for rows in ordered], limit)
    drawn = [rng.choice(rows, size, replace=False) for rows, size in zip(ordered, sizes, strict=True)]
    return sorted(int(row) for rows in drawn for row in rows)


def apportion(counts: Sequence[int], seats: int) -> list[int]:
    """Apportion `seats` to counts, in proportion, by largest remainder; ties go to the first.

    Examples
    --------
    >>> apportion([50, 30, 20], 10), apportion([1, 1, 1], 2)
    ([5, 3, 2], [1, 1, 0])
    """
    total = sum(counts)
    shares = [divmod(count * seats, total) for count in counts]
    by_remainder = sorted(range(len(counts)), key=lambda index: -shares[index][1])
    lucky = set(by_remainder[: seats - sum(whole for whole, _ in shares)])
    return [whole + (index in lucky) for index, (whole, _) in enumerate(shares)]
