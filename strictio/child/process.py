"""A child of this process (`strictio.child`): started when it is first asked, ended when a request passes a limit or is interrupted."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from strictio.child.serve import KINDS, MOST_LINE, WAITING
from strictio.errors import MachineError, VlmAuditError
from strictio.limits import parse_json

log = logging.getLogger("audit")
START_S = 60.0
"""Seconds that a child may take to import its library."""
GRACE_S = 2.0
"""Seconds after which a child is killed that its own timers should have ended."""
_MOST_TEXT = 1000
"""Characters of each part of an error that a child raises."""
_BOOTSTRAP = "import sys; sys.path += sys.argv[4:]; from strictio.child.serve import serve; "
_BOOTSTRAP += "serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))"
_INHERITED = ("AUDIT_FAULT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "RAYON_NUM_THREADS", "TOKENIZERS_PARALLELISM")
"""The only environment variables of a child: an untrusted file must not have access to tokens."""
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "134217728"}
"""Memory kept from one request to the next, because allocating it again takes as long as decoding an image."""


class EndedError(Exception):
    """A child has ended before it answered."""

    def __init__(self, code: int, *, killed: bool):
        super().__init__(f"exit code {code}")
        self.used_up = code == -signal.SIGPROF
        """Whether it took the time of the processor: it would take as much again."""
        self.took_too_long = killed or code in (-signal.SIGPROF, -signal.SIGALRM)
        """Whether it took that, or too long on the clock; else it crashed."""


class TooMuchMemoryError(Exception):
    """A request takes more memory than a child may have."""


class Child:
    """A process that answers requests by what `make`, ``module:function``, returns; `file` is shared with it.

    `packages`: libraries that it imports; `memory`: bytes that it may take beside them. It reads from a socket that the system closes
    when this process ends, however it ends. Threads take turns: one holds `turn` until it has read its answer. MachineError if no process
    can be started.
    """

    def __init__(self, make: str, packages: Sequence[str], memory: int):
        self.file = _shared_file()
        self.turn = threading.Lock()
        self._ready = self._killed = False
        mine, its = socket.socketpair()
        paths = [str(Path(__file__).parents[2]), *dict.fromkeys(map(_folder_of, packages))]
        command = [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, str(self.file.fileno()), make, str(memory), *paths]
        environment = _ENVIRONMENT | {name: os.environ[name] for name in _INHERITED if name in os.environ}
        streams: dict[str, Any] = {"stdin": its, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            with its:
                # In a process group of its own, so that Ctrl-C reaches this process only, which then ends it.
                self.process = subprocess.Popen(  # noqa: S603  # no word of a user's
                    command, env=environment, process_group=0, pass_fds=(self.file.fileno(),), **streams
                )
        except (OSError, TypeError) as error:  # TypeError: an embedded interpreter has no executable
            mine.close()
            self.file.close()
            what = "no process to read untrusted files can be started"
            raise MachineError(what, why=str(error), fix="allow this user more processes (ulimit -u)") from error
        self._channel = mine
        self._finalizer = weakref.finalize(self, _end, os.getpid(), self.process, mine, self.file)

    def ask(self, request: Mapping[str, Any], cpu_s: float, files: Sequence[int] = ()) -> dict[str, Any]:
        """Return the answer to a request, within seconds of the processor; `files`: descriptors that are handed in.

        Raises what the child raised of `strictio.errors`; `EndedError`, `TooMuchMemoryError`; RuntimeError for a defect.
        """
        try:
            if not self._ready:
                _say_missing(tuple(self._started()["missing"]))
                self._ready = True
            line = json.dumps({**request, "cpu_s": cpu_s}).encode() + b"\n"
            answer = self._exchanged(line, files, WAITING * cpu_s + GRACE_S)
        except BaseException:  # also of an interrupted wait: the answer would be taken for that to the next request
            self.kill()
            raise
        if "memory" in answer:
            raise TooMuchMemoryError
        if "raised" in answer:
            with self._taken_at_its_word():
                kind, what, *others = answer["raised"]
                where, why, fix = (text if text is None else text[:_MOST_TEXT] + "" for text in others)
                raised = KINDS[kind](what[:_MOST_TEXT] + "", where=where, why=why, fix=fix)
            raise raised
        if "error" in answer:
            raise RuntimeError(f"a child process failed:\n{answer['error']}")
        return answer

    @contextmanager
    def answering(self, request: Mapping[str, Any], cpu_s: float, files: Sequence[int] = ()) -> Iterator[dict[str, Any]]:
        """Give the answer to a request, as `ask` returns it.

        Any error about what it says, or about the bytes that are shared, ends the child: it may have been taken over. Errors of
        `strictio.errors` are raised as they are.
        """
        answer = self.ask(request, cpu_s, files)
        with self._taken_at_its_word():
            yield answer

    @contextmanager
    def _taken_at_its_word(self) -> Iterator[None]:
        try:
            yield
        except (VlmAuditError, EndedError):
            raise
        except Exception as error:
            self.kill()
            raise self._ended() from error

    def _started(self) -> dict[str, Any]:
        try:
            return self._answer(START_S)
        except EndedError as error:
            if self._killed:
                raise
            what = "the process that reads untrusted files does not start"
            raise MachineError(what, why=str(error), fix="free some memory, or install the package again") from error

    def _exchanged(self, line: bytes, files: Sequence[int], wall_s: float) -> dict[str, Any]:
        try:
            self._channel.settimeout(wall_s)
            sent = socket.send_fds(self._channel, [line], list(files)) if files else 0
            self._channel.sendall(line[sent:])
        except OSError as error:
            raise self._ended() from error
        return self._answer(wall_s)

    def _answer(self, wall_s: float) -> dict[str, Any]:
        """Read a line; a child that sends too much, or nothing in time, is killed."""
        line, deadline = b"", time.monotonic() + wall_s
        while not line.endswith(b"\n"):
            self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                part = self._channel.recv(MOST_LINE)
            except TimeoutError as error:
                self.process.kill()
                raise self._ended(killed=True) from error
            except OSError as error:
                raise self._ended() from error
            line += part
            if not part or len(line) > MOST_LINE:
                self._channel.shutdown(socket.SHUT_RDWR)
                raise self._ended()
        try:
            answer = parse_json(line)
        except ValueError as error:
            self.process.kill()
            raise self._ended() from error
        if not isinstance(answer, dict):
            self.process.kill()
            raise self._ended()
        return answer

    def _ended(self, *, killed: bool = False) -> EndedError:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_S)
        self.process.kill()
        return EndedError(self.process.wait(), killed=killed)

    def kill(self) -> None:
        """End the process; callers waiting for its answer find it dead."""
        self._killed = True
        self.process.kill()

    def end(self) -> None:
        """End the process and close the files."""
        self._finalizer()

    @property
    def runs(self) -> bool:
        """Whether the process can be asked."""
        return self.process.poll() is None


_shared: dict[tuple[int, str, int], Child] = {}
_sharing = threading.Lock()


def shared_child(make: str, packages: Sequence[str], memory: int) -> Child:
    """Return the child for `make` that all files of this process share, started again where it has ended."""
    with _sharing:
        key = (os.getpid(), make, memory)
        if key not in _shared or not _shared[key].runs:
            _shared[key] = Child(make, packages, memory)
        return _shared[key]


def _end(owner: int, process: subprocess.Popen[bytes], channel: socket.socket, file: IO[bytes]) -> None:
    channel.close()
    with suppress(OSError):
        file.close()
    if os.getpid() == owner:  # not in a process that was forked from its parent
        process.kill()
        process.wait()


def _folder_of(package: str) -> str:
    """Return the folder that a package is imported from, without importing it."""
    module = sys.modules.get(package)
    spec = module.__spec__ if module is not None else importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no package {package}", name=package)
    return str(Path(spec.origin).parents[1 if spec.submodule_search_locations else 0])


@cache
def _say_missing(missing: tuple[str, ...]) -> None:
    if missing:
        log.warning("untrusted files are read in processes without %s: this system does not enforce it (Linux does)", ", ".join(missing))


def _shared_file() -> IO[bytes]:
    """Return a file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("shared"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
