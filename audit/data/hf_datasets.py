"""Converts a `datasets.Dataset`: images stay encoded, class ids become names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audit.data import arrow
from audit.data.assemble import Origin, assemble
from audit.data.schema import Schema, quoted, with_known_columns
from audit.errors import DataError, UsageError
from audit.types import Dataset
from strictio.images.lazy import LazyImages
from strictio.tables.parquet import check_utf_8
from strictio.tables.parquet_child import first_line


def from_datasets(data: Any, schema: Schema, origin: Origin, roots: Sequence[Path]) -> Dataset:
    """Convert a `datasets.Dataset`; images stay encoded, and images stored as paths must lie under `roots`."""
    import datasets

    _check_values(data)
    described = data.features.to_dict()
    for name, kind in data.features.items():
        data = data.cast_column(name, datasets.Image(decode=False)) if isinstance(kind, datasets.Image) else data
    columns, source = data.features.arrow_schema, origin.source
    embedded = arrow.embedded_column(schema, columns)
    if embedded is None:
        why = f"found the columns: {', '.join(columns.names)}"
        raise DataError(f"{source} has no column of images", why=why, fix="give a label table beside its images: --data FILE.csv")
    schema, alike = with_known_columns(schema, columns.names, embedded=True)
    texts = arrow.text_columns(schema, columns, source)
    cells = arrow.cells(_table(data, texts), described, schema, source)
    ids, notes = arrow.image_ids(schema, cells.columns, _stored_names(data, embedded))
    stored = data.select_columns([embedded])
    _check_values(stored, text=True)
    images = LazyImages(len(stored), lambda row: arrow.image_content(stored[row][embedded], roots))
    return assemble(images, ids, cells, schema, replace(origin, notes=(*origin.notes, *alike, *notes)))


def from_object(data: Any, schema: Schema, origin: Origin, image_root: Path | None) -> Dataset:
    """Convert a `datasets.Dataset` of the caller, in its order; images that it stores as paths may lie anywhere.

    Relative paths are relative to `image_root` (None: the working directory). Raises UsageError for other objects, with the way to a
    `Dataset`.
    """
    import datasets

    if isinstance(data, datasets.DatasetDict | datasets.IterableDatasetDict):
        names = list(map(repr, data))
        fix = f"name one: data=datasets[{names[0]}]"
        raise UsageError("the data are several datasets", why=f"the splits are {', '.join(names)}", fix=fix)
    if isinstance(data, datasets.IterableDataset):
        fix = "load it without streaming=True, or take its first rows: Dataset.from_list(list(data.take(1000)), features=data.features)"
        raise UsageError("the dataset is streamed", why="an audit reads its images in any order", fix=fix)
    if not isinstance(data, datasets.Dataset):
        what, fix = f"data of type {type(data).__name__}", "pd.DataFrame(...)"
        raise UsageError(what, why="expected a location, a pandas data frame or a datasets.Dataset", fix=fix)
    root = image_root or Path.cwd()
    return from_datasets(data.with_format(None), schema, origin, [root, Path(root.absolute().anchor)])


def _check_values(data: Any, *, text: bool = False) -> None:
    """Raise `DataError` if offsets point outside the file: reading such a value would crash the process. `text`: also if not UTF-8.

    For the text columns that are read, `check_utf_8` names the row.
    """
    import pyarrow as pa

    for name, column in zip(data.data.column_names, data.data.columns, strict=True):
        try:
            for chunk in column.chunks:
                chunk.validate(full=True)
        except pa.ArrowInvalid as error:
            if text or "UTF8" not in str(error):
                where = f"column {quoted(name)}"
                raise DataError("the saved data are damaged", where=where, why=first_line(error), fix="save them again") from error


def checked_table(data: Any, columns: Sequence[str]) -> Any:
    """Columns of a saved `datasets.Dataset` as an Arrow table; raises DataError if a value lies outside the file, or is not UTF-8."""
    selected = data.select_columns(list(columns))
    _check_values(selected)
    return _table(selected, columns)


def _stored_names(data: Any, column: str) -> list[str | None]:
    if not arrow.names_images(data.features.arrow_schema.field(column).type):
        return [None] * len(data)
    return list(_table(data.select_columns([column]).flatten(), [f"{column}.path"]).column(0).to_pylist())


def _table(data: Any, columns: Sequence[str]) -> Any:
    table = data.select_columns(list(columns)).with_format("arrow")[:]
    check_utf_8(table, "the saved data")
    return table
