"""Entry point for all data sources: a table, a folder, the hub."""

from __future__ import annotations

import io
import os
import re
import shlex
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pandas as pd
from PIL import ExifTags, Image

from audit.data import arrow
from audit.data.arrow import embedded_column
from audit.data.assemble import Origin, assemble
from audit.data.croissant import is_croissant, read_croissant
from audit.data.hub import SPELLING, HubSource, is_saved, load_hub, load_local, parse_location
from audit.data.schema import Schema, check_distinct, counted, image_column, quoted, with_columns, with_image_column, with_known_columns
from audit.data.shards import load_parquet, parquet_files
from audit.data.splits import folder_with_data, no_splits, read_splits, split_folders, splits_note
from audit.data.streams.remote import load_url
from audit.data.streams.webdataset import is_web_dataset, load_web_dataset, tar_files
from audit.data.table import DataLocation, read_cells, with_files
from audit.errors import DataError, UsageError, nearest
from audit.types import Dataset, Group, Note
from strictio.images.decode import UnreadableImage, pillow_errors
from strictio.images.lazy import LazyImages
from strictio.streams.sources import is_url, open_source
from strictio.tables import EXPECTED, PARQUET, TEXT, check_encoding, column_names, ending_of, is_table, not_a_table
from strictio.tables.parquet import parquet_schema

if TYPE_CHECKING:
    import datasets
    import pandas as pd

# Reads a pandas data frame or a `datasets.Dataset` with a column of image paths or images, as strictly as a file.


PLACE = "data frame"
"""Its name in messages and results."""
_PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


def load_held(source: DataLocation, schema: Schema, name: str, *, licence: str = "not stated") -> Dataset:
    """Build the data set of a data frame or of a `datasets.Dataset`; raises the same errors as for a file."""
    held, root = source.held, source.image_root
    columns = held.columns if isinstance(held, pd.DataFrame) else getattr(held, "column_names", None) or ()
    if source.image_column is not None and source.image_column not in map(str, columns):
        what = f"the {PLACE if isinstance(held, pd.DataFrame) else 'Dataset'} has no column {source.image_column!r}"
        raise UsageError(what, where="--image-column", fix=nearest(source.image_column, map(str, columns)))
    if isinstance(held, pd.DataFrame):
        return load_frame(held, schema, name, licence=licence, image_root=root)
    from audit.data.hf_datasets import from_object

    return from_object(held, schema, Origin(name, "a datasets.Dataset", licence), root)


def load_frame(frame: pd.DataFrame, schema: Schema, name: str, *, licence: str = "not stated", image_root: Path | None = None) -> Dataset:
    """Build the data set of a data frame with one row per image.

    Its image column has paths (absolute, or relative to `image_root`; None: the working directory) or images: PIL images, encoded bytes,
    ``{bytes, path}``. A named index is a column like the others.
    """
    origin = Origin(name, "a data frame", licence)
    frame = frame.set_axis([str(column) for column in frame.columns], axis=1)
    check_distinct(list(frame.columns), PLACE)
    schema, alike = with_known_columns(schema, [*map(str, frame.index.names), *frame.columns])
    held = next((column for column in (*schema.image_columns, *frame.columns) if column in frame and _holds_images(frame[column])), None)
    table = arrow.from_frame(_with_text_paths(frame.drop(columns=held) if held else frame, schema), PLACE)
    cells = arrow.cells(table.select(arrow.text_columns(schema, table.schema, PLACE)), {}, schema, PLACE)
    if held is None:
        column = image_column(schema, list(cells.columns), PLACE)
        folder, names = _relative(cells.columns[column]) if image_root is None else (Path(), cells.columns[column])
        origin = replace(origin, notes=alike)
        return with_files(replace(cells, columns={**cells.columns, column: names}), folder, schema, origin, image_root)
    images = frame[held].tolist()
    ids, notes = arrow.image_ids(schema, cells.columns, [_stored_name(image) for image in images])
    return assemble(_lazy(images, image_root or Path.cwd()), ids, cells, schema, replace(origin, notes=(*alike, *notes)))


def _lazy(cells: Sequence[Any], root: Path) -> LazyImages:
    """The images in cells: PIL images, bytes, or ``{bytes, path}`` as stored by `datasets`, with paths below `root`."""
    lock = threading.Lock()

    def read(position: int) -> bytes:
        cell = cells[position]
        if isinstance(cell, Image.Image):
            with lock:  # Pillow decodes lazily, and several rows may share one image object
                return _png(cell)
        return arrow.image_content(cell if isinstance(cell, bytes | dict) else None, [root])

    return LazyImages(len(cells), read)


def _holds_images(column: pd.Series) -> bool:
    first = column.dropna().head(1).tolist()
    return bool(first) and isinstance(first[0], Image.Image | bytes | dict)


