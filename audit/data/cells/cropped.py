"""Turns rows about boxes in images into rows about crops; rows without a usable box are left out and counted by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from audit.data.cells.boxes import Box, Region, read_boxes
from audit.data.cells.crops import crops
from audit.data.cells.votes import level_counts
from audit.data.schema import Attributes, Cells
from audit.errors import DataError
from audit.types import Exclusion, Note
from strictio.images.lazy import LazyImages

PICTURE = "picture"
"""The attribute that says which image a crop is from: crops from one image form a cluster."""
_EXAMPLES = 10


def cropped(
    images: Sequence[bytes], ids: Sequence[str], attributes: Attributes, cells: Cells, box: Box
) -> tuple[LazyImages, list[str], Attributes, Cells, tuple[Exclusion, ...]]:
    """The crops of the rows that have a box, their identifiers, their attributes with `picture`, and the rows left out.

    A crop is identified by its image and box: ``1.jpg#10,20,30,40`` (numbers as in the table). Raises DataError if no row has a box.
    """
    boxes = read_boxes(box, cells.columns, cells.where, cells.place)
    rows = [row for row, region in enumerate(boxes) if not isinstance(region, str)]
    if not rows:
        why = ", ".join(f"{count} with {reason}" for reason, count in Counter(map(str, boxes)).items())
        raise DataError(f"no row of {cells.place} has a box that can be used", why=why, fix="check the columns of the box")
    regions = [region for region in boxes if not isinstance(region, str)]
    pictures = [ids[row] for row in rows]
    columns = {name: [values[row] for row in rows] for name, values in attributes.columns.items()}
    kept = replace(attributes, columns={**columns, PICTURE: pictures})
    return (
        crops(lambda index: images[rows[index]], pictures, regions, box),
        _named(pictures, regions, list(zip(*columns.values(), strict=True)) if columns else [()] * len(rows)),
        kept,
        replace(cells, columns={}, numbers=[cells.numbers[row] for row in rows]),
        _left_out(boxes, ids, attributes),
    )


def _named(pictures: Sequence[str], regions: Sequence[Region], labels: Sequence[tuple[str, ...]]) -> list[str]:
    """A name for each crop that does not depend on the order of the rows; two people with the same box get different names."""
    names = [f"{picture}#{','.join(f'{edge:g}' for edge in region)}" for picture, region in zip(pictures, regions, strict=True)]
    labels_of: dict[str, list[tuple[str, ...]]] = {}
    for name, label in zip(names, labels, strict=True):
        labels_of.setdefault(name, []).append(label)
    several = {name: sorted(set(values)) for name, values in labels_of.items() if len(set(values)) > 1}
    return [f"{name} ({several[name].index(label) + 1})" if name in several else name for name, label in zip(names, labels, strict=True)]


def _left_out(boxes: Sequence[Region | str], ids: Sequence[str], attributes: Attributes) -> tuple[Exclusion, ...]:
    reasons: dict[str, list[int]] = {}
    for row, reason in enumerate(boxes):
        if isinstance(reason, str):
            reasons.setdefault(reason, []).append(row)
    return tuple(
        Exclusion(Note(reason.replace(" ", "_")), len(rows), _by_level(attributes, rows), tuple(ids[row] for row in rows[:_EXAMPLES]))
        for reason, rows in sorted(reasons.items())
    )


def _by_level(attributes: Attributes, rows: Sequence[int]) -> dict[str, dict[str, int]]:
    """Count rows by attribute and level; a row with several values counts for each of them."""
    return {
        name: level_counts((values[row] for row in rows), several=name in attributes.several) for name, values in attributes.columns.items()
    }
