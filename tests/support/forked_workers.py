"""A plug-in of pytest that forks the workers of pytest-xdist: ``pytest -p tests.support.forked_workers --numprocesses 3``.

Otherwise each worker imports the libraries, and so does the interpreter from which it forks the processes of its tests: six times five
seconds of three workers. Here they are imported once, by the interpreter of `tests.support.forked`; the workers are forked from it as well.
"""

from __future__ import annotations

import subprocess

import pytest
from execnet import gateway_io
from execnet.gateway_base import Popen2IO

from tests.support import forked


class ForkedIO(gateway_io.Popen2IOMaster):
    """What `Popen2IOMaster` is, to a process that is forked."""

    def __init__(self, args, execmodel):
        python, *_, how, what = args  # between them `-u`, of no matter: what a worker writes first, it flushes
        self.popen = forked.Forked([python, how, what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, forks=True)
        Popen2IO.__init__(self, self.popen.stdin, self.popen.stdout, execmodel=execmodel)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        gateway_io.Popen2IOMaster = ForkedIO
