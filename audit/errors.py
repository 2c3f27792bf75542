"""Errors that a person can act on.

::

    AuditError                  says what, where, why and the way out; shown without a traceback
    |-- UsageError        2     unknown flag, probe or name; malformed model spec
    |-- DataError         3     bad or unreadable input data or model
    |-- UnsafeError       4     refused as unsafe: code in a checkpoint, a bomb, foreign code in a configuration
    `-- MachineError      5     hub unreachable, disk full, cannot write, out of memory at batch size 1

Any other exception is a defect of this program (exit code 70).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AuditError(Exception):
    """An error with a way out.

    Parameters
    ----------
    what : str
        One sentence: what is wrong, naming the thing.
    where : str, optional
        The place: a file, a row, a flag.
    why : str, optional
        What was found and what was expected.
    fix : str, optional
        What to do about it, as a command where one exists.
    """

    exit_code = 70

    def __init__(self, what: str, *, where: str | None = None, why: str | None = None, fix: str | None = None):
        super().__init__(what)
        self.what, self.where, self.why, self.fix = what, where, why, fix

    def __str__(self) -> str:
        """Return the message of one to three lines that goes to stderr, without the ``error`` prefix."""
        lines = [self.what + (f" ({self.where})" if self.where else "")]
        lines += [f"why: {self.why}"] if self.why else []
        lines += [f"fix: {self.fix}"] if self.fix else []
        return "\n".join(lines)


class UsageError(AuditError):
    """The command line, a probe name or a model spec is wrong."""

    exit_code = 2


class DataError(AuditError):
    """Input data or a model cannot be read or does not fit."""

    exit_code = 3


class UnsafeError(AuditError):
    """The input was refused because reading it could run code or exhaust the machine."""

    exit_code = 4


class MachineError(AuditError):
    """The machine or the network does not give what is needed."""

    exit_code = 5


def nearest(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Return a phrase that names the nearest known names, else all of them.

    Examples
    --------
    >>> nearest("fairfase", ["fairface", "emoji"])
    'did you mean fairface? Known: emoji, fairface'
    >>> nearest("x", ["fairface", "emoji"])
    'choose one of: emoji, fairface'
    """
    everything = sorted(known)
    close = difflib.get_close_matches(name, everything, n=limit, cutoff=0.6)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{hint}{'Known' if close else 'choose one of'}: {', '.join(everything)}"
