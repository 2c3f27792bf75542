"""A bound on the memory that a process takes, counted from what it holds once its libraries are loaded.

What libraries hold differs by gigabytes between builds (torch with and without CUDA), and allocators reserve addresses that they never use:
a fixed bound, or one on addresses, stops a library and not a bomb. Counted here is private memory that can be written to.
"""

from __future__ import annotations

import re
from pathlib import Path


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
        most = min(most, hard)  # whoever started this process allows no more
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    return True
