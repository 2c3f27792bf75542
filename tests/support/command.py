"""A command as a process of its own, without the seconds that a new interpreter takes to import torch.

Processes are forked from one server that has imported what every command needs, so each starts in milliseconds; its streams, its working
folder, its environment and its exit code are its own.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

IMPORTED = ["torch", "transformers", "pandas", "pyarrow.parquet", "fairlearn.metrics", "scipy.stats", "audit.engine", "reports.render"]


def command(
    *words: object, module: str = "audit.run", cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout_s: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m module *words`` and return its exit code and what it printed.

    Parameters
    ----------
    *words
        Arguments; they become text.
    module : str
        What ``-m`` names.
    cwd, env, timeout_s
        As `subprocess.run` takes them; the environment is the test's own by default.
    """
    with tempfile.TemporaryDirectory() as folder:
        argv = [module, *map(str, words)]
        arguments = (argv, str(cwd or Path.cwd()), dict(os.environ if env is None else env), folder)
        child = _server().Process(target=_run, args=arguments, daemon=True)
        child.start()
        child.join(timeout_s)
        if child.exitcode is None:
            child.kill()
            child.join()
            raise subprocess.TimeoutExpired(argv, timeout_s)
        out, err = ((Path(folder) / name).read_text("utf-8", "replace") for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(argv, child.exitcode, out, err)


@cache
def _server() -> ForkServerContext:
    """Return the context of the server, which keeps one thread: OpenMP's would not survive the fork."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def _run(argv: Sequence[str], cwd: str, environment: Mapping[str, str], folder: str) -> None:
    """Be the command."""
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, "stdout"), (2, "stderr")):
        with (Path(folder) / name).open("wb") as stream:
            os.dup2(stream.fileno(), number)
    os.chdir(cwd)
    sys.argv = list(argv)
    code: object = 70
    try:
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
