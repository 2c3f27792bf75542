"""The files that are parts of one table, and their rows in batches: all must have the columns of the first."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audit.data.arrow import hub_features
from audit.data.schema import quoted
from audit.data.shards import parquet_files
from audit.errors import DataError, UnsafeError, UsageError, nearest
from audit.predictions.hub_tables import is_saved_folder, text_schema, with_class_names
from strictio.tables import check_distinct
from strictio.tables.parquet import parquet_batches, parquet_schema

if TYPE_CHECKING:
    import pyarrow as pa

COUNTED = ("counted_parts", "counted_parts_of_several")
"""Codes of the note that predictions were counted while reading; the second names columns that were not used."""
BATCH = 1 << 17
MOST_BYTES = 2**30
"""Maximum size of one batch: larger rows cannot be answers."""
_ENDING = ".parquet"


@dataclass(frozen=True)
class PartRows:
    """Consecutive rows of a part."""

    part: str
    start: int
    """Number of earlier rows of the part."""
    rows: pa.Table


def is_parts(path: Path) -> bool:
    """Whether a path means several files: a folder, or a pattern such as ``answers/*.parquet`` that is not itself the name of a file.

    A folder of `save_to_disk` is one table.
    """
    return (path.is_dir() and not is_saved_folder(path)) or (not path.exists() and glob.escape(str(path)) != str(path))


def parts_name(path: Path) -> str:
    """The name of the parts, without the folders above them.

    Examples
    --------
    >>> parts_name(Path("here/answers/*.parquet"))
    'answers/*.parquet'
    """
    folder = "" if path.is_dir() or not path.parent.name else f"{path.parent.name}/"
    return f"{folder}{path.resolve().name if path.is_dir() else path.name}"


def parts_of(path: Path) -> list[Path]:
    """The parts, sorted by name; raises DataError without any, UsageError if one is not Parquet."""
    matching = glob.glob(str(path))  # noqa: PTH207  (a pattern may be absolute)
    parts = parquet_files(path) if path.is_dir() else sorted(map(Path, matching))
    if others := [part.name for part in parts if part.suffix.lower() != _ENDING or not part.is_file()]:
        why = f"{others[0]!r} is not; only Parquet files are read in batches"
        raise UsageError(f"parts of predictions must be Parquet files: {parts_name(path)}", why=why, fix="--predictions 'DIR/*.parquet'")
    if not parts:
        fix = "give a folder of Parquet files, or a pattern in quotation marks: --predictions 'DIR/*.parquet'"
        raise DataError(f"no Parquet file in {parts_name(path)!r}", fix=fix)
    if strange := [part.name for part in parts if not part.name.isprintable()]:
        raise DataError(f"the name {strange[0]!a} cannot be printed", fix="give the file a name of letters, digits and dashes")
    return parts


def common_schema(parts: Sequence[Path]) -> pa.Schema:
    """The columns of the first part; raises DataError for the first part with other columns, or a column of another type."""
    first = parquet_schema(parts[0])
    check_distinct(first.names, parts[0].name)
    for part in parts[1:]:
        other = parquet_schema(part)
        check_distinct(other.names, part.name)
        if unlike := sorted(set(first.names) ^ set(other.names)):
            where = f"{parts[0].name if unlike[0] in first.names else part.name} has the column {quoted(unlike[0])}, the other has not"
            raise _unlike(parts[0], part, where)
        for name in first.names:
            mine, others = (_plain(schema.field(name).type) for schema in (first, other))
            if mine != others:
                raise _unlike(parts[0], part, f"the column {quoted(name)} holds {mine} in the one and {others} in the other")
    return text_schema(first, parts[0].name)


def _unlike(first: Path, part: Path, why: str) -> DataError:
    return DataError(
        f"{part.name} is not a part of the table of {first.name}", why=why, fix="write it again, or leave it out of the pattern"
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    """A type without details that do not matter to readers: how text is stored."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.string() if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) else kind


def batches(parts: Sequence[Path], columns: Sequence[str]) -> Iterator[PartRows]:
    """Yield the rows of all parts, at most `BATCH` at a time; texts are dictionary-encoded, so that each is stored once per batch.

    Raises DataError for a part that cannot be read, UnsafeError if a batch would exhaust memory.
    """
    import pyarrow as pa

    for part in parts:
        start = 0
        schema = parquet_schema(part)
        features = hub_features(schema, part.name)
        texts = [field.name for field in schema if _plain(field.type) == pa.string()]
        for batch in parquet_batches(part, columns, texts, BATCH):
            if batch.nbytes > MOST_BYTES:
                why, fix = f"{len(batch):,} rows take {batch.nbytes:,} bytes", "leave texts and pictures out of the parts"
                raise UnsafeError(f"{part.name} would fill the memory", why=why, fix=fix)
            yield PartRows(part.name, start, with_class_names(pa.Table.from_batches([batch]), features, part.name))
            start += len(batch)


def check_named(names: Sequence[str], wanted: Sequence[str | None], source: str) -> None:
    """Raise `UsageError` for the first wanted column that the parts lack."""
    for name in wanted:
        if name is not None and name not in names:
            raise UsageError(f"{source} has no column {quoted(name)}", fix=nearest(name, names))
