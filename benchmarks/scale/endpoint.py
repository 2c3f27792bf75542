"""5,000 questions to a server that takes 200 ms for each, 64 at a time, against the time that this takes at least; and the memory.

The server is a process of its own. At least: 79 waves of 200 ms. Prints the ratio, the CPU seconds of the client, and its memory after a
tenth of the questions and after all of them.
"""

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from audit.models.endpoint.model import opened
from audit.models.endpoint.settings import EndpointSettings
from audit.types import Question
from tests.support.endpoint import SHOWN

QUESTIONS, IN_FLIGHT, LATENCY_S, MOST = 5000, 64, 0.2, 1.2
AT_LEAST = -(-QUESTIONS // IN_FLIGHT) * LATENCY_S
ASKED = Question("Who?\n- woman\n- man\n- unclear", SHOWN, outcomes=("refusal", "unparsed"))
BATCH = 8 * IN_FLIGHT


def started(port: int, folder: Path) -> subprocess.Popen[bytes]:
    """Start the server, and wait until it listens."""
    line = [sys.executable, "-m", "tests.support.endpoint", "serve", str(port), str(10**9), str(folder / "paid"), str(LATENCY_S)]
    server = subprocess.Popen(line)
    while True:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.05)


def main() -> int:
    rng = np.random.default_rng(0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = started(port, folder)
        try:
            settings = EndpointSettings(f"http://127.0.0.1:{port}/v1", mode="text", in_flight=IN_FLIGHT, log=folder / "a.log")
            with opened("api:tiny", settings, folder) as model:
                assert model.terms.mode == "text"
                began, cpu, memory = time.monotonic(), time.process_time(), []
                for start in range(0, QUESTIONS, BATCH):  # as an audit asks: a batch is as many images as fill the window eight times
                    pixels = rng.integers(0, 256, (min(BATCH, QUESTIONS - start), 64, 64, 3), np.uint8)
                    model.log_likelihoods([Image.fromarray(each) for each in pixels], [ASKED])
                    memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
                seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        finally:
            server.kill()
            server.wait()
    ratio = seconds / AT_LEAST
    print(f"{QUESTIONS:,} questions, {IN_FLIGHT} in flight: {seconds:.1f} s, at least {AT_LEAST:.1f} s, ratio {ratio:.2f} (at most {MOST})")
    print(f"client: {cpu:.1f} CPU s, {1000 * cpu / QUESTIONS:.1f} ms a question; load of the machine {os.getloadavg()[0]:.1f}")
    print(f"memory: {memory[0]:.0f} MB after {BATCH} questions, {memory[-1]:.0f} MB after all")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
