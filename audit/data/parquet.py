"""Parquet files: label tables whose image column contains paths, and shards with embedded images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.data import arrow
from audit.data.assemble import Origin, assemble
from audit.data.schema import Schema, with_known_columns
from audit.data.table import with_files
from audit.errors import DataError
from audit.types import Dataset
from strictio.images.decode import UnreadableImage
from strictio.images.lazy import LazyImages
from strictio.tables.parquet import group_sizes, parquet_schema, read_parquet
from strictio.tables.parquet_child import first_line

if TYPE_CHECKING:
    import pyarrow as pa


def _held_images(shards: Sequence[Path], column: str, root: Path) -> LazyImages:
    """The images in a column (bytes or ``{bytes, path}``) of Parquet shards."""
    groups = [(shard, group, rows) for shard in shards for group, rows in enumerate(group_sizes(shard))]

    def cells(index: int) -> pa.ChunkedArray:
        shard, group, _ = groups[index]
        try:
            return read_parquet(shard, [column], group).column(0)
        except DataError as error:
            raise UnreadableImage("damaged data file") from error

    return arrow.images_in_groups([rows for _, _, rows in groups], cells, [root])


def load_parquet(shards: Sequence[Path], folder: Path, schema: Schema, origin: Origin, image_root: Path | None = None) -> Dataset:
    """Load one table from Parquet files with the same columns; paths are relative to `folder` (`with_files`)."""
    source = shards[0].name if len(shards) == 1 else f"{len(shards)} files {shards[0].name} ..."
    columns = parquet_schema(shards[0])
    described = arrow.hub_features(columns, shards[0].name)
    for shard in shards[1:]:
        other = parquet_schema(shard)
        if set(other.names) != set(columns.names) or arrow.hub_features(other, shard.name) != described:
            what, why = f"{shard.name} has other columns than {shards[0].name}", f"found {', '.join(other.names)}"
            raise DataError(what, why=why, fix="give the folder of one table")
    embedded = arrow.embedded_column(schema, columns)
    named, alike = with_known_columns(schema, columns.names, embedded=embedded is not None)
    texts = arrow.text_columns(named, columns, source)
    cells = arrow.cells(_read(shards, texts), described, named, source)
    if embedded is None:
        return with_files(cells, folder, schema, origin, image_root)
    ids, notes = arrow.image_ids(named, cells.columns, _stored_names(shards, embedded))
    return assemble(_held_images(shards, embedded, folder), ids, cells, named, replace(origin, notes=(*origin.notes, *alike, *notes)))


def _read(shards: Sequence[Path], columns: Sequence[str]) -> pa.Table:
    """Read columns of all shards and concatenate them."""
    import pyarrow as pa

    tables = [read_parquet(shard, columns) for shard in shards]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        what = f"{shards[0].name} and the files beside it differ in types"
        raise DataError(what, why=first_line(error), fix="write them again") from error


def _stored_names(shards: Sequence[Path], column: str) -> list[str | None]:
    """The names stored with the images; the images themselves are not read."""
    if not arrow.names_images(parquet_schema(shards[0]).field(column).type):
        return [None] * sum(sum(group_sizes(shard)) for shard in shards)
    return [cell and cell["path"] for cell in _read(shards, [f"{column}.path"]).column(0).to_pylist()]
