"""The directory that a run takes for itself: STATUS and run.log say how it ended, whoever started it."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from audit.errors import MachineError
from audit.output.directory import AUDIT, COMPARISON, STATUS, check_writable, write_text
from audit.output.manifest import PAGES, is_unsettled
from contrastive.cli.console import visible

LOG = logging.getLogger("audit")
_HELD_BY = "held by process"


class RunDirectory:
    """A directory taken from `open` on; leaving the context says in STATUS how the run ended.

    Without a path nothing is written. `facts` are those to be written, of an audit or of a comparison; `log` goes into run.log. UsageError
    if the path is a file, or a folder with other things in it; MachineError if it cannot be written, or another run is writing there.
    """

    def __init__(self, path: Path | None, facts: str = AUDIT, log: logging.Logger | None = None):
        self.path, self._facts, self._log = path, facts, log
        self._lock: FileLock | None = None
        self._handler: logging.FileHandler | None = None
        if path is not None:
            check_writable(path, facts)

    def open(self) -> None:
        """Take the directory and begin its log, once there is something to write."""
        if self.path is None or self._lock is not None:
            return
        if self._holds_a_page():
            LOG.info("the %s in %s is replaced once this one is complete", self._kind(), self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock")
            lock.acquire(blocking=False)
        except Timeout as error:
            what = f"another audit is writing to {str(self.path)!r}"
            raise MachineError(what, why=_holder(self.path), fix="wait for it, or name another --out") from error
        except OSError as error:
            fix = "choose a folder that you may write to"
            raise MachineError(f"cannot make --out {str(self.path)!r}", why=error.strerror, fix=fix) from error
        self._lock = lock
        write_text(self.path / STATUS, f"running\n{_HELD_BY} {os.getpid()}\n")
        if self._log is not None:
            self._handler = _LogFile(self.path / "run.log")
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
        try:
            write_text(self.path / STATUS, self._status(status))
        except MachineError:
            if error is None:
                raise
            LOG.warning("cannot write %s in %s", STATUS, self.path)  # what went wrong before is what has to be said
        finally:
            self._lock.release()
            with suppress(OSError):  # an empty file that nobody holds does no harm
                Path(self._lock.lock_file).unlink(missing_ok=True)

    def _holds_a_page(self) -> bool:
        return self.path is not None and any((self.path / name).exists() for name in PAGES)

    def _status(self, status: str) -> str:
        """Return what STATUS says: how the run ended, and whose the other files are."""
        assert self.path is not None  # noqa: S101 - of an open directory
        if status == "complete":
            return f"{status}\n"
        if is_unsettled(self.path):
            return f"{status}\nthe new files are complete: vlm-audit render {self.path.name} puts them in their place\n"
        return f"{status}\n" + f"the other files are of an earlier, complete {self._kind()}\n" * self._holds_a_page()

    def _kind(self) -> str:
        return "comparison" if self._facts == COMPARISON else "audit"


def _holder(directory: Path) -> str | None:
    """Return what STATUS says of the process that writes here."""
    try:
        lines = (directory / STATUS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return next((line for line in lines if line.startswith(_HELD_BY)), None)


class _LogFile(logging.FileHandler):
    """run.log: where it cannot be written any more, the run goes on without."""

    _line = logging.Formatter()

    def __init__(self, path: Path):
        try:
            super().__init__(path, mode="w", encoding="utf-8")
        except OSError as error:
            fix = "choose a folder that you may write to, or make room"
            raise MachineError(f"cannot write {path.name}", why=error.strerror, fix=fix) from error
        self._is_lost = False

    def format(self, record: logging.LogRecord) -> str:
        """Return a line of the log; what is foreign in it changes nothing around it."""
        return f"{self._line.formatTime(record)} {record.levelname} {visible(self._line.format(record))}"

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Say once that the log ends here."""
        if not self._is_lost:
            self._is_lost = True
            LOG.warning("run.log ends here: it cannot be written any more")

    def close(self) -> None:
        """Close the file, also where its last lines find no room."""
        try:
            super().close()
        except OSError:
            self._is_lost = True
