"""Real processes for a test: start W, let each run a function in one group (gloo), return what each returned.

What travels between the processes is tensors and primitives in files of a private temporary folder; they meet through a file there, not
through a port.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contrastive.checkpoint.torch_file import read_archive
from contrastive.errors import VlmAuditError

TIMEOUT_S = 300.0
LAST_LINES = 15


def spawn(function: Callable[..., Any], size: int, *arguments: Any, timeout_s: float = TIMEOUT_S) -> list[Any]:
    """Run ``function(*arguments)`` in `size` new processes that are one group; return the results by rank.

    Parameters
    ----------
    function : callable
        At the top level of a file, which each process loads anew.
    size : int
        How many processes.
    *arguments
        Tensors, numbers, strings, and lists, tuples and dictionaries of those; so is the result.
    timeout_s : float
        For all of it; the processes are ended after that.

    Raises
    ------
    VlmAuditError
        With the last lines of the first process that failed, or when time is up.
    """
    import torch

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save(arguments, folder / "arguments")
        children = [_start(function, rank, size, folder) for rank in range(size)]
        try:
            _wait(children, folder, time.monotonic() + timeout_s)
        finally:
            for child in children:
                child.kill()
                child.wait()
        return [read_archive(folder / f"result{rank}").data for rank in range(size)]


def _start(function: Callable[..., Any], rank: int, size: int, folder: Path) -> subprocess.Popen[bytes]:
    where = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    # One thread each, and the loopback interface: a host name that does not resolve must not matter.
    quiet = {"OMP_NUM_THREADS": "1"} | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})
    words = [inspect.getfile(function), function.__qualname__, str(folder)]
    command = [sys.executable, "-c", "import sys; from tests.support.spawn import child; child(*sys.argv[1:])", *words]
    with (folder / f"log{rank}").open("wb") as log:
        return subprocess.Popen(command, env=os.environ | quiet | where, stdout=log, stderr=log)


def _wait(children: list[subprocess.Popen[bytes]], folder: Path, deadline: float) -> None:
    while (codes := [child.poll() for child in children]) != [0] * len(children):
        if any(codes):
            failed = next(rank for rank, code in enumerate(codes) if code)
            raise VlmAuditError(f"process {failed} of {len(children)} ended with {codes[failed]}", why=_last_words(folder, len(children)))
        if time.monotonic() > deadline:
            raise VlmAuditError("the processes did not finish in time", why=_last_words(folder, len(children)))
        time.sleep(0.02)


def _last_words(folder: Path, size: int) -> str:
    """Return what each process said last: the first to be seen dead may have died of another's death."""
    logs = [(folder / f"log{rank}").read_text("utf-8", "replace").splitlines() for rank in range(size)]
    return "\n".join(f"[{rank}] {line}" for rank, log in enumerate(logs) for line in log[-LAST_LINES:])


def child(file: str, name: str, folder: str) -> None:
    """Be one of the processes of `spawn`."""
    code = 1
    try:
        _serve(file, name, Path(folder))
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # With gloo, threads that outlive the interpreter abort it; there is nothing left to do here.
    os._exit(code)


def _serve(file: str, name: str, folder: Path) -> None:
    import torch

    from contrastive.distributed import processes as distributed

    torch.set_num_threads(1)
    distributed.init("cpu", rendezvous=f"file://{folder}/store", timeout_s=TIMEOUT_S)
    arguments = read_archive(folder / "arguments").data
    result = getattr(_loaded(file), name)(*arguments)
    torch.save(result, folder / f"result{distributed.rank()}")
    distributed.close()


def _loaded(file: str) -> Any:
    spec = importlib.util.spec_from_file_location("spawned", file)
    if spec is None or spec.loader is None:
        raise VlmAuditError("the function's file cannot be loaded", where=Path(file).name)
    module = importlib.util.module_from_spec(spec)
    sys.modules["spawned"] = module
    spec.loader.exec_module(module)
    return module
