"""5,000 questions to a server that takes 200 ms for each, 64 at a time, against the minimum time; and the memory.

The server is a separate process with a constant answer. Minimum: 79 waves of 200 ms. Prints the ratio, the CPU seconds of the client,
and its memory after a tenth of the questions and after all of them.
"""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from audit.extensions.endpoint.model import opened
from audit.extensions.endpoint.settings import EndpointSettings
from audit.types import Question
from tests.support.endpoint import SHOWN

QUESTIONS, IN_FLIGHT, LATENCY_S, MOST = 5000, 64, 0.2, 1.2
AT_LEAST = -(-QUESTIONS // IN_FLIGHT) * LATENCY_S
ASKED = Question("Who?\n- woman\n- man\n- unclear", SHOWN, outcomes=("refusal", "unparsed"))


def started(port: int) -> subprocess.Popen[bytes]:
    """Start the server, and wait until it listens."""
    server = subprocess.Popen([sys.executable, "-m", "benchmarks.scale.endpoint", "serve", str(port)])
    while server.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.05)
    raise SystemExit("the server did not start")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read one request after another, and answer each 200 ms later."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "man"}}
    usage = {"prompt_tokens": 100, "completion_tokens": 2}
    body = json.dumps({"model": "tiny", "system_fingerprint": "v1", "choices": [choice], "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            asked = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(asked.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            await asyncio.sleep(LATENCY_S)
            writer.write(head + body)
            await writer.drain()
    writer.close()


async def serve(port: int) -> None:
    """Run the server, which uses so little CPU time that the client's time is measured."""
    async with await asyncio.start_server(answer, "127.0.0.1", port, backlog=512) as server:
        await server.serve_forever()


def main() -> int:
    rng = np.random.default_rng(0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = started(port)
        try:
            settings = EndpointSettings(f"http://127.0.0.1:{port}/v1", mode="text", in_flight=IN_FLIGHT, log=folder / "a.log")
            with opened("tiny", settings, folder) as model:
                assert model.terms.mode == "text"
                began, cpu, memory = time.monotonic(), time.process_time(), []
                batch, begun = model.images_at_once(1), deque[Callable[[], np.ndarray]]()
                for start in range(0, QUESTIONS, batch):  # as an audit asks: the next batch is begun before the last one is waited for
                    pixels = rng.integers(0, 256, (min(batch, QUESTIONS - start), 64, 64, 3), np.uint8)
                    begun.append(model.begin([Image.fromarray(pixel) for pixel in pixels], [ASKED]))
                    if len(begun) > 1:
                        begun.popleft()()
                    memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
                begun.popleft()()
                seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        finally:
            server.kill()
            server.wait()
    ratio = seconds / AT_LEAST
    print(f"{QUESTIONS:,} questions, {IN_FLIGHT} in flight: {seconds:.1f} s, at least {AT_LEAST:.1f} s, ratio {ratio:.2f} (at most {MOST})")
    print(f"client: {cpu:.1f} CPU s, {1000 * cpu / QUESTIONS:.1f} ms per question; load of the machine {os.getloadavg()[0]:.1f}")
    tenth = len(memory) // 10
    print(f"memory: {memory[tenth]:.0f} MB after {(tenth + 1) * batch:,} questions, {memory[-1]:.0f} MB after all")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(int(sys.argv[2]))) if sys.argv[1:2] == ["serve"] else main())
