"""Arrow files as `datasets` saves them: judged by the heads of their messages before they are mapped into memory.

A message is a flatbuffer: https://github.com/apache/arrow/blob/main/format/Message.fbs
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from strictio.errors import DataError
from strictio.files import read_text
from strictio.limits import expansion_error, parse_json

_DICTIONARY, _RECORDS = 2, 3


def check_saved(folder: Path) -> None:
    """Look at the Arrow files that `save_to_disk` has left in a folder; what `datasets` itself would refuse is left to it.

    `UnsafeError` if one is compressed, which `datasets` never does, or has more rows than bits: either unfolds to any size.
    """
    for state in (folder / "state.json", *folder.glob("*/state.json")):
        for name in _files(state):
            if Path(name).name != name:
                raise DataError(f"{state.name} names a file outside its folder", where=ascii(name[:80]), fix="save the data again")
            if (state.parent / name).is_file():
                _check_stream(state.parent / name)


def _files(state: Path) -> list[str]:
    try:
        return [str(data_file["filename"]) for data_file in parse_json(read_text(state))["_data_files"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []


def _check_stream(path: Path) -> None:
    bits = 8 * path.stat().st_size
    for metadata in _messages(path):
        try:
            compressed, rows = _records(metadata)
        except (struct.error, IndexError) as error:
            raise DataError(f"{path.name} is damaged", why="the head of a message cannot be read", fix="save the data again") from error
        if compressed:
            raise expansion_error(path.name, "its columns are compressed, which datasets does not do")
        if rows > bits:
            raise expansion_error(path.name, f"it says that it has {rows:,} rows")


def _messages(path: Path) -> Iterator[bytes]:
    """Yield the head of each message; what is not such a file has none."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        while True:
            try:
                message = pa.ipc.read_message(source)
            except (EOFError, OSError, pa.ArrowException):
                return
            yield message.metadata.to_pybytes()


def _records(metadata: bytes) -> tuple[bool, int]:
    """Return whether the buffers of a batch are compressed, and its rows."""
    (root,) = struct.unpack_from("<I", metadata)
    kind, header = _field(metadata, root, 1), _field(metadata, root, 2)
    if kind is None or header is None or metadata[kind] not in (_DICTIONARY, _RECORDS):
        return False, 0
    batch: int | None = _table(metadata, header)
    if metadata[kind] == _DICTIONARY:
        inner = _field(metadata, _table(metadata, header), 1)
        batch = None if inner is None else _table(metadata, inner)
    if batch is None:
        return False, 0
    length = _field(metadata, batch, 0)
    return _field(metadata, batch, 3) is not None, 0 if length is None else struct.unpack_from("<q", metadata, length)[0]


def _table(content: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", content, at)[0])


def _field(content: bytes, table: int, number: int) -> int | None:
    """Return where a field of a table stands; None if it is not there."""
    vtable = table - struct.unpack_from("<i", content, table)[0]
    (size,) = struct.unpack_from("<H", content, vtable)
    if 6 + 2 * number > size:
        return None
    (offset,) = struct.unpack_from("<H", content, vtable + 4 + 2 * number)
    return table + offset if offset else None
