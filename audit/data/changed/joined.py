"""Joins additional attributes, or captions, from a separate table by image identifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from audit.data.assemble import fingerprint_with_texts, first_rows
from audit.data.schema import IMAGE_COLUMNS, Cells, Schema, image_column, quoted, read
from audit.data.table import read_cells
from audit.errors import DataError
from audit.types import UNKNOWN, Dataset, Note

ID_COLUMNS = ("id", *IMAGE_COLUMNS)
"""Names of columns that may identify an image."""
CAPTION = "caption"


def with_attributes(dataset: Dataset, path: Path, encoding: str | None = None) -> Dataset:
    """Add every other column of a table as an attribute; an image that is missing from the table gets `UNKNOWN`.

    Images are matched by identifier or, if none of these occurs in the table, by file name. Raises DataError if no image matches, two
    rows for an image disagree, or the data already have an attribute of that name.
    """
    cells = read_cells(path, encoding)
    schema = Schema(image_columns=ID_COLUMNS)
    column = image_column(schema, list(cells.columns), cells.place)
    attributes = read(schema, cells)
    if taken := [name for name in attributes.columns if name in dataset.attributes.columns]:
        why, fix = f"{dataset.name} has an attribute of this name", "rename the column, or take it out of the table"
        raise DataError(f"the column {quoted(taken[0])} of {cells.place} is there already", why=why, fix=fix)
    ids = cells.columns[column]
    rows = first_rows(ids, attributes, cells)
    places, by_name = _places(dataset, [ids[row] for row in rows])
    matched = [row for row in places if row is not None]
    if not matched:
        raise _names_no_image(dataset, cells, column)
    joined = {name: [UNKNOWN if row is None else values[rows[row]] for row in places] for name, values in attributes.columns.items()}
    together = dataset.attributes.assign(**joined).astype("str")
    missing = {name: UNKNOWN in values for name, values in joined.items()}
    levels = {name: (*level, UNKNOWN) if missing[name] and UNKNOWN not in level else level for name, level in attributes.levels.items()}
    note = Note(
        "joined_attributes",
        {
            "table": cells.place, "attributes": tuple(map(quoted, joined)), "found": len(matched), "total": len(places),
            "unused": len(rows) - len(set(matched)), "by": "the names of their files" if by_name else "their identifiers",
        },
    )  # fmt: skip
    return replace(
        dataset,
        attributes=together,
        levels={**dataset.levels, **levels},
        fingerprint=fingerprint_with_texts(together, dataset.texts),
        notes=(*dataset.notes, *attributes.notes, note),
    )


def captions_by_image(dataset: Dataset, path: Path, encoding: str | None = None) -> list[tuple[str, ...]]:
    """The captions of each image in a table with a column `CAPTION`; several rows for an image are several captions.

    Images are matched as in `with_attributes`. Raises DataError if the table lacks a column, or names no image.
    """
    cells = read_cells(path, encoding)
    column = image_column(Schema(image_columns=ID_COLUMNS), list(cells.columns), cells.place)
    if CAPTION not in cells.columns:
        why = f"its columns are {', '.join(map(quoted, list(cells.columns)[:10]))}"
        raise DataError(f"{cells.place} has no column {CAPTION!r}", why=why, fix="name the column of the captions so")
    captions: dict[str, list[str]] = {}
    for name, caption in zip(cells.columns[column], cells.columns[CAPTION], strict=True):
        if caption.strip():
            captions.setdefault(name, []).append(caption.strip())
    names = list(captions)
    places, _ = _places(dataset, names)
    if all(place is None for place in places):
        raise _names_no_image(dataset, cells, column)
    return [() if place is None else tuple(captions[names[place]]) for place in places]


def _names_no_image(dataset: Dataset, cells: Cells, column: str) -> DataError:
    why = f"it has {quoted(cells.columns[column][0])}, the data have {quoted(str(dataset.attributes.index[0]))}"
    fix = f"give the identifiers of the data in the column {column!r}"
    return DataError(f"{cells.place} names no image of {dataset.name}", why=why, fix=fix)


def _places(dataset: Dataset, ids: Sequence[str]) -> tuple[list[int | None], bool]:
    """Index of each image among `ids` (None if missing), and whether matches are by file name only."""
    own = [str(name) for name in dataset.attributes.index]
    places = _placed(own, {name: index for index, name in enumerate(ids)})
    if any(index is not None for index in places):
        return places, False
    names, file_names = [name.rpartition("/")[2] for name in own], [name.rpartition("/")[2] for name in ids]
    if len(set(names)) < len(names) or len(set(file_names)) < len(file_names):
        return places, False  # a file name that two images share identifies neither
    return _placed(names, {name: index for index, name in enumerate(file_names)}), True


def _placed(names: Sequence[str], places: Mapping[str, int]) -> list[int | None]:
    return [places.get(name) for name in names]
