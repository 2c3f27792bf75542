"""A process that reads files one after another within five seconds each, and 1 GB beside its libraries; one that dies or hangs is replaced.

The seconds are those of the processor: a machine with other work to do is no fault of a reader. One that only waits gets a minute.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.forked import Forked
from tests.support.peak import Peak

ROOT = Path(__file__).parents[2]
SECONDS, WAIT_S, MOST_BYTES = 5, 60, 2**30
TOO_LARGE = "memory over 1 GB"
SOUND = ("read", "refused")


class Child:
    """Reads with some of the readers; leaving the context ends it."""

    def __init__(self, *readers: str):
        self.readers = readers
        self._place = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[str] | None = None
        self._memory: Peak

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._place.cleanup()

    def ask(self, reader: str, path: Path) -> str:
        """Return how reading the file ended; "hang" where it did not end, the signal where the process died."""
        process = self._started()
        assert process.stdin is not None
        process.stdin.write(f"{reader} {path}\n")
        process.stdin.flush()
        began, answer = _cpu_s(process.pid), None
        for _ in range(WAIT_S * 50):
            answer = self._line(process, 0.02)
            self._memory.look()
            if answer is not None or _cpu_s(process.pid) - began > SECONDS:
                break
        if answer is None:
            self._end()
            return "hang"
        if not answer:
            code = process.wait()
            self._end()
            return f"died of {code}"
        if self._memory.kb() > MOST_BYTES // 1024:
            self._end()
            return TOO_LARGE
        return str(json.loads(answer)["outcome"])

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            env = {
                **os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "TMPDIR": self._place.name,
                "AUDIT_CACHE_DIR": f"{self._place.name}/cache", "HOME": self._place.name,
            }  # fmt: skip
            words, (log, kept) = [sys.executable, "-m", "tests.fuzz.readers", *self.readers], tempfile.mkstemp(dir=self._place.name)
            pipe = subprocess.PIPE
            self._process = Forked(words, stdin=pipe, stdout=pipe, stderr=log, text=True, env=env, cwd=self._place.name)
            os.close(log)
            if (self._line(self._process, 300) or "").strip() != "ready":
                raise RuntimeError(Path(kept).read_text()[-2000:])
            self._memory = Peak(self._process.pid)
        return self._process

    @staticmethod
    def _line(process: subprocess.Popen[str], seconds: float) -> str | None:
        """Return the next line, empty where the process has ended, None where it takes too long."""
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline() if selector.select(seconds) else None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
