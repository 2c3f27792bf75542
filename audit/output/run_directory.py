"""The directory that a run takes for itself: STATUS and run.log say how it ended, whoever started it."""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from audit.errors import MachineError
from audit.output.directory import AUDIT, STATUS, check_writable, write_text

LOG = logging.getLogger("audit")


class RunDirectory:
    """A directory taken from `open` on; leaving the context says in STATUS how the run ended.

    Without a path nothing is written. `facts` are those to be written, of an audit or of a comparison; `log` goes into run.log. UsageError
    if the path is a file, or a folder with other things in it; MachineError if it cannot be written, or another run is writing there.
    """

    def __init__(self, path: Path | None, facts: str = AUDIT, log: logging.Logger | None = None):
        self.path, self._log = path, log
        self._lock: FileLock | None = None
        self._handler: logging.FileHandler | None = None
        if path is not None:
            check_writable(path, facts)

    def open(self) -> None:
        """Take the directory and begin its log, once there is something to write."""
        if self.path is None or self._lock is not None:
            return
        if (self.path / "report.html").exists():
            LOG.info("the audit in %s is replaced once this one is complete", self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fix = "choose a folder that you may write to"
            raise MachineError(f"cannot make --out {str(self.path)!r}", why=error.strerror, fix=fix) from error
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise MachineError(f"another audit is writing to {str(self.path)!r}", fix="wait for it, or name another --out") from error
        self._lock = lock
        write_text(self.path / STATUS, "running\n")
        if self._log is not None:
            self._handler = logging.FileHandler(self.path / "run.log", mode="w", encoding="utf-8")
            self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            self._level = self._log.level
            self._log.setLevel(logging.DEBUG)
            self._log.addHandler(self._handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.path is None or self._lock is None:
            return
        status = "complete" if error is None else "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        if self._log is not None and isinstance(error, Exception):
            self._log.debug("stopped", exc_info=error)
        if self._log is not None and self._handler is not None:
            self._log.removeHandler(self._handler)
            self._log.setLevel(self._level)
            self._handler.close()
        older = status != "complete" and (self.path / "report.html").exists()
        write_text(self.path / STATUS, f"{status}\n" + "the other files are of an earlier, complete audit\n" * older)
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)
