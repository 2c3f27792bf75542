"""Signals that ask a command to stop: the first becomes an exception, a second ends the process at once.

Python raises the exception once native code returns. Where it does not return, or does not let the command end, `strictio.watchdog`, a
process of its own, kills the command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C; what a scheduler sends; a terminal that is closed. Not every system has each."""

PATIENCE_S = 4.0
"""Seconds between a signal and the end of a command that does not stop."""


class Stopped(KeyboardInterrupt):
    """The command was asked to stop by a signal; open resources are closed on the way out."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def stopping() -> Iterator[None]:
    """Raise `Stopped` at the first signal within the block. What is ignored, as `nohup` has it, stays ignored.

    The process is killed if the block has not ended `PATIENCE_S` seconds after the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return
    owner = os.getpid()
    before: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        for signum in before:
            signal.signal(signum, signal.SIG_DFL)
        if os.getpid() == owner:
            raise Stopped(number)
        os.kill(os.getpid(), number)  # a process that was forked from this one ends as if there were nothing here

    for number in [getattr(signal, name) for name in NAMES if hasattr(signal, name)]:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, stop)
    try:
        with _watched(tuple(map(int, before))):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def patient() -> Iterator[None]:
    """Let the block take its time after a signal: it has handlers of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.set_wakeup_fd(-1)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before, warn_on_full_buffer=False)


@contextmanager
def _watched(numbers: tuple[int, ...]) -> Iterator[None]:
    pipe = _watchdog(os.getpid(), numbers)
    before = signal.set_wakeup_fd(pipe, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        if pipe >= 0:
            with suppress(OSError):  # the watchdog is gone, or its pipe full of signals
                os.write(pipe, b"\0")


@cache
def _watchdog(pid: int, numbers: tuple[int, ...]) -> int:
    """Return the end of a pipe into which the system's handler of signals writes; -1 where no process can be started.

    The process lives as long as this one.
    """
    from strictio import watchdog

    its, mine = os.pipe()
    os.set_blocking(mine, False)
    command = [sys.executable, "-I", "-S", watchdog.__file__, str(pid), str(PATIENCE_S), *map(str, numbers)]
    nothing = subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=its, stdout=nothing, stderr=nothing, env={}, process_group=0)  # noqa: S603
    except (OSError, TypeError):  # TypeError: an embedded interpreter has no executable
        os.close(mine)
        return -1
    finally:
        os.close(its)
    process.returncode = 0  # it is not waited for: it ends after this process
    os.register_at_fork(after_in_child=_forget)
    return mine


def _forget() -> None:
    """Let a process that was forked from a watched one not report its own signals."""
    signal.set_wakeup_fd(-1)
