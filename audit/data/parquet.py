"""Parquet files: label tables whose image column holds paths, and shards that hold the images themselves."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.data import arrow
from audit.data.assemble import Origin, assemble
from audit.data.images import UnreadableImage
from audit.data.lazy import LazyImages
from audit.data.schema import Schema
from audit.data.table import with_files
from audit.errors import DataError
from audit.types import Dataset

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetImages(LazyImages):
    """The images in a column (bytes or ``{bytes, path}``) of Parquet shards; one row group is held at a time."""

    def __init__(self, shards: Sequence[Path], column: str, root: Path):
        self._column, self._root = column, root
        self._groups = [(shard, group, rows) for shard in shards for group, rows in enumerate(_group_sizes(shard))]
        self._starts = list(accumulate((rows for _, _, rows in self._groups), initial=0))
        self._held: tuple[int, pa.ChunkedArray | None] = (-1, None)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._starts[-1]

    def content(self, position: int) -> bytes:
        """Return the encoded image of a row, or raise `UnreadableImage`."""
        group = bisect_right(self._starts, position) - 1
        with self._lock:
            cell = self._cells(group)[position - self._starts[group]].as_py()
        return arrow.image_content(cell, [self._root])

    def _cells(self, group: int) -> Any:
        if self._held[0] != group:
            shard, number, _ = self._groups[group]
            self._held = (group, _read_group(shard, number, self._column))
        return self._held[1]


def _read_group(shard: Path, group: int, column: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(shard) as file:
            return file.read_row_group(group, columns=[column]).column(0)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableImage("damaged data file") from error


def _group_sizes(shard: Path) -> list[int]:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(shard)
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def parquet_schema(path: Path) -> pa.Schema:
    """Return the columns of a Parquet file, or raise `DataError`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot read {path.name} as Parquet", why=_first_line(error), fix="download or write it again") from error


def load_parquet(shards: Sequence[Path], folder: Path, schema: Schema, origin: Origin) -> Dataset:
    """Return the data set of one table in one or more Parquet files of the same columns; paths are relative to `folder`."""
    place = shards[0].name if len(shards) == 1 else f"{len(shards)} files {shards[0].name} ..."
    columns = parquet_schema(shards[0])
    described = arrow.hub_features(columns, shards[0].name)
    for shard in shards[1:]:
        other = parquet_schema(shard)
        if set(other.names) != set(columns.names) or arrow.hub_features(other, shard.name) != described:
            raise DataError(
                f"{shard.name} has other columns than {shards[0].name}",
                why=f"found {', '.join(other.names)}",
                fix="give the folder of one table",
            )
    texts = arrow.text_columns(schema, columns, place)
    cells = arrow.cells(_read(shards, texts), described, schema, place)
    embedded = arrow.embedded_column(schema, columns)
    if embedded is None:
        return with_files(cells, folder, schema, origin)
    ids, notes = arrow.image_ids(schema, cells.columns, _stored_names(shards, embedded))
    images = ParquetImages(shards, embedded, folder)
    return assemble(images, ids, cells, schema, replace(origin, notes=(*origin.notes, *notes)))


def _read(shards: Sequence[Path], columns: Sequence[str]) -> pa.Table:
    """Return columns of all shards, one below the other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for shard in shards:
        try:
            with pq.ParquetFile(shard) as file:
                tables.append(file.read(columns=list(columns)))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{shard.name} is damaged", why=_first_line(error), fix="download or write it again") from error
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(
            f"{shards[0].name} and the files beside it differ in types", why=_first_line(error), fix="write them again"
        ) from error


def _stored_names(shards: Sequence[Path], column: str) -> list[str | None]:
    """Return the names stored with the images; reading them leaves the images on the disk."""
    if not arrow.names_images(parquet_schema(shards[0]).field(column).type):
        return [None] * sum(sum(_group_sizes(shard)) for shard in shards)
    return [cell and cell["path"] for cell in _read(shards, [f"{column}.path"]).column(0).to_pylist()]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
