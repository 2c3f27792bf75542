"""Parquet behind a URL, read in parts: of a file of any size only the row groups that are needed come over the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from strictio.errors import DataError, UnsafeError
from strictio.streams.sources import MOST_TABLE, ByteSource, SourceFile
from strictio.tables.parquet_child import first_line

if TYPE_CHECKING:
    import pyarrow as pa

MOST_GROUP = 2**30
"""Bytes of one row group, which is read whole."""


def open_parquet(source: ByteSource) -> Any:
    """Return a file that pyarrow reads by row groups; DataError if it is not Parquet, UnsafeError if a row group would fill the memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(SourceFile(source), pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot read {source.name} as Parquet", why=first_line(error), fix="download or write it again") from error
    for group in range(file.metadata.num_row_groups):
        if (held := file.metadata.row_group(group).total_byte_size) > MOST_GROUP:
            why = f"its row group {group + 1} takes {held:,} bytes; allowed are {MOST_GROUP:,}"
            raise UnsafeError(f"{source.name} would fill the memory", why=why, fix="write it again with smaller row groups")
    return file


def read_texts(file: Any, name: str, columns: Sequence[str]) -> pa.Table:
    """Return columns of all row groups; UnsafeError where they unfold to more than a table may hold."""
    import pyarrow as pa

    groups, held = [], 0
    for batch in file.iter_batches(columns=list(columns)):
        held += batch.nbytes
        if held > MOST_TABLE:
            raise UnsafeError(f"{name} would fill the memory", why=f"its texts take over {MOST_TABLE:,} bytes", fix="leave columns out")
        groups.append(batch)
    return pa.Table.from_batches(groups, schema=groups[0].schema if groups else file.schema_arrow.empty_table().select(columns).schema)
