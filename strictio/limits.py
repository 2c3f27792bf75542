"""Limits on untrusted files: memory while one is read, bytes that it expands to, sizes that it states.

Memory is counted from what a process holds once its libraries are loaded. What libraries hold differs by gigabytes between builds (torch
with and without CUDA), and allocators reserve addresses that they never use: a fixed bound, or one on addresses, stops a library and not a
bomb. Counted is private memory that can be written to.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import struct
from pathlib import Path
from typing import IO, Any

from strictio.errors import UnsafeError

LIMIT = 1_000_000
"""No size in a configuration is larger: a configuration from a file must not be able to exhaust the machine."""
MAX_LAYERS = 1000
"""Layers per tower. More would take minutes to build."""
MOST_TEXT, MOST_DEPTH = 2**26, 64
"""The size of a file of text that is read whole, in bytes, and the depth of its JSON, which in Python may take thirty times the memory."""
ALWAYS, RATIO = 256 * 2**20, 100
"""Bytes that any file may unfold to; times its size that a larger one may: what shrinks further was made to fill the memory."""


def limit_memory(headroom: int) -> bool:
    """Let this process take `headroom` bytes of private memory more than it holds now; what goes beyond ends in `MemoryError`.

    Returns
    -------
    bool
        Whether the system holds it to that: Linux does, from 4.7 on (``RLIMIT_DATA`` of getrlimit(2)); others say nothing of what is held.

    """
    try:
        import resource

        status = Path("/proc/self/status").read_text("ascii")
    except (ImportError, OSError):
        return False
    (kilobytes,) = re.findall(r"^VmData:\s+(\d+) kB$", status, re.MULTILINE)
    most, hard = 1024 * int(kilobytes) + headroom, resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)  # the parent process set a lower limit
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    return True


def physical_memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}


def check_opened(descriptor: int, most: int | None = None) -> None:
    """Raise `OSError` if an open file is not a regular one, or has more than `most` bytes. It is judged open, so it cannot be exchanged."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}, not a regular file")
    if most is not None and status.st_size > most:
        raise OSError(errno.EFBIG, f"it has {status.st_size:,} bytes, and {most:,} is the most that is read")


def read_within(file: IO[bytes], most: int) -> bytes:
    """Return what an open file holds; `OSError` if that is more than `most` bytes, whatever size the system states."""
    content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes, the most that is read")
    return content


def parse_json(content: str | bytes) -> Any:
    """Return the value of a JSON text; `ValueError` if it is not JSON, or nested more than `MOST_DEPTH` deep."""
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        tables = [part for part in level if isinstance(part, dict | list)]
        level = [part for table in tables for part in (table.values() if isinstance(table, dict) else table)]
        if not tables:
            return value
    raise ValueError(f"it is nested more than {MOST_DEPTH} deep")


def most_unfolded(stored: int) -> int:
    """Return how many bytes a file of `stored` bytes may unfold to."""
    return max(ALWAYS, RATIO * stored)


def check_unfolded(name: str, stored: int, unfolded: int) -> None:
    """Raise `UnsafeError` if a file of `stored` bytes unfolds to too many."""
    if unfolded > most_unfolded(stored):
        raise expansion_error(name, f"its {stored:,} bytes unfold to {unfolded:,} or more")


def zip_directory_size(end: bytes) -> int | None:
    """Return the bytes of the directory of a ZIP archive as the end of the file states them; None if no directory ends there.

    `end`: the last bytes of the file. For judging the size before `zipfile` allocates for it.
    """
    at = len(end) - 22 if end[-22:-18] == b"PK\x05\x06" else end.rfind(b"PK\x05\x06")  # before a comment
    if at < 0 or len(end) - at < 22:
        return None
    (size,) = struct.unpack_from("<L", end, at + 12)
    if end[at - 20 : at - 16] == b"PK\x06\x07" and end[at - 76 : at - 72] == b"PK\x06\x06":  # of an archive with 64-bit sizes
        (size,) = struct.unpack_from("<Q", end, at - 36)
    return int(size)


def expansion_error(name: str, reason: str) -> UnsafeError:
    """Return the error about a file that would fill the memory."""
    why = f"{reason}; allowed are {ALWAYS // 2**20} MiB, and {RATIO} times the size of the file"
    return UnsafeError(
        f"{name} would fill the memory", why=why, fix="if the file is your own, write it as a CSV file that is not compressed"
    )
