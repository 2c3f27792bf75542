"""Entry point for all data sources: a table, a folder, the hub."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from audit.data.arrow import embedded_column
from audit.data.assemble import Origin
from audit.data.croissant import is_croissant, read_croissant
from audit.data.hub import SPELLING, HubSource, is_saved, load_hub, load_local, parse_location
from audit.data.parquet import load_parquet
from audit.data.schema import Schema, quoted, with_columns, with_image_column, with_known_columns
from audit.data.shards import parquet_files
from audit.data.streams.remote import load_url
from audit.data.streams.webdataset import is_web_dataset, load_web_dataset, tar_files
from audit.data.table import DataLocation, read_cells, with_files
from audit.errors import DataError, UsageError, nearest
from audit.types import Dataset, Note
from strictio.streams.sources import is_url, open_source
from strictio.tables import EXPECTED, PARQUET, TEXT, check_encoding, column_names, ending_of, is_table, not_a_table
from strictio.tables.parquet import parquet_schema

if TYPE_CHECKING:
    import datasets
    import pandas as pd

_EXPECTED = f"a folder, a table ({EXPECTED}), tar shards ({{000000..000127}}.tar), a URL of one of them, or {SPELLING}"


def load_dataset(
    location: str | os.PathLike[str] | pd.DataFrame | datasets.Dataset | None,
    schema: Schema,
    *,
    hub: HubSource | None = None,
    name: str,
    licence: str,
) -> Dataset:
    """Load the data set at `location` according to `schema` (``Schema()``: every column except the image's is an attribute).

    `location` is ``hf:ORG/NAME[@REVISION][:CONFIG[/SPLIT]]``, a table file, or a folder, which is searched for the output of
    `save_to_disk`, then a label table beside its images, then Parquet shards. A data frame or a `datasets.Dataset` has a column
    of paths or of images (`audit.data.frame.load_held`). A ``croissant.json`` names the table, its licence and its known biases
    (`audit.data.croissant`). A `DataLocation` also says how to read a table. Tar shards as of webdataset
    (``{000000..000127}.tar``) and URLs are streamed (`audit.data.streams`). None: `hub`, which also says what to read from a folder in the
    hub's layout. If a folder has several label tables, the first in `Schema.label_files` is read; else the only one; else the one whose
    name contains validation, test or train, in this order; a note says which.

    Raises UsageError without a location or for a malformed ``hf:`` location, DataError if nothing is found, or the data cannot be read or
    do not follow the schema, MachineError if the hub is needed and cannot be reached.
    """
    if location is None:
        if hub is None:
            raise UsageError(f"no location for the data {name!r}", fix=f"--data with {_EXPECTED}")
        return load_hub(hub, schema, name=name, licence=licence)
    if isinstance(location, DataLocation):
        source = location
    else:
        source = DataLocation(os.fspath(location)) if isinstance(location, str | os.PathLike) else DataLocation("", held=location)
    schema = with_image_column(schema, source.image_column) if source.image_column else schema
    schema = with_columns(schema, source.columns) if source.columns else schema
    if source.held is not None:
        from audit.data.frame import load_held

        return load_held(source, schema, name, licence=licence)
    if source.path.startswith("hf:") and not is_url(source.path):
        _check_table_options(source, "a data set of the hub")
        return load_hub(parse_location(source.path, hub), schema, name=name, licence=licence)
    if source.path.lower().startswith("file://"):
        source = replace(source, path=unquote(urlsplit(source.path).path))
    if is_url(source.path) or is_web_dataset(source.path):
        _check_streamed(source)
        return load_url(source.path, schema, name=name, licence=licence, encoding=source.encoding)
    path = Path(source.path)
    if path.is_dir():
        return _load_folder(source, schema, hub, name, licence)
    if path.is_file():
        return _load_file(source, schema, name, licence)
    raise _nothing_at(source.path)


def _load_file(location: DataLocation, schema: Schema, name: str, licence: str) -> Dataset:
    path = Path(location.path)
    if not is_croissant(path):
        return load_table(location, schema, name, licence=licence)
    stated = read_croissant(path)
    return stated.said_of(load_table(replace(location, path=str(stated.table)), schema, name))


def load_table(location: DataLocation, schema: Schema, name: str, *, licence: str = "not stated", notes: tuple[Note, ...] = ()) -> Dataset:
    """Load the data set of a table; `notes` are added to its own.

    Image paths are relative to the file's folder or, if nothing is found there, to its parent folder. A Parquet file may contain the images
    themselves, in a column of ``{bytes, path}`` as written by `datasets`.
    """
    path = Path(location.path)
    origin = Origin(name, f"the table {path.name}", licence, notes)
    check_encoding(path, location.encoding)
    if ending_of(path) in PARQUET:
        _check_image_column(location, parquet_schema(path).names)
        return load_parquet([path], path.parent, schema, origin, location.image_root)
    if ending_of(path) in TEXT:
        cells = read_cells(path, location.encoding)
        _check_image_column(location, list(cells.columns))
        return with_files(cells, path.parent, schema, origin, location.image_root)
    raise not_a_table(path, ", or a folder")


def _check_image_column(location: DataLocation, names: Sequence[str]) -> None:
    if location.image_column is not None and location.image_column not in names:
        what = f"{Path(location.path).name} has no column {quoted(location.image_column)}"
        raise UsageError(what, where="--image-column", fix=nearest(location.image_column, names))


def _check_streamed(location: DataLocation) -> None:
    if is_web_dataset(location.path):
        _check_table_options(location, "tar shards")
    elif location.image_root is not None:
        raise UsageError("--image-root cannot be used with a URL", why="images lie beside the table that it names", fix="leave it out")


def _check_table_options(location: DataLocation, what: str) -> None:
    for flag, value in (("--encoding", location.encoding), ("--image-root", location.image_root)):
        if value is not None:
            raise UsageError(f"{flag} cannot be used with {what}", why="it says how a table is read", fix="leave it out")


def _nothing_at(location: str) -> DataError:
    exists = "\0" not in location and Path(location).exists()
    on_hub = re.fullmatch(r"[\w.-]+/[\w.-]+", location) is not None and not exists
    why = f"{'it is neither a file nor a folder' if exists else 'it does not exist'}; expected {_EXPECTED}"
    return DataError(f"no data at {location!r}", why=why, fix=f"check the path{f', or for the hub write hf:{location}' if on_hub else ''}")


def _load_folder(location: DataLocation, schema: Schema, hub: HubSource | None, name: str, licence: str) -> Dataset:
    folder = Path(location.path)
    table, others = (None, []) if is_saved(folder) else label_table(folder, schema)
    if table is not None:
        note = Note("label_table_of_several" if others else "label_table", {"table": table.name, "others": tuple(others)})
        return load_table(replace(location, path=str(table)), schema, name, licence=licence, notes=(note,))
    if is_saved(folder) or parquet_files(folder):
        _check_table_options(location, "images that the data hold")
        return load_local(folder, schema, name=name, licence=licence, wanted=hub)
    if shards := tar_files(folder):
        _check_table_options(location, "tar shards")
        return load_web_dataset([open_source(str(shard)) for shard in shards], schema, name=name, licence=licence)
    names = sorted(path.name for path in folder.iterdir())
    why = f"found {', '.join(names[:10])}{' ...' if len(names) > 10 else ''}" if names else "it is empty"
    fix = "write a table (CSV, Parquet …) into it, one row per image, with a column image (its path) and one column per attribute"
    raise DataError(f"no label table in the folder {str(folder)!r}", why=why, fix=fix)


def label_table(folder: Path, schema: Schema) -> tuple[Path | None, list[str]]:
    """The label table of a folder, if it has one, and the names of the other candidates."""
    tables = sorted(path for path in folder.iterdir() if is_table(path) and path.is_file())
    fitting = [path for path in tables if _fits(_table_columns(path, schema), schema)]
    if not fitting:
        texts = [path for path in tables if ending_of(path) not in PARQUET]
        return (texts[0] if len(texts) == 1 else None), []  # reading the only one reports what is wrong with it
    ranked = sorted(fitting, key=lambda path: _rank(path.name, schema))
    if len(ranked) > 1 and _rank(ranked[0].name, schema) == _rank(ranked[1].name, schema):
        names = ", ".join(path.name for path in ranked)
        what, fix = f"several label tables in the folder {str(folder)!r}", f"--data {folder}/{ranked[0].name}"
        raise DataError(what, why=f"found {names}", fix=fix)
    return ranked[0], [path.name for path in ranked[1:]]


def _rank(name: str, schema: Schema) -> int:
    """Rank of a label table in the order of preference; the lowest is read."""
    words = re.split(r"[^a-z]+", name.lower())
    splits = ({"val", "validation", "valid", "dev"}, {"test"}, {"train"})
    preferred = [*(name == file for file in schema.label_files), *(not split.isdisjoint(words) for split in splits), True]
    return preferred.index(True)


def _table_columns(path: Path, schema: Schema) -> Sequence[str]:
    """The columns of a table that names its images; empty for Parquet with embedded images, and for unreadable files."""
    if ending_of(path) not in PARQUET:
        return column_names(path)
    try:
        columns = parquet_schema(path)
    except DataError:
        return []
    return [] if embedded_column(schema, columns) else list(columns.names)


def _fits(columns: Sequence[str], schema: Schema) -> bool:
    schema, _ = with_known_columns(schema, columns)
    required = {name for column in schema.columns if not column.optional for name in column.sources}
    return required <= set(columns) and any(name in columns for name in schema.image_columns)
