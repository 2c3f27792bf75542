"""Data behind a URL: Parquet with embedded images, read row group by row group, and tables with images beside them, read one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.data import arrow
from audit.data.assemble import Origin, assemble
from audit.data.schema import Cells, Schema, check_columns, image_column, quoted, with_known_columns
from audit.data.streams.webdataset import is_web_dataset, load_web_dataset, shards_of
from audit.data.table import read_cells
from audit.errors import DataError, UnsafeError, UsageError
from audit.types import Dataset
from strictio.folders import Folder
from strictio.images.decode import MAX_BYTES, UnreadableImage
from strictio.images.files import name_fault
from strictio.images.lazy import LazyImages
from strictio.streams.braces import expanded_names
from strictio.streams.parquet import open_parquet, read_texts
from strictio.streams.sources import MOST_TABLE, ByteSource, file_names, is_url, joined, open_source, read_whole
from strictio.streams.urls import check_protocol
from strictio.tables import PARQUET, TEXT, ending_of
from strictio.tables.parquet_child import first_line

if TYPE_CHECKING:
    import pyarrow as pa


def load_url(location: str, schema: Schema, *, name: str, licence: str, encoding: str | None = None) -> Dataset:
    """Load the data set behind a URL: tar shards, Parquet, a table with images beside it, or a folder that can be listed.

    Raises UsageError for anything else; DataError if it cannot be read, or images are named by anything but relative paths; MachineError if
    it cannot be reached.
    """
    if is_url(location):
        check_protocol(location)
    if is_web_dataset(location):
        return load_web_dataset(shards_of(expanded_names(location)), schema, name=name, licence=licence)
    path = Path(location.partition("?")[0])
    if not path.suffix:
        return _load_folder(location, schema, name, licence)
    if ending_of(path) in PARQUET:
        return _load_parquet(
            [(expanded_name, open_source(expanded_name)) for expanded_name in expanded_names(location)],
            schema,
            Origin(name, "Parquet", licence),
        )
    if ending_of(path) in TEXT:
        return _load_table(location, schema, Origin(name, f"the table {path.name}", licence), encoding)
    why = f"{path.name[:80]!r} is neither tar, Parquet nor a table of text"
    raise UsageError("a URL of data that cannot be read", why=why, fix="name tar shards, Parquet files, or a label table")


def _load_folder(location: str, schema: Schema, name: str, licence: str) -> Dataset:
    """Load a folder that can be listed: its tar shards, else its Parquet files, else its only label table."""
    names = file_names(location)
    if shards := [file for file in names if is_web_dataset(file)]:
        opened = [open_source(joined(location, shard)) for shard in shards]
        return load_web_dataset(opened, schema, name=name, licence=licence)
    if files := [joined(location, file) for file in names if ending_of(Path(file)) in PARQUET]:
        return _load_parquet([(file, open_source(file)) for file in files], schema, Origin(name, "Parquet", licence))
    tables = [joined(location, file) for file in names if ending_of(Path(file)) in TEXT]
    if len(tables) != 1:
        why = f"found {', '.join(names[:10]) or 'nothing'}"
        what = f"{'several label tables' if tables else 'no data'} in the folder of the URL"
        raise DataError(what, why=why, fix="name the tar shards, the Parquet files, or the label table")
    return load_url(tables[0], schema, name=name, licence=licence)


# ---- a table with images beside it ---------------------------------------------------------------------------------------------------


def _load_table(location: str, schema: Schema, origin: Origin, encoding: str | None) -> Dataset:
    content = read_whole(location, MOST_TABLE)
    with tempfile.TemporaryDirectory() as folder:  # the table readers need files
        path = Path(folder) / Path(location.partition("?")[0]).name
        Folder.of(path.parent).write(path.name, content)
        cells = read_cells(path, encoding)
    return _with_images_beside(cells, location, schema, origin)


def _with_images_beside(cells: Cells, location: str, schema: Schema, origin: Origin) -> Dataset:
    schema, notes = with_known_columns(schema, list(cells.columns))
    check_columns(schema, list(cells.columns), cells.place)
    names = cells.columns[image_column(schema, list(cells.columns), cells.place)]
    for row, name in enumerate(names):
        if fault := name_fault(name):  # a table must not make us fetch a URL that the user did not name
            what = f"an image path is not allowed ({fault} {quoted(name)})"
            raise DataError(what, where=f"{cells.place}, {cells.where(row)}", fix="use paths relative to the table's folder")
    folder = location.partition("?")[0].rpartition("/")[0]
    ids = list(map(arrow.row_id, names))
    images = LazyImages(len(ids), lambda row: _image(joined(folder, ids[row])))
    return assemble(images, ids, cells, schema, replace(origin, notes=(*origin.notes, *notes)))


def _image(location: str) -> bytes:
    try:
        return read_whole(location, MAX_BYTES)
    except DataError as error:
        raise UnreadableImage("missing file") from error
    except UnsafeError as error:
        raise UnreadableImage("too large") from error


# ---- Parquet -------------------------------------------------------------------------------------------------------------------------


def _load_parquet(files: Sequence[tuple[str, ByteSource]], schema: Schema, origin: Origin) -> Dataset:
    """Load one table from Parquet files; text columns are read whole, images row group by row group."""
    import pyarrow as pa

    opened = [open_parquet(source) for _, source in files]
    columns, first = opened[0].schema_arrow, files[0][1].name
    described = arrow.hub_features(columns, first)
    for (_, source), file in zip(files[1:], opened[1:], strict=True):
        if set(file.schema_arrow.names) != set(columns.names) or arrow.hub_features(file.schema_arrow, source.name) != described:
            why = f"found {', '.join(file.schema_arrow.names)[:300]}"
            raise DataError(f"{source.name} has other columns than {first}", why=why, fix="name the files of one table")
    shown = first if len(files) == 1 else f"{len(files)} files {first} ..."
    embedded = arrow.embedded_column(schema, columns)
    named, alike = with_known_columns(schema, columns.names, embedded=embedded is not None)
    texts = arrow.text_columns(named, columns, shown)
    try:
        tables = [read_texts(file, source.name, texts) for (_, source), file in zip(files, opened, strict=True)]
        cells = arrow.cells(pa.concat_tables(tables, promote_options="permissive"), described, named, shown)
    except pa.ArrowException as error:
        raise DataError(f"{shown} cannot be read", why=first_line(error), fix="download or write it again") from error
    origin = replace(origin, source=f"Parquet behind a URL: {shown}")
    if embedded is None:
        return _with_images_beside(cells, files[0][0], schema, origin)
    paths: list[str | None] = [None] * len(cells.numbers)
    if arrow.names_images(columns.field(embedded).type):
        read = [read_texts(file, source.name, [f"{embedded}.path"]) for (_, source), file in zip(files, opened, strict=True)]
        paths = [cell and cell["path"] for table in read for cell in table.column(0).to_pylist()]
    ids, notes = arrow.image_ids(named, cells.columns, paths)
    images = _held_images(opened, embedded)
    return assemble(images, ids, cells, named, replace(origin, notes=(*origin.notes, *alike, *notes)))


def _held_images(files: Sequence[Any], column: str) -> LazyImages:
    groups = [(file, group) for file in files for group in range(file.metadata.num_row_groups)]

    def cells(index: int) -> pa.ChunkedArray:
        import pyarrow as pa

        file, group = groups[index]
        try:
            return file.read_row_group(group, columns=[column]).column(0)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableImage("damaged data file") from error

    return arrow.images_in_groups([file.metadata.row_group(group).num_rows for file, group in groups], cells, [])
