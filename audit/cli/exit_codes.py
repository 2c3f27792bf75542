"""Runs a command's work, and turns its end into an exit code and a message on stderr."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path

from audit.cli.logs import LogFormat, write_message
from audit.errors import AuditError, UsageError
from strictio.console import discard, visible
from strictio.errors import as_machine_error
from strictio.stop_requests import Stopped, stopping

# Checks that the program's own packages are imported: ``python -m`` looks into the working directory first.


PACKAGES = ("probes", "reports", "contrastive", "strictio")
_HOME = Path(__file__).resolve().parents[2]


def refuse_namesakes() -> None:
    """Raise `UsageError` if a file or folder of the user is imported instead of a package of the program."""
    for name in PACKAGES:
        spec = find_spec(name)
        origin = Path(spec.origin).resolve() if spec and spec.origin else None
        if origin is None or origin.parent.parent == _HOME:
            continue
        own = origin.parent if origin.name == "__init__.py" else origin
        where = own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own
        what = f"{str(where)!r} hides a package of vlm-audit that is called {name!r} too"
        fix = "vlm-audit in place of python -m, or another folder"
        raise UsageError(what, why="python -m imports what lies in the working directory first", fix=fix)


COMPLETE, BREACHED, DEFECT, INTERRUPTED, CLOSED_PIPE = 0, 1, 70, 130, 141
GATED = "1 a gate is breached, cannot be estimated or is under --limit, "
ENDS = "70 defect, 130 interrupted (129 SIGHUP, 143 SIGTERM)"
MEANING = f"exit codes: 0 complete, {GATED}2 usage, 3 bad data or model, 4 refused as unsafe, 5 environment, {ENDS}"


def ended(
    work: Callable[[], int], *, debug: bool = False, within: AbstractContextManager[None] | None = None, log_format: LogFormat = "text"
) -> int:
    """Run the work of a command and return its exit code; only `AuditError` is reported as the user's own mistake.

    `within` is exited in every case, with the exception if there is one.
    """
    try:
        with stopping(), within or nullcontext():
            refuse_namesakes()
            return work()
    except BrokenPipeError:  # ``| head -1``: the reader has closed the pipe, which is not an error
        discard(sys.stdout)
        return CLOSED_PIPE
    except AuditError as error:
        return _report(f"error[E{error.exit_code}] {error}", error.exit_code, debug, log_format)
    except KeyboardInterrupt as error:
        code = error.exit_code if isinstance(error, Stopped) else INTERRUPTED
        return _report(f"interrupted ({error or 'SIGINT'}); what was embedded is kept: the same command resumes", code, debug, log_format)
    except SystemExit:
        raise
    except BaseException as error:  # any other, including a panic in Rust, is the machine's or our defect: exit code 1 would mean a finding
        if (known := as_machine_error(error)) is not None:
            return _report(f"error[E{known.exit_code}] {known}", known.exit_code, debug, log_format)
        logging.getLogger("audit").debug("internal error", exc_info=True)
        message = f"error[E{DEFECT}] internal error: {type(error).__name__}: {error}\nfix: run again with --debug and report what it prints"
        return _report(message, DEFECT, debug, log_format)


def print_result(work: Callable[[], object]) -> int:
    """Run the work of a small command and print its result; ends as `ended` does."""

    def done() -> int:
        print(visible(str(work())), flush=True)
        return COMPLETE

    return ended(done)


def _report(message: str, code: int, debug: bool, log_format: LogFormat) -> int:
    fields: dict[str, object] = {"exit_code": code}
    if debug and log_format == "json":
        fields["traceback"] = traceback.format_exc()
    elif debug:
        traceback.print_exc()
    write_message(message, logging.ERROR, log_format, **fields)
    return code
