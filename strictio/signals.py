"""Signals that ask a command to stop: the first becomes an exception, a second ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C; what a scheduler sends; a terminal that is closed. Not every system has each."""


class Stopped(KeyboardInterrupt):
    """The command was asked to stop by a signal; open resources are closed on the way out."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def stopping() -> Iterator[None]:
    """Raise `Stopped` at the first signal within the block. What is ignored, as `nohup` has it, stays ignored."""
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
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
