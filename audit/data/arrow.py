"""Arrow tables (Parquet shards, `datasets`) as text cells: class ids become class names, booleans ``True`` and ``False``."""

from __future__ import annotations

import json
import math
import posixpath
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.data.schema import Cells, Column, Schema, check_classes, check_columns, check_distinct, source_columns
from audit.errors import DataError
from audit.types import Note
from strictio.images.decode import MAX_BYTES, UnreadableImage
from strictio.images.files import read_image
from strictio.images.lazy import LazyImages

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Features = Mapping[str, Any]
"""column -> its type as described by `datasets`: ``{"_type": "ClassLabel", "names": [...]}``."""


def hub_features(schema: pa.Schema, source: str) -> Features:
    """The metadata that `datasets` wrote into an Arrow schema about its columns; empty for files of other programs."""
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return {}
    try:
        features = json.loads(text)["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        why = "its 'huggingface' entry describes no features"
        raise DataError(f"{source} has damaged metadata", why=why, fix="write it again") from error
    return features if isinstance(features, dict) else {}


def from_frame(frame: pd.DataFrame, source: str) -> pa.Table:
    """A data frame as the table that `DataFrame.to_parquet` writes: a named index becomes a column."""
    import pyarrow as pa

    names = [str(name) for name in frame.columns]
    check_distinct(names, source)
    try:
        return pa.Table.from_pandas(_with_text_for_intervals(frame.set_axis(names, axis=1)))
    except (pa.ArrowException, TypeError, ValueError) as error:
        why = " ".join(map(str, error.args))[:300]
        raise DataError(f"cannot read the {source}", why=why, fix="give each column values of one kind: text or numbers") from error


def _with_text_for_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose intervals, as `pandas.cut` returns them, are text such as ``(20, 30]``, as its CSV file has them."""
    import pandas as pd

    kinds = {name: kind.categories.dtype if isinstance(kind, pd.CategoricalDtype) else kind for name, kind in frame.dtypes.items()}
    intervals = [name for name, kind in kinds.items() if isinstance(kind, pd.IntervalDtype)]
    return frame.assign(**{str(name): frame[name].astype(object).map(str, na_action="ignore") for name in intervals})


def embedded_column(schema: Schema, table: pa.Schema) -> str | None:
    """The column that contains the images themselves, as bytes or as ``{bytes, path}``; None if there is no such column."""
    embedded = [name for name in table.names if _holds_images(table.field(name).type)]
    named = [name for name in schema.image_columns if name in table.names]
    # If there is a column of image names, bytes in another column may be anything (an embedding, say).
    return next((name for name in named if name in embedded), None if named or not embedded else embedded[0])


def _holds_images(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_binary(field.type) for field in kind)
    return _is_binary(kind)


def names_images(kind: pa.DataType) -> bool:
    """Whether an image column stores a name with each image."""
    import pyarrow as pa

    return bool(pa.types.is_struct(kind)) and any(field.name == "path" for field in kind)


def _is_binary(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def text_columns(schema: Schema, table: pa.Schema, source: str) -> list[str]:
    """The columns to read as text: the attributes, and the image column if it contains names; raises DataError for nested attributes."""
    import pyarrow as pa

    nested = [name for name in table.names if pa.types.is_nested(table.field(name).type) or _is_binary(table.field(name).type)]
    if unreadable := [name for column in schema.columns for name in column.sources if name in nested]:
        what = f"the column {unreadable[0]!r} holds {table.field(unreadable[0]).type}"
        raise DataError(what, where=source, why="expected text, one value per image", fix="write it as text")
    names = [name for name in table.names if name not in nested]
    check_columns(schema, names, source)
    images = [name for name in schema.image_columns if name in names]
    return [*source_columns(schema, names), *images]


def cells(table: pa.Table, described: Features, schema: Schema, source: str) -> Cells:
    """An Arrow table of plain columns as text; rows are numbered from 1."""
    columns = {name: column for column in schema.columns if column.counts is None for name in column.sources}
    texts = {}
    for name in table.column_names:
        names = class_names(described, name)
        if names is not None:
            check_classes(columns.get(name, Column(name)), names, source)
        what = f"the column {name!r} of {source}"
        try:
            values = table.column(name).to_pylist()
        except (OverflowError, ValueError) as error:  # such as a date after the year 9999
            raise DataError(f"{what} holds a value that cannot be read", why=str(error)[:200], fix="write it as text") from error
        texts[name] = _texts(values, names, what)
    return Cells(texts, range(1, table.num_rows + 1), source, "row")


def class_names(described: Features, column: str) -> list[str] | None:
    """The class names of a ClassLabel column by id, or None for another column."""
    kind = described.get(column)
    if not isinstance(kind, dict) or kind.get("_type") != "ClassLabel":
        return None
    names = kind.get("names")
    return list(map(str, names)) if isinstance(names, list) else None


def _texts(values: Sequence[Any], names: Sequence[str] | None, what: str) -> list[str]:
    if names is None:  # each cell as a CSV file would have it
        return ["" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value) for value in values]
    texts: dict[int | None, str] = {None: "", -1: "", **dict(enumerate(names))}  # -1 is what `datasets` writes for "no label"
    if strange := [value for value in values if value not in texts]:
        raise DataError(f"{what} holds the class id {strange[0]!r}", why=f"it has {len(names)} class names", fix="write the data again")
    return [texts[value] for value in values]


def image_ids(schema: Schema, texts: Mapping[str, Sequence[str]], stored: Sequence[str | None]) -> tuple[list[str], tuple[Note, ...]]:
    """Identifiers of embedded images: a column of names if there is one, else the names `stored` with the images."""
    named = next((texts[name] for name in schema.image_columns if name in texts), None)
    return ([row_id(name) for name in named], ()) if named is not None and all(named) else row_ids(stored)


def row_id(path: str) -> str:
    """An image's name without parts that are specific to a machine: for an absolute path only the last part."""
    return posixpath.basename(path) if path.startswith("/") else posixpath.normpath(path)


def row_ids(paths: Sequence[str | None]) -> tuple[list[str], tuple[Note, ...]]:
    """Identifiers of images in a container, and a note if their names are missing or not unique.

    Examples
    --------
    >>> row_ids(["train/1.jpg", "/cache/2.jpg"])
    (['train/1.jpg', '2.jpg'], ())
    >>> row_ids(["1.jpg", "1.jpg"])
    (['1', '2'], (Note(code='numbered_images', values={}),))
    """
    named = [row_id(path) for path in paths if path]
    if len(set(named)) == len(paths):
        return named, ()
    return list(map(str, range(1, len(paths) + 1))), (Note("numbered_images"),)


def images_in_groups(sizes: Sequence[int], read: Callable[[int], pa.ChunkedArray], roots: Sequence[Path]) -> LazyImages:
    """The images in row groups of these sizes; `read` returns the cells of a group, and one group at a time is held in memory."""
    starts, lock, cells = list(accumulate(sizes, initial=0)), threading.Lock(), lru_cache(maxsize=1)(read)

    def image(position: int) -> bytes:
        group = bisect_right(starts, position) - 1
        with lock:
            cell = cells(group)[position - starts[group]].as_py()
        return image_content(cell, roots)

    return LazyImages(starts[-1], image)


def image_content(cell: Any, roots: Sequence[Path]) -> bytes:
    """The image of an embedded cell: its bytes (at most 64 MiB), or the file that it names under one of `roots`."""
    data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
    if data is not None:
        if len(data) > MAX_BYTES:
            raise UnreadableImage("too large")
        return bytes(data)
    if not path or not roots:
        raise UnreadableImage("missing file")
    if not Path(path).is_absolute():
        return read_image(roots[0], path)
    inside = next((root for root in roots if Path(path).is_relative_to(root)), None)
    if inside is None:
        raise UnreadableImage("forbidden path")
    return read_image(inside, Path(path).relative_to(inside).as_posix())
