"""A command within a limit of address space: how it ends, its processor time and its peak of memory."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple


class Done(NamedTuple):
    """How a process ended, and what it took."""

    code: int
    out: str
    err: str
    cpu_s: float
    peak_mib: int


# A child's peak memory starts at its parent's: the command is the child of a small process, not of the whole test run.
SHIM = """
import json, os, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
child = subprocess.Popen(sys.argv[3:])
_, status, usage = os.wait4(child.pid, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024], file)
"""


def limited(command, folder, limit=4 * 2**30, **env):
    """Run a command within so many bytes of address space."""
    with tempfile.NamedTemporaryFile("r") as report:
        # The limit is set in the child, not by preexec_fn: that runs between fork and exec, where a thread may have left a lock taken.
        done = subprocess.run(
            [sys.executable, "-S", "-c", SHIM, report.name, str(limit), *command], capture_output=True, text=True, check=True, cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        )  # fmt: skip
        code, cpu_s, peak_mib = json.loads(Path(report.name).read_text())
        return Done(code, done.stdout, done.stderr, cpu_s, peak_mib)
