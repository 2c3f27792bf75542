"""Two processes of a training run by torchrun, of which one can be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.forked import Forked

ROOT = Path(__file__).parents[2]


def _start(run, out, options):
    # The loopback address and a free port: nothing is heard from outside, and two tests do not meet.
    line = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port", "0"]
    line += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "-m", "contrastive.train", run, "--quiet", f"run.out={out}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return Forked([*line, *options], env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def workers(parent):
    """Return rank -> process id of torchrun's children."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"\nPPid:\t{parent}\n" in (folder / "status").read_text():
                words = dict(word.partition("=")[::2] for word in (folder / "environ").read_text().split("\0"))
                found[words.get("RANK")] = int(folder.name)
        except OSError:
            continue  # it ended meanwhile
    return found


def die_in_torchrun(run, out, *options):
    """Start two processes by torchrun and kill the second once a state is saved."""
    process = _start(run, out, options)
    deadline = time.monotonic() + 120
    while not (out / "ckpt.pt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(workers(process.pid)["1"], signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode != 0
