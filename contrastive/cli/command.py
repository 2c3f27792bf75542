"""Runs a small command, prints errors to stderr and returns an exit code; files are written completely or not at all."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from strictio.arguments import ArgumentParser
from strictio.console import prepare_streams, put
from strictio.errors import MachineError, VlmAuditError, as_machine_error
from strictio.stop_requests import Stopped, stopping

_INTERRUPTED, _CLOSED_PIPE = 130, 141


def typed_as(name: str) -> str:
    """Return the command as it was typed: ``vlm-audit NAME``, ``python -m audit NAME`` or ``python -m contrastive.NAME``."""
    script = Path(sys.argv[0])
    if script.stem == "vlm-audit":
        return f"vlm-audit {name}"
    return f"python -m audit {name}" if script.parts[-2:] == ("audit", "__main__.py") else f"python -m contrastive.{name}"


def command_parser(name: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of a command, with the common flag."""
    parse = ArgumentParser(prog=typed_as(name), description=description, epilog=epilog)
    parse.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parse


def run_command(action: Callable[[], str], *, debug: bool = False, whole: bool = False) -> int:
    """Run a command, print its result (`whole`: also if it is long), and return its exit code.

    0 done; 2 to 5 as in `strictio.errors`; 70 a bug; 130, 143, 129 after Ctrl-C, SIGTERM, SIGHUP; 141 done, but stdout was closed.
    """
    prepare_streams()
    try:
        with stopping():
            output = action()
    except KeyboardInterrupt as stop:
        put("stopped; nothing was written", sys.stderr)
        return stop.exit_code if isinstance(stop, Stopped) else _INTERRUPTED
    except Exception as problem:
        if debug:
            traceback.print_exc()
        return _explain(_known(problem) or problem)
    failed = put(output, sys.stdout, whole=whole)
    if failed is not None and not isinstance(failed, BrokenPipeError):
        put(f"warning: the result cannot be printed: {failed.strerror}", sys.stderr)
    return _CLOSED_PIPE if isinstance(failed, BrokenPipeError) else 0


def wait_asleep() -> None:
    """Make torch's threads sleep while they wait for each other, unless the environment configures this.

    By default, OpenMP spins for milliseconds if it has no more threads than there are processors. If other programs need these,
    spinning uses up the time in which the awaited thread could run: one step then takes as long as thirty.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & set(os.environ):  # read once, when torch is loaded
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def require_place(path: Path) -> None:
    """Raise `MachineError` before minutes of work if `path` cannot be written because its folder is missing or read-only."""
    folder = path.parent
    if not folder.is_dir():
        raise MachineError("the folder to write to does not exist", where=str(folder), fix=f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MachineError("the folder cannot be written to", where=str(folder), fix="name another place, or change its permissions")


def _known(problem: Exception) -> VlmAuditError | None:
    """Return the message of an error that the user can fix; None for a bug."""
    if isinstance(problem, VlmAuditError):
        return problem
    machine = as_machine_error(problem)
    if machine is None and isinstance(problem, OSError):
        where, why = str(problem.filename or "") or None, problem.strerror or str(problem)
        return MachineError("a file cannot be read or written", where=where, why=why, fix="make room, or name another place")
    return machine


def _explain(error: Exception) -> int:
    if isinstance(error, VlmAuditError):
        put(f"error: {error}", sys.stderr)
        return error.exit_code
    what = f"error: a defect of this program: {type(error).__name__}: {error}"
    put(f"{what}\nfix: run it again with --debug and report what it prints", sys.stderr)
    return 70
