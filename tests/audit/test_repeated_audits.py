"""Many audits in one process, as in a notebook or a service: what it holds stays flat."""

import re
import subprocess
import sys

import pytest


def held(rounds):
    """Return (MiB, handles, threads, handlers and filters, temporary files) after a tenth, a half and all of the rounds."""
    run = [sys.executable, "-m", "benchmarks.scale.repeated_audits", str(rounds)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=3600)
    assert done.returncode == 0, done.stderr[-2000:]
    return [list(map(int, re.findall(r"\d+", line)))[1:] for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_memory_handles_and_threads_stay_flat(rounds):
    """Three audits a round."""
    _, half, all_of_them = held(rounds)
    assert all_of_them[1:] == half[1:]
    assert all_of_them[0] - half[0] < 10
    assert all_of_them[-1] == 0
