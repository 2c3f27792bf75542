"""A command as from outside, in this process: words in, exit code and what was printed out. A new interpreter takes seconds."""

import contextlib
import io
import subprocess
import sys
from importlib import import_module

from tests.support import forked


def command(*arguments, module="audit.run", cwd="."):
    """Return what a command gives, as `subprocess.run` would."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = import_module(module).main(list(map(str, arguments)))
        except SystemExit as stop:
            code = stop.code or 0
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def process(*arguments, module="audit.run", cwd=None, env=None):
    """Run a command in a process of its own."""
    run = [sys.executable, "-m", module, *map(str, arguments)]
    return forked.run(run, capture_output=True, text=True, cwd=cwd, env=env, timeout=120, check=False)
