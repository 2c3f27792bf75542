"""Tables of `datasets`: class ids become class names, media are not read; folders of `save_to_disk`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from audit.data.arrow import class_names, hub_features
from audit.data.hub import is_saved, saved_table
from audit.data.schema import quoted
from audit.errors import DataError
from strictio.tables.parquet import parquet_schema, read_parquet

_MEDIA = ("Image", "Audio", "Video", "Pdf")
_DICTIONARY = "dataset_dict.json"
_NO_CLASS = -1
"""The class id of a row whose class is not known."""


def read_classes(path: Path) -> pa.Table:
    """Read a Parquet file; columns of classes become text, and media are left out if `datasets` described them."""
    schema = parquet_schema(path)
    features = hub_features(schema, path.name)
    media = {name for name, kind in features.items() if isinstance(kind, dict) and kind.get("_type") in _MEDIA}
    return with_class_names(
        read_parquet(path, [name for name in schema.names if name not in media] if media else None), features, path.name
    )


def is_saved_folder(path: Path) -> bool:
    """Whether `save_to_disk` wrote a folder."""
    return path.is_dir() and is_saved(path)


def read_saved_folder(folder: Path) -> pa.Table:
    """Read a folder that `save_to_disk` wrote, without its media; raises DataError for one with several splits."""
    if (folder / _DICTIONARY).is_file():
        splits = sorted(path.parent.name for path in folder.glob("*/state.json"))
        why = f"it has the splits {', '.join(map(quoted, splits[:20]))}, which are different data"
        raise DataError(
            f"{folder.name} holds several splits", why=why, fix=f"name one: --predictions {folder.name}/{(splits or ['test'])[-1]}"
        )
    table, features = saved_table(folder, _MEDIA)
    return with_class_names(table, features, folder.name)


def with_class_names(table: pa.Table, features: Mapping[str, Any], source: str) -> pa.Table:
    """Replace class ids by their names; -1 is an empty cell. Raises DataError for an id without a name."""
    for position, name in enumerate(table.column_names):
        names = class_names(features, name)
        if names is not None and pa.types.is_integer(table[name].type):
            table = table.set_column(position, name, _named(table[name], names, f"{source}: the column {quoted(name)}"))
    return table


def text_schema(schema: pa.Schema, source: str) -> pa.Schema:
    """The schema after `with_class_names`."""
    features = hub_features(schema, source)
    for position, field in enumerate(schema):
        if class_names(features, field.name) is not None and pa.types.is_integer(field.type):
            schema = schema.set(position, field.with_type(pa.string()))
    return schema


def _named(column: pa.ChunkedArray, names: list[str], what: str) -> pa.ChunkedArray:
    ids = pc.if_else(pc.equal(column, _NO_CLASS), None, column)
    ends = pc.min_max(ids).as_py()
    if ends["min"] is not None and not 0 <= ends["min"] <= ends["max"] < len(names):
        bad = ends["min"] if ends["min"] < 0 else ends["max"]
        raise DataError(f"{what} holds the class {bad}", why=f"it has {len(names)} names", fix="write the data again")
    return pa.chunked_array([pa.array(names, pa.string()).take(ids.combine_chunks().cast(pa.int64()))])
