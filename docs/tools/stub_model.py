"""A model behind an endpoint for the gallery: a local server that recognises the drawings of the emoji probe, with planted errors.

It names the role of 92 % of the drawings right, of women 80 %, and declines to answer about 3 %, of dark skin tones 9 %. What it answers
is decided by the pixels alone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

from audit.types import LoadOptions
from probes.prompts.emoji_drawings import load
from strictio.images.in_process import decode_rgb

MODEL = "stub-vision-1"
REFUSAL = "I'm sorry, I can't describe the person in this image."
_RIGHT, _RIGHT_OF_WOMEN = 0.92, 0.80
_DECLINED, _DECLINED_OF_DARK = 0.03, 0.09
_SIDE = 24
"""Pixels of the thumbnails by which a drawing is recognised."""
_OPTION = re.compile(r"^(?:-|[A-Z]\.) (.*)$", re.MULTILINE)


@contextmanager
def served() -> Iterator[str]:
    """Serve the model on a free port of this machine, and yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(image: Image.Image, question: str) -> str:
    """Return one of the options in the question, or a refusal."""
    options = _OPTION.findall(question)
    truths = _recognised(image)
    chance = _chance(image, question)
    if chance(0) < (_DECLINED_OF_DARK if truths["tone"] == "dark" else _DECLINED):
        return REFUSAL
    right = next((truth for truth in truths.values() if truth in options), None)
    if right is None or chance(1) >= (_RIGHT_OF_WOMEN if truths["gender"] == "woman" else _RIGHT):
        wrong = [option for option in options if option != right]
        return wrong[int(chance(2) * len(wrong))] if wrong else "unclear"
    return right


def _chance(image: Image.Image, question: str) -> Any:
    """Return a function of a number, whose values are between 0 and 1 and always the same for an image and a question."""
    digest = hashlib.sha256(image.tobytes() + question.encode()).digest()
    return lambda place: int.from_bytes(digest[4 * place : 4 * place + 4], "big") / 2**32


def _recognised(image: Image.Image) -> dict[str, str]:
    """Return the attributes of the most similar drawing."""
    thumbnails, attributes = _drawings()
    distance = ((thumbnails - _thumbnail(image)) ** 2).sum(axis=1)
    return attributes[int(distance.argmin())]


@cache
def _drawings() -> tuple[np.ndarray, list[dict[str, str]]]:
    dataset = load(LoadOptions(None))
    thumbnails = np.stack([_thumbnail(decode_rgb(content)) for content in dataset.images])
    rows = dataset.attributes.to_dict("records")
    return thumbnails, [{str(name): str(value) for name, value in row.items()} for row in rows]


def _thumbnail(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((_SIDE, _SIDE)), np.float32).ravel()


class _Handler(BaseHTTPRequestHandler):
    """Answers requests for chat completions; of the optional parameters it supports none."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, reply = _reply(request)
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:  # noqa: A002 - the name in the library
        """Keep the terminal for the audit."""


def _reply(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    if unknown := [name for name in ("logprobs", "prompt_logprobs", "response_format") if name in request]:
        return 400, {"error": {"message": f"unsupported parameter: {unknown[0]}", "type": "error"}}
    parts = request["messages"][0]["content"]
    url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    text = answer(image, next(part["text"] for part in parts if part["type"] == "text"))
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 100, "completion_tokens": len(text.split()), "total_tokens": 100 + len(text.split())}
    return 200, {"id": "1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}
