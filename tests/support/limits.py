"""A command within limits of memory and file size: how it ended, and what it took."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from strictio.limits import limit_memory
from tests.support import forked
from tests.support.peak import Peak

GIB = 2**30


class Usage(NamedTuple):
    """What a process took."""

    cpu_s: float
    peak_mib: int
    """Of memory beside files, beyond what it had when it began."""


class Done(NamedTuple):
    """How a process ended, and what it took."""

    code: int
    out: str
    err: str
    cpu_s: float
    peak_mib: int
    """Of memory beside files, beyond what it had when it began."""


def limited_line(usage: Path, memory: int = 0, file_size: int = 0) -> list[str]:
    """Return the words that stand before a command to limit it.

    `usage` is a file for what it took; `memory` limits the bytes beyond what the libraries hold; 0 is no limit.
    """
    return [sys.executable, "-m", __name__, str(usage), str(memory), str(file_size)]


def read_usage(path: Path) -> Usage:
    return Usage(*json.loads(path.read_text()))


def limited(command, folder, memory=3 * GIB, file_size=0) -> Done:
    """Run a command of Python in `folder` within limits."""
    with tempfile.NamedTemporaryFile("r") as report:
        line = [*limited_line(Path(report.name), memory, file_size), *command]
        done = forked.run(
            line, capture_output=True, text=True, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(forked.ROOT)}
        )
        return Done(done.returncode, done.stdout, done.stderr, *read_usage(Path(report.name)))


def _limit(memory: int, file_size: int) -> None:
    if memory:
        assert limit_memory(memory), "this system holds no process to a limit of memory"
    if file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))


def _main(usage: str, memory: str, file_size: str, _python: str, how: str, *words: str) -> None:
    """Run a command in a process of its own, so that its peak is counted from its start."""
    ready, watched = os.pipe()
    if child := os.fork():
        peak, ended = Peak(child), 0
        os.close(watched)
        while not ended:
            peak.look()
            time.sleep(0.005)
            ended, status, used = os.wait4(child, os.WNOHANG)
        Path(usage).write_text(json.dumps([used.ru_utime + used.ru_stime, peak.kb(used.ru_maxrss) // 1024]))
        code = os.waitstatus_to_exitcode(status)
        sys.exit(code if code >= 0 else 128 - code)
    os.close(watched)
    os.read(ready, 1)  # returns once the first look at this process was taken: on a busy machine it may have ended by then
    os.close(ready)
    _limit(int(memory), int(file_size))
    forked.begin(how, *words)


if __name__ == "__main__":
    _main(*sys.argv[1:])
