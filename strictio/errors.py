"""Errors that a person can act on: one tree for the trainer and the audit.

::

    VlmAuditError               says what, where, why and the way out; shown without a traceback
    |-- UsageError        2     unknown flag, preset, probe, key or name; a value that does not fit
    |-- DataError         3     bad or unreadable input data, checkpoint or model
    |-- UnsafeError       4     refused as unsafe: code in a checkpoint, a bomb, foreign code in a configuration
    `-- MachineError      5     hub unreachable, disk full, cannot write, out of memory

Any other exception is a defect of this program (exit code 70).
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

_MOST_NAMES = 10_000
"""Names of a folder that are compared with the one of a missing file."""


class VlmAuditError(Exception):
    """An error with a way out.

    `what`: one sentence: what is wrong, naming the thing; `where`: the place: a file, a row, a flag, a key, a tensor; `why`: what was found
    and what was expected; `fix`: what to do about it, as a command where one exists.
    """

    exit_code = 70

    def __init__(self, what: str, *, where: str | None = None, why: str | None = None, fix: str | None = None):
        super().__init__(what)
        self.what, self.where, self.why, self.fix = what, where, why, fix

    def __str__(self) -> str:
        first = self.what + (f" ({self.where})" if self.where else "")
        return "\n".join([first, *(f"{name}: {text}" for name, text in (("why", self.why), ("fix", self.fix)) if text)])


class UsageError(VlmAuditError):
    """A flag, a configuration or a name is wrong."""

    exit_code = 2


class DataError(VlmAuditError):
    """Input data, a checkpoint or a model cannot be read, is damaged or does not fit."""

    exit_code = 3


class UnsafeError(VlmAuditError):
    """The input was refused because reading it could run code or exhaust the machine."""

    exit_code = 4


class MachineError(VlmAuditError):
    """The machine or the network does not give what is needed."""

    exit_code = 5


_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "without exception set", "without setting an exception")
"""The last two are raised by Python itself if code written in C got no memory and set no exception."""
_OF_SYSTEM = re.compile(r"\(os error (\d+)\)")  # how libraries written in Rust (safetensors, tokenizers) say it
_GONE = ("Connection closed by peer", "Connection reset by peer", "Socket closed", "remote process exited")


def as_machine_error(error: BaseException) -> VlmAuditError | None:
    """Return the error that a person can act on for one caused by the machine, in whichever form a library raises it; None for any other.

    It is a MachineError, but for a name that the file system cannot have: UsageError.

    >>> as_machine_error(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 384000 bytes. Error code 12")).what
    'out of memory'
    >>> as_machine_error(SystemError("<function _find_and_load at 0x7f2f8575bce0> returned NULL without setting an exception")).what
    'out of memory'
    >>> as_machine_error(RuntimeError("Read error [127.0.0.1]:11180: Connection reset by peer")).what
    'another process of this run has ended'
    >>> as_machine_error(Exception("I/O error: No space left on device (os error 28)")).why
    'No space left on device'
    >>> as_machine_error(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000)).why
    'File name too long'
    >>> as_machine_error(ValueError("embedded null byte"))
    """
    text = str(error)
    number = error.errno if isinstance(error, OSError) else int(match[1]) if (match := _OF_SYSTEM.search(text)) else None
    lacks = isinstance(error, RuntimeError | SystemError) and any(words in text for words in _NO_MEMORY)
    if isinstance(error, MemoryError) or lacks or number == errno.ENOMEM:
        why = next((line for line in text.splitlines() if "memory" in line), text)[:200] or None
        fix = "free some memory; in training a smaller data.batch, a larger optim.accumulate, run.recompute=true or run.precision=bf16"
        return MachineError("out of memory", why=why, fix=fix)
    if isinstance(error, OSError) and number == errno.ENAMETOOLONG:
        where = f"{str(error.filename)[:60]}…" if error.filename else None
        return UsageError("a name is too long", where=where, why=error.strerror, fix="name another file")
    if number is not None and not isinstance(error, OSError):
        return MachineError("a file cannot be read or written", why=os.strerror(number), fix="make room, or name another place")
    if isinstance(error, RuntimeError) and any(words in text for words in _GONE):
        killed = "a process that ends without a message was usually killed for using too much memory"
        why = f"it was terminated ({killed}), or cannot be reached: {text[:200]}"
        return MachineError("another process of this run has ended", why=why, fix="see what that one said; the same command again resumes")
    return None


def nearest_file(path: Path, otherwise: str) -> str:
    """Return a phrase that names the file of the same folder whose name is most like that of a missing one; without one, `otherwise`."""
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, _MOST_NAMES) if entry.name.isprintable()]
    except (OSError, ValueError):
        return otherwise
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return f"did you mean {path.with_name(close[0])}?" if close else otherwise


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a phrase that names the nearest known names, then all of them.

    >>> nearest("ViT-B32", ["ViT-B/32", "RN50"])
    'did you mean ViT-B/32? Known: RN50, ViT-B/32'
    """
    everything = sorted(known)
    close = difflib.get_close_matches(name, everything, cutoff=0.5)
    return (f"did you mean {' or '.join(close)}? Known: " if close else "choose one of: ") + ", ".join(everything)
