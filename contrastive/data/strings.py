"""Names and captions of many pairs as Arrow arrays: one block of memory that threads and processes share without copying it.

A Python list of as many strings takes several times the memory, and reading it writes to it (reference counts), so that every worker
process ends with a copy of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

_ROWS_AT_ONCE = 65_536

Name = str
Captions = list[str]


def name_table(rows: Iterable[tuple[Name, Captions]]) -> pa.Table:
    """Return the columns ``name`` (string) and ``captions`` (list of strings) of the rows, never holding them all as Python objects."""
    schema = pa.schema([("name", pa.large_string()), ("captions", pa.large_list(pa.large_string()))])
    source = iter(rows)
    blocks = [_block(chunk, schema) for chunk in _chunks(source)]
    return pa.Table.from_batches(blocks, schema).combine_chunks()


def hash_table(table: pa.Table) -> str:
    """Return the sha256 (hex) of every value, whatever the blocks that the table is held in."""
    digest = hashlib.sha256()
    for column in table.columns:
        for length in _lengths_and_content(column.combine_chunks()):
            digest.update(length)
    return digest.hexdigest()


def _chunks(source: Iterator[tuple[Name, Captions]]) -> Iterator[list[tuple[Name, Captions]]]:
    while chunk := list(islice(source, _ROWS_AT_ONCE)):
        yield chunk


def _block(chunk: list[tuple[Name, Captions]], schema: pa.Schema) -> pa.RecordBatch:
    names, captions = zip(*chunk, strict=True)
    return pa.record_batch([pa.array(names, pa.large_string()), pa.array(captions, schema.field(1).type)], schema=schema)


def _lengths_and_content(array: Any) -> Iterator[bytes]:
    """Yield what an array of strings or of lists of strings consists of: how long each value is, then what it says."""
    import pyarrow.compute as pc

    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_large_list(array.type) or pa.types.is_list(array.type):
        yield pc.list_value_length(array).fill_null(-1).cast(pa.int64()).to_numpy(zero_copy_only=False).tobytes()
        array = array.flatten()
    yield pc.binary_length(array).fill_null(-1).cast(pa.int64()).to_numpy(zero_copy_only=False).tobytes()
    for value in array:
        yield (value.as_buffer() or b"") if value.is_valid else b""
