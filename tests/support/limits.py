"""A command within limits of memory and file size, and what it took."""

import json
import sys
from pathlib import Path
from typing import NamedTuple

# A child's peak memory starts at its parent's: the command is the child of a small process, not of the whole test run. The limits are set
# there, not by preexec_fn, which runs between fork and exec, where a thread may have left a lock taken.
SHIM = """
import json, os, resource, subprocess, sys
usage, memory, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for kind, limit in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, size)):
    if limit:
        resource.setrlimit(kind, (limit, limit))
child = subprocess.Popen(sys.argv[4:])
_, status, used = os.wait4(child.pid, 0)
code = os.waitstatus_to_exitcode(status)
with open(usage, "w") as file:
    json.dump([used.ru_utime + used.ru_stime, used.ru_maxrss // 1024], file)
sys.exit(code if code >= 0 else 128 - code)
"""


class Usage(NamedTuple):
    """What a process took."""

    cpu_s: float
    peak_mib: int


def limited_line(usage: Path, memory: int = 0, file_size: int = 0) -> list[str]:
    """Return the words that stand before a command to limit it; `usage` is a file for what it took, 0 no limit."""
    return [sys.executable, "-S", "-c", SHIM, str(usage), str(memory), str(file_size)]


def read_usage(path: Path) -> Usage:
    return Usage(*json.loads(path.read_text()))