def _stored_name(image: object) -> str | None:
    """The file name that an image has: from PIL, or stored by `datasets`."""
    name = image.get("path") if isinstance(image, dict) else getattr(image, "filename", None)
    return str(name) if name else None


def _with_text_paths(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The frame with `Path` objects converted to text."""
    named = [column for column in schema.image_columns if column in frame and frame[column].dtype == object]
    return frame.assign(**{column: [os.fspath(p) if isinstance(p, os.PathLike) else p for p in frame[column]] for column in named})


def _relative(names: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """Base folder and relative paths: if all are absolute, the base is their deepest common folder."""
    if not names or not all(map(os.path.isabs, names)):
        return Path(), names
    folder = os.path.commonpath([Path(os.path.normpath(name)).parent for name in names])
    return Path(folder), [os.path.relpath(name, folder) for name in names]


def _png(image: Image.Image) -> bytes:
    """Encode an image losslessly, with the camera's orientation applied."""
    if image.mode == "F":
        raise UnreadableImage("pixel format not accepted")
    buffer = io.BytesIO()
    with pillow_errors(b""):
        turned = {"exif": image.getexif()} if image.getexif().get(ExifTags.Base.Orientation, 1) != 1 else {}
        (image if image.mode in _PNG_MODES else image.convert("RGB")).save(buffer, "PNG", compress_level=1, **turned)
    return buffer.getvalue()


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
    `save_to_disk`, then a label table beside its images, then Parquet shards, then one folder per split with a table each
    (`audit.data.splits`). A data frame or a `datasets.Dataset` has a column of paths or of images (`audit.data.load.load_held`). A
    ``croissant.json`` names the table, its licence and its known biases
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
    _check_splits(source)
    if source.held is not None:
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


def _check_splits(location: DataLocation) -> None:
    if location.splits and (location.held is not None or not Path(location.path).is_dir()):
        raise no_splits(location.path or PLACE)


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
    if location.splits and (table or is_saved(folder) or parquet_files(folder) or tar_files(folder)):
        raise no_splits(str(folder))
    if table is not None:
        note = Note("label_table_of_several" if others else "label_table", {"table": table.name, "others": tuple(others)})
        return load_table(replace(location, path=str(table)), schema, name, licence=licence, notes=(note,))
    if is_saved(folder) or parquet_files(folder):
        _check_table_options(location, "images that the data hold")
        return load_local(folder, schema, name=name, licence=licence, wanted=hub)
    if shards := tar_files(folder):
        _check_table_options(location, "tar shards")
        return load_web_dataset([open_source(str(shard)) for shard in shards], schema, name=name, licence=licence)
    if tables := split_tables(folder, schema, location.splits):
        return _load_splits(tables, location, schema, Origin(name, f"{counted(len(tables), 'split')} of a folder", licence))
    names = sorted(path.name for path in folder.iterdir())
    why = f"found {', '.join(names[:10])}{' ...' if len(names) > 10 else ''}" if names else "it is empty"
    fix = "write a table (CSV, Parquet …) into it, one row per image, with a column image (its path) and one column per attribute"
    if inside := folder_with_data(folder, lambda path: has_data(path, schema)):
        fix = f"--data {shlex.quote(str(inside))}, which has one; or {fix}"
    raise DataError(f"no label table in the folder {str(folder)!r}", why=why, fix=fix)


def has_data(folder: Path, schema: Schema) -> bool:
    """Whether a folder would be read."""
    return bool(is_saved(folder) or label_table(folder, schema)[0] or parquet_files(folder) or split_tables(folder, schema))


def split_tables(folder: Path, schema: Schema, wanted: Group = ()) -> list[Path]:
    """The tables of the splits of a folder, those that are `wanted` (empty: all); raises UsageError for a wanted split without a table."""
    tables = {split.name: label_table(split, schema)[0] for split in split_folders(folder, wanted)}
    if without := [name for name in wanted if tables[name] is None]:
        raise UsageError(f"the split {without[0]!r} of {str(folder)!r} has no table", where="--split", fix="name a split that has one")
    return [table for table in tables.values() if table is not None]


def _load_splits(tables: Sequence[Path], location: DataLocation, schema: Schema, origin: Origin) -> Dataset:
    folder = tables[0].parent.parent
    cells = read_splits(tables, schema, location.encoding, below_split=location.image_root is None)
    _check_image_column(location, list(cells.columns))
    note = splits_note(folder, Counter(name.partition("/")[0] for name in cells.files) or {tables[0].parent.name: len(cells.numbers)})
    return with_files(cells, folder, schema, replace(origin, notes=(*origin.notes, note)), location.image_root)


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
