"""Real processes for a test: W processes run a function in one group (gloo); their results come back by rank.

They are forked from the Python that has the libraries (`tests.support.forked`), so none sees what another has changed. Tensors and
primitives travel in files of a private temporary folder; the processes meet through a file there, not through a port.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from strictio.errors import VlmAuditError
from strictio.weights.torch_file import read_archive
from tests.support.forked import ROOT, Forked

TIMEOUT_S = 300.0
LAST_LINES = 15
CHILD = "import sys; from tests.support.spawn import child; child(*sys.argv[1:])"


def spawn(
    function: Callable[..., Any], size: int, *arguments: Any, group: bool = True, timeout_s: float = TIMEOUT_S, grace_s: float = 0.0
) -> list[Any]:
    """Run ``function(*arguments)`` in `size` new processes that are one group; return the results by rank.

    `function` stands at the top level of a file, which each process loads anew; arguments and results are tensors, numbers, strings, and
    lists, tuples and dictionaries of those. `group` false: each process is alone and knows of no other; `grace_s`: how long the others may
    go on when one has failed. Raises `VlmAuditError` with the last lines of each when one fails or after `timeout_s`.
    """
    import torch

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save(arguments, folder / "arguments")
        children = [_start(function, rank, size if group else 0, folder) for rank in range(size)]
        try:
            _wait(children, folder, time.monotonic() + timeout_s, grace_s)
        finally:
            for child in children:
                child.kill()
                child.wait()
        return [read_archive(folder / f"result{rank}").data for rank in range(size)]


def _start(function: Callable[..., Any], rank: int, size: int, folder: Path) -> Forked:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    if size:
        env |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        # The loopback interface: a host name that does not resolve must not matter.
        env |= {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    with (folder / f"log{rank}").open("wb") as log:
        return Forked(
            [sys.executable, "-c", CHILD, inspect.getfile(function), function.__qualname__, rank, folder], stdout=log, stderr=log, env=env
        )


def _wait(children: list[Forked], folder: Path, deadline: float, grace_s: float) -> None:
    while (codes := [child.poll() for child in children]) != [0] * len(children):
        if any(codes):
            failed = next(rank for rank, code in enumerate(codes) if code)
            _wait_for_all(children, grace_s)
            raise VlmAuditError(f"process {failed} of {len(children)} ended with {codes[failed]}", why=_last_words(folder, len(children)))
        if time.monotonic() > deadline:
            raise VlmAuditError("the processes did not finish in time", why=_last_words(folder, len(children)))
        time.sleep(0.005)


def _wait_for_all(children: list[Forked], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(child.poll() is None for child in children):
        time.sleep(0.005)


def _last_words(folder: Path, size: int) -> str:
    """Return what each process said last: the first to be seen dead may have died of another's death."""
    logs = [(path := folder / f"log{rank}").exists() and path.read_text("utf-8", "replace").splitlines() for rank in range(size)]
    return "\n".join(f"[{rank}] {line}" for rank, log in enumerate(logs) for line in (log or [])[-LAST_LINES:])


def child(file: str, name: str, rank: str, folder: str) -> None:
    """Be one of the processes of `spawn`."""
    code = 1
    try:
        _serve(file, name, int(rank), Path(folder))
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # With gloo, threads that outlive the interpreter abort it; there is nothing left to do here.
    os._exit(code)


def _serve(file: str, name: str, rank: int, folder: Path) -> None:
    import torch

    from contrastive import distributed

    torch.set_num_threads(1)
    if "WORLD_SIZE" in os.environ:
        distributed.init("cpu", rendezvous=f"file://{folder}/store", timeout_s=TIMEOUT_S)
    result = getattr(_loaded(file), name)(*read_archive(folder / "arguments").data)
    torch.save(result, folder / f"result{rank}")
    distributed.close()


def _loaded(file: str) -> Any:
    spec = importlib.util.spec_from_file_location("spawned", file)
    if spec is None or spec.loader is None:
        raise VlmAuditError("the function's file cannot be loaded", where=Path(file).name)
    module = importlib.util.module_from_spec(spec)
    sys.modules["spawned"] = module
    spec.loader.exec_module(module)
    return module
