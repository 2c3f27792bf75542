"""ZIP archives byte by byte, with Zstandard (method 93), which `zipfile` writes only from Python 3.14 on; and with lies."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping


def packed(members: Mapping[str, bytes], method: int = 93, states: int | None = None) -> bytes:
    """An archive of compressed members; `states`: the size that each is said to have."""
    import pyarrow as pa

    def squeezed(content: bytes) -> bytes:
        if method == 8:
            deflate = zlib.compressobj(wbits=-15)
            return deflate.compress(content) + deflate.flush()
        return pa.Codec("zstd").compress(content, asbytes=True) if method == 93 else content

    body, directory = b"", b""
    for name, content in members.items():
        stored, raw = squeezed(content), name.encode()
        sizes = (zlib.crc32(content), len(stored), len(content) if states is None else states)
        directory += (
            struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", 63, 63, 0, method, 0, 33, *sizes, len(raw), 0, 0, 0, 0, 0, len(body)) + raw
        )
        body += struct.pack("<4sHHHHHLLLHH", b"PK\3\4", 63, 0, method, 0, 33, *sizes, len(raw), 0) + raw + stored
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + end
