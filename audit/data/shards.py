"""Selects the Parquet files of a folder: one configuration, one split, named as on the hub."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.data import arrow
from audit.data.assemble import Origin, assemble
from audit.data.schema import Schema, with_known_columns
from audit.data.table import with_files
from audit.errors import DataError, nearest
from audit.types import Dataset
from strictio.images.decode import UnreadableImage
from strictio.images.lazy import LazyImages
from strictio.tables.parquet import group_sizes, parquet_schema, read_parquet
from strictio.tables.parquet_child import first_line

if TYPE_CHECKING:
    import pyarrow as pa

_PREFERRED_SPLITS = ("validation", "val", "test")
_SAME_SPLIT = {"validation": ("val", "valid", "dev"), "val": ("validation",)}


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder and of two levels below it, except in hidden folders."""
    paths = [path for pattern in ("*.parquet", "*/*.parquet", "*/*/*.parquet") for path in folder.glob(pattern)]
    return sorted(path for path in paths if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts))


def choose_shards(folder: Path, config: str | None, split: str | None) -> list[Path]:
    """The Parquet files of one configuration and one split, named as on the hub: ``CONFIG/SPLIT-00000-of-00001.parquet``."""
    files = parquet_files(folder)
    files = [path for path in files if config in path.relative_to(folder).parts[:-1]] or files
    by_split: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        by_split[_split_of(path)].append(path)
    if not by_split:
        raise DataError(f"{str(folder)!r} has no Parquet file", fix="give a folder with a label table beside its images")
    shards = by_split[choose_split(list(by_split), split, str(folder))]
    folders = sorted({path.parent.relative_to(folder).as_posix() for path in shards})
    if len(folders) > 1:
        raise DataError(f"{str(folder)!r} holds several configurations", why=f"found {', '.join(folders)}", fix="give one of these folders")
    return shards


def _split_of(path: Path) -> str:
    """The split of a shard: the part of its name before the numbers, else its folder."""
    word = re.split(r"[-.]\d|\.parquet$", path.name)[0]
    return word if word and not word.isdigit() else path.parent.name


def choose_split(available: Sequence[str], wanted: str | None, source: str) -> str:
    """The split to read: the wanted one, the only one, else the one for validation or testing; raises DataError if that is ambiguous.

    Examples
    --------
    >>> choose_split(["train", "val"], "validation", "here"), choose_split(["train"], "validation", "here")
    ('val', 'train')
    """
    if len(available) == 1:
        return available[0]
    names = (wanted, *_SAME_SPLIT.get(wanted, ())) if wanted else _PREFERRED_SPLITS
    if present := [name for name in names if name in available]:
        return present[0]
    raise DataError(f"{source} has no split {names[0]!r}", fix=nearest(names[0], available))


# Parquet files: label tables whose image column contains paths, and shards with embedded images.


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
