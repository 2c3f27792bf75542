"""Renders a chat template, a program by the author of the model, with `sandbox`: in a process with limits, without files or network."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from strictio.errors import MachineError, UnsafeError
from strictio.templates import sandbox

log = logging.getLogger("audit")
REPAIR = "repair chat_template.jinja, or remove it: without one the model is asked plainly"
CPU_S, DEADLINE_S = 2, 20.0
"""Time that a template may compute; time that its process may take, also on a machine that is busy with something else."""
_BOOTSTRAP = "import sys, runpy; sys.path += sys.argv[2:]; runpy.run_path(sys.argv[1], run_name='__main__')"
_PATHS = sorted({str(Path(module.__path__[0]).parent) for module in (jinja2, markupsafe)})
_INHERITED = ("TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""The environment of the process: a template may print the local time, and Python may need its libraries."""
_REFUSALS = {
    "size": "the chat template computes with larger numbers or texts than any chat",
    "length": "the chat template puts more than {most:,} characters around a question",
    "memory": "the chat template needs more memory than any chat",
    "time": "the chat template does not end",
}


def run_template(template: str, variables: Mapping[str, Any], where: str, most: int) -> Mapping[str, str]:
    """Return ``words`` (`most` characters), or the reason as ``failed``; UnsafeError if it passes a bound or ends its process."""
    request = {"template": template, "variables": variables, "most": most, "cpu_s": CPU_S}
    code, reply = _run(json.dumps(request, default=str).encode())
    try:
        outcome: dict[str, str] = json.loads(reply)
    except ValueError:
        ended = code is None or -code in (signal.SIGKILL, signal.SIGXCPU)
        outcome = {"refused": "time"} if ended else {"refused": "crash"}
    if "unlimited" in outcome:
        _say_unlimited()
    if "refused" in outcome:
        what = _REFUSALS.get(outcome["refused"], "the chat template ends the process that renders it").format(most=most)
        why = "it is a program by the author of the model; it ran in a sandbox, in a process without files and network"
        raise UnsafeError(what, where=where, why=why, fix=REPAIR)
    return outcome


@cache
def _say_unlimited() -> None:
    log.warning("chat templates are rendered without a limit of memory: this system does not hold a process to one (Linux does)")


def _run(request: bytes) -> tuple[int | None, bytes]:
    """Return the exit code of the sandbox (None: it was ended after `DEADLINE_S`) and what it replied."""
    command = [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, sandbox.__file__, *_PATHS]
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    try:
        with tempfile.TemporaryFile() as reply:  # a file, because the system bounds its size
            pipes: dict[str, Any] = {"input": request, "stdout": reply, "stderr": subprocess.DEVNULL}
            try:
                # In a process group of its own: Ctrl-C reaches this process alone, which then ends it.
                done = subprocess.run(command, env=environment, process_group=0, timeout=DEADLINE_S, **pipes)  # noqa: S603, PLW1510
            except subprocess.TimeoutExpired:
                return None, b""
            reply.seek(0)
            return done.returncode, reply.read(sandbox.MOST_REPLY)
    except (OSError, TypeError) as error:  # TypeError: an embedded interpreter has no executable
        what = "no process to render a chat template can be started"
        raise MachineError(
            what, why=str(error), fix="allow this user more processes (ulimit -u), and make room for temporary files"
        ) from error
