"""A small honest server of OpenAI's chat form on the standard library: it answers by a rule, counts what it answered, and fails as told."""

import base64
import hashlib
import io
import json
import math
import os
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

OPTION = re.compile(r"^(?:-|([A-Z])\.) (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """A request as the rule of an answer sees it."""

    image: Image.Image
    text: str
    said: str | None
    body: dict

    @property
    def options(self) -> dict[str, str]:
        """Option -> its letter, or the option itself where it has none; in the order in which they are shown."""
        return {option: letter or option for letter, option in OPTION.findall(self.text)}


@dataclass(frozen=True)
class Fault:
    """An answer that is none."""

    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    half: bool = False
    """Whether the connection is closed in the middle of the body."""
    wait_s: float = 0.0


def error(status: int, message: str, **more) -> Fault:
    """Return an error as services write it."""
    return Fault(status, json.dumps({"error": {"message": message, "type": "error", "code": more.pop("code", None)}}).encode(), more)


@dataclass
class Stub:
    """What the server does."""

    answer: Callable[[Asked], str]
    """An option (its letter is written where it has one), or any other text."""
    serves: frozenset = frozenset()
    """Of "letter", "schema" and "likelihood"."""
    fault: Callable[[int, Asked], Fault | None] = lambda count, asked: None
    """The number of the request, from 1, and what is asked -> what happens instead of an answer."""
    latency_s: float = 0.0
    version: Callable[[int], str] = lambda answers: "v1"
    """How many answers were given -> the version that gives the next one."""
    model: str = "tiny"
    likelihood: Callable[[Asked], list[tuple[str, float]]] | None = None
    """The tokens of all that was sent, with their log-probabilities."""
    chance: float = 0.9
    """Of the letter that is written; the others share the rest."""
    requests: int = 0
    answered: Counter = field(default_factory=Counter)
    """Picture and question -> how often an answer was given."""
    headers: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    most_at_once: int = 0

    def __post_init__(self):
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self):
        stub = self

        class Handler(_Handler):
            rule = stub

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_until_idle(self) -> None:
        """Wait until every connection made so far has ended: also one of a killed client that was not yet accepted."""
        with socket.create_connection(self._server.server_address) as last:  # connections are accepted in their order
            while last.getsockname() not in self._server.connected:
                time.sleep(0.001)
        while self._server.connected:
            time.sleep(0.001)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def respond(self, body: dict, headers: dict) -> Fault:
        """Return what a request gets."""
        if "input" in body:
            return self._embedded(body["input"])
        asked = asked_in(body)
        with self._lock:
            self.requests += 1
            count = self.requests
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
            if len(self.bodies) < 50:
                self.bodies.append(body)
                self.headers.append({name.lower(): value for name, value in headers.items()})
        try:
            time.sleep(self.latency_s)
            return self.fault(count, asked) or self._refused(body) or self._answered(asked)
        finally:
            with self._lock:
                self._inside -= 1

    def _refused(self, body: dict) -> Fault | None:
        for name, mode in (("logprobs", "letter"), ("response_format", "schema")):
            if name in body and mode not in self.serves:
                return error(400, f"unsupported parameter: {name}")
        return None

    def _answered(self, asked: Asked) -> Fault:
        said = self.answer(asked)
        text = said if "response_format" in asked.body else asked.options.get(said, said)
        if "response_format" in asked.body:
            text = json.dumps({"answer": said})
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        if "logprobs" in asked.body:
            choice["logprobs"] = {"content": [{"token": text, "logprob": math.log(self.chance), "top_logprobs": self._likely(asked, text)}]}
        with self._lock:
            version = self.version(sum(self.answered.values()))
            self.answered[question_key(asked)] += 1
        usage = {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102}
        made = {"id": "x", "object": "chat.completion", "created": 1, "model": self.model, "choices": [choice], "usage": usage}
        made["system_fingerprint"] = version
        if "prompt_logprobs" in asked.body and self.likelihood and "likelihood" in self.serves:
            found = self.likelihood(asked)
            made["prompt_logprobs"] = [None, *({str(i): {"logprob": v, "rank": 1, "decoded_token": t}} for i, (t, v) in enumerate(found))]
        return Fault(body=json.dumps(made).encode())

    def _embedded(self, texts: list[str]) -> Fault:
        """Return a vector for each text, which depends on the text alone."""
        self.requests += 1
        digests = [hashlib.sha256(text.encode()).digest() for text in texts]
        data = [{"index": i, "embedding": [byte - 127.5 for byte in digest]} for i, digest in enumerate(digests)]
        return Fault(body=json.dumps({"data": data, "model": self.model, "usage": {"prompt_tokens": 4 * len(texts)}}).encode())

    def _likely(self, asked: Asked, text: str) -> list[dict]:
        others = [letter for letter in asked.options.values() if letter != text]
        shares = {text: self.chance} | {letter: (1 - self.chance) / (len(others) + 1) for letter in others}
        return [{"token": token, "logprob": math.log(share)} for token, share in shares.items()][: asked.body["top_logprobs"]]


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True
    block_on_close = False

    def __init__(self, *given):
        super().__init__(*given)
        self.connected = set()
        """Addresses of the clients whose connections are open."""

    def process_request(self, request, client_address):
        self.connected.add(client_address)
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connected.discard(client_address)

    def handle_error(self, request, client_address):
        """Say nothing of a client that went away: it may have been killed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rule: Stub

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        made = self.rule.respond(body, dict(self.headers))
        time.sleep(made.wait_s)
        self.send_response(made.status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(made.body)), **made.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if made.half:
            self.wfile.write(made.body[: len(made.body) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(made.body)

    def log_message(self, *_):
        """Write no log."""


def asked_in(body: dict) -> Asked:
    """Return the picture and the words of a request."""
    parts = body["messages"][0]["content"]
    url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    text = next(part["text"] for part in parts if part["type"] == "text")
    return Asked(image, text, body["messages"][1]["content"] if len(body["messages"]) > 1 else None, body)


def question_key(asked: Asked) -> tuple:
    """Return what makes two requests the same question."""
    modes = tuple(name for name in ("logprobs", "response_format", "prompt_logprobs") if name in asked.body)
    return asked.image.tobytes(), asked.text, asked.said, modes


# ---- as processes that can be killed --------------------------------------------------------------------------------------------------

SHOWN = ("woman", "man", "unclear")


def by_noise(asked: Asked) -> str:
    """Return an answer that the picture decides: an option, or a refusal."""
    number = sum(asked.image.tobytes()) % 5
    return SHOWN[number] if number < 3 else "I'm sorry, I cannot help with that."


def serve(port: int, answers: int, paid: str, latency_s: float = 0.005) -> None:
    """Answer on a port, write down what was answered, and end without a word at the request after so many answers."""

    def fault(count, asked):
        if count > answers:
            os.kill(os.getpid(), signal.SIGKILL)
        with Path(paid).open("a") as file:  # before it is sent: what a killed server wrote down need not have arrived
            file.write(hashlib.sha256(repr(question_key(asked)).encode()).hexdigest() + "\n")

    rule = Stub(by_noise, fault=fault, latency_s=latency_s)
    handler = type("Handler", (_Handler,), {"rule": rule})
    _Server(("127.0.0.1", port), handler).serve_forever()


def ask(url: str, log: str, images: int, out: str) -> None:
    """Ask one question about pictures of noise, and save the rows of numbers: what an audit does of a network, without its statistics."""
    import numpy as np

    from audit.extensions.endpoint.model import opened
    from audit.extensions.endpoint.settings import EndpointSettings
    from audit.types import Question

    pixels = np.random.default_rng(0).integers(0, 256, (images, 9, 9, 3), np.uint8)
    asked = Question("Who?\n- woman\n- man\n- unclear", SHOWN, outcomes=("refusal", "unparsed"))
    settings = EndpointSettings(url, mode="text", log=Path(log), in_flight=4, patience_s=120.0)
    with opened("tiny", settings, Path(log).parent) as model:
        np.save(out, model.log_likelihoods([Image.fromarray(pixel) for pixel in pixels], [asked]))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], *map(float, sys.argv[5:]))
    else:
        ask(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
