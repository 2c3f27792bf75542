"""The directory that a run locks for itself: STATUS and run.log say how it ended, for the command as well as from Python."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self

from audit.cli.logs import JsonLines, LogFormat
from audit.errors import MachineError
from audit.output.directory import AUDIT, COMPARISON, STATUS, OutputFolder, check_writable
from audit.output.manifest import PAGES, is_unsettled
from strictio.console import visible
from strictio.files import Lock, read_text

LOG = logging.getLogger("audit")
_HELD_BY = "held by process"


class RunDirectory:
    """A directory locked from `open` on; leaving the context records in STATUS how the run ended.

    Without a path nothing is written. `facts` is the file to write, of an audit or of a comparison; `log` goes into run.log. Raises
    UsageError if the path is a file, or a folder with other contents; MachineError if it cannot be written, or another run writes there.
    """

    def __init__(self, path: Path | None, facts: str = AUDIT, log: logging.Logger | None = None, log_format: LogFormat = "text"):
        self.path, self._facts, self._log, self._log_format = path, facts, log, log_format
        self.folder: OutputFolder | None = None
        """The directory, once it is locked."""
        self._lock: Lock | None = None
        self._handler: _LogFile | None = None
        if path is not None:
            check_writable(path, facts)

    def open(self) -> OutputFolder | None:
        """Lock the directory and start its log, once there is something to write; returns it, None without a path."""
        if self.path is None or self._lock is not None:
            return self.folder
        if self._holds_a_page():
            LOG.info("the %s in %s is replaced once this one is complete", self._kind(), self.path)
        try:
            folder = OutputFolder(self.path, make=True)
            # By its name: while a new run replaces an old one, another folder temporarily has that name.
            self._lock = Lock(folder.above, f"{folder.name}/.lock")
        except BlockingIOError as error:
            what = f"another audit is writing to {str(self.path)!r}"
            raise MachineError(what, why=_holder(self.path), fix="wait for it, or name another --out") from error
        except OSError as error:
            fix = "choose a folder that you may write to"
            raise MachineError(f"cannot make --out {str(self.path)!r}", why=error.strerror, fix=fix) from error
        self.folder = folder
        folder.write_text(STATUS, f"running\n{_HELD_BY} {os.getpid()}\n")
        if self._log is not None:
            self._handler = _LogFile(folder, self._log_format)
            self._level = self._log.level
            self._log.setLevel(logging.DEBUG)
            self._log.addHandler(self._handler)
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.folder is None or self._lock is None:
            return
        status = "complete" if error is None else "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        if self._log is not None and isinstance(error, Exception):
            self._log.debug("stopped", exc_info=error)
        if self._log is not None and self._handler is not None:
            self._log.removeHandler(self._handler)
            self._log.setLevel(self._level)
            self._handler.close()
        try:
            self.folder.write_text(STATUS, self._status(status))
        except MachineError:
            if error is None:
                raise
            LOG.warning("cannot write %s in %s", STATUS, self.path)  # the original error is more important
        finally:
            self._lock.release()

    def _holds_a_page(self) -> bool:
        return self.path is not None and any((self.path / name).exists() for name in PAGES)

    def _status(self, status: str) -> str:
        """The text of STATUS: how the run ended, and to which run the other files belong."""
        assert self.path is not None  # noqa: S101 - the directory is open
        if status == "complete":
            return f"{status}\n"
        if is_unsettled(self.path):
            return f"{status}\nthe new files are complete: vlm-audit render {self.path.name} puts them in their place\n"
        return f"{status}\n" + f"the other files are of an earlier, complete {self._kind()}\n" * self._holds_a_page()

    def _kind(self) -> str:
        return "comparison" if self._facts == COMPARISON else "audit"


def _holder(directory: Path) -> str | None:
    """What STATUS says about the process that is writing here."""
    try:
        lines = read_text(directory / STATUS).splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return next((line for line in lines if line.startswith(_HELD_BY)), None)


class _TextLines(logging.Formatter):
    """A line with time, level and message, in which foreign text is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{self.formatTime(record)} {record.levelname} {visible(super().format(record))}"


class _LogFile(logging.StreamHandler[TextIOWrapper]):
    """run.log: if it can no longer be written, the run continues without it."""

    def __init__(self, folder: OutputFolder, log_format: LogFormat):
        try:
            opened = folder.open()
            opened.remove("run.log")
            self._file = os.fdopen(opened.create("run.log"), "w", encoding="utf-8")
        except OSError as error:
            fix = "choose a folder that you may write to, or make room"
            raise MachineError("cannot write run.log", why=error.strerror, fix=fix) from error
        super().__init__(self._file)
        self.setFormatter(JsonLines() if log_format == "json" else _TextLines())
        self._is_lost = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Warn once that the log ends here."""
        if not self._is_lost:
            self._is_lost = True
            LOG.warning("run.log ends here: it cannot be written any more")

    def close(self) -> None:
        """Close the file, even if its last lines cannot be written."""
        try:
            self._file.close()
        except OSError:
            self._is_lost = True
        super().close()
