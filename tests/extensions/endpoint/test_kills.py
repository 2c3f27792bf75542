"""Kill the client, or the server, in the middle: the same command again gives equal results, and nothing in the log is paid twice."""

import os
import random
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from audit.extensions.endpoint.answer_log import answer_of_line
from tests.support.endpoint import Stub, ask, by_noise
from tests.support.forked import Forked
from tests.support.house import ROOT

KEY = "sk-proj-canary0123456789abcdef"
IN_FLIGHT, IMAGES = 4, 120
TOTAL = IMAGES + 1
"""Answers: one an image, and that of the trial."""


def process(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": KEY, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "tests.support.endpoint", *map(str, words)]
    return Forked(line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def client(url, folder):
    return process("ask", url, folder / "a.log", IMAGES, folder / "rows.npy")


def rows(url, folder, log="a.log"):
    """Ask to the end, in this process, and return what was answered."""
    ask(url, str(folder / log), IMAGES, str(folder / "rows.npy"))
    return np.load(folder / "rows.npy")


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def kept(folder):
    """Return how many answers are in the log; a torn line is none."""
    path = folder / "a.log"
    return sum(answer_of_line(line) is not None for line in path.read_bytes().splitlines(keepends=True)) if path.exists() else 0


def without_key(folder):
    return not any(KEY.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def kill_clients(folder, kills, seed):
    rng = random.Random(seed)
    with Stub(by_noise, latency_s=0.005) as stub:
        unbroken = rows(stub.url, folder, "plain.log")
        for _ in range(kills):
            if kept(folder) > TOTAL - 20:  # nearly all is answered: begin again
                assert np.array_equal(rows(stub.url, folder), unbroken)
                (folder / "a.log").unlink()
            before, known = sum(stub.answered.values()), kept(folder)
            asking = client(stub.url, folder)
            wanted = before + rng.randrange(0, 40)
            while asking.poll() is None and sum(stub.answered.values()) < wanted:
                time.sleep(0.001)
            asking.send_signal(signal.SIGKILL)
            assert KEY not in asking.communicate()[0].decode()
            stub.wait_until_idle()  # what is on its way is counted for this client, not for the next
            # What was answered is in the log, but for what was on its way: nothing in the log was asked for again.
            assert sum(stub.answered.values()) - before <= kept(folder) - known + IN_FLIGHT
        before, known = sum(stub.answered.values()), kept(folder)
        assert np.array_equal(rows(stub.url, folder), unbroken)
        assert sum(stub.answered.values()) - before == TOTAL - known
    assert without_key(folder)


def kill_servers(folder, kills, seed, lives=range(1, 25)):
    """Kill a server again and again, each after one of so many answers."""
    rng = random.Random(seed)
    with Stub(by_noise) as stub:
        unbroken = rows(stub.url, folder, "plain.log")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = 0
    while done < kills:
        (folder / "a.log").unlink(missing_ok=True)
        (folder / "paid").unlink(missing_ok=True)
        server, asking = process("serve", port, rng.choice(lives), folder / "paid"), client(f"http://127.0.0.1:{port}/v1", folder)
        killed = 0
        while asking.poll() is None:
            if server.poll() is not None:
                server.communicate()
                killed += 1
                server = process("serve", port, rng.choice(lives), folder / "paid")
            time.sleep(0.005)
        server.kill()
        server.communicate()
        printed = asking.communicate()[0].decode()
        assert asking.returncode == 0, printed
        assert KEY not in printed
        assert np.array_equal(np.load(folder / "rows.npy"), unbroken)
        paid = (folder / "paid").read_text().split()
        assert len(set(paid)) == TOTAL
        assert len(paid) - TOTAL <= killed * IN_FLIGHT  # what a killed server wrote down need not have arrived
        done += killed
    assert without_key(folder)


@pytest.mark.slow
def test_a_killed_client_goes_on_where_it_stopped(tmp_path):
    kill_clients(tmp_path, 2, seed=0)


@pytest.mark.slow
def test_a_client_outlives_its_server(tmp_path):
    kill_servers(tmp_path, 1, seed=0, lives=range(40, 90))


@pytest.mark.calibration
def test_a_client_killed_a_hundred_times(tmp_path):
    kill_clients(tmp_path, 100, seed=1)


@pytest.mark.calibration
def test_a_server_killed_fifty_times(tmp_path):
    kill_servers(tmp_path, 50, seed=1)
