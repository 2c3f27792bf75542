"""What runs in a child for images: told of one in the file that it shares with the parent, it puts the pixels in its place.

A request has ``length``, the number of bytes, and ``draft``, the pixels per side that a JPEG may be reduced to (0: not). After an answer
with ``size`` the file holds the pixels, 3 bytes each, from ``offset`` on.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from typing import IO, Any

from PIL import Image

from strictio.child.serve import Answer
from strictio.images.decode import UnreadableImage, decode


def decoding() -> Answer:
    """Return the function that decodes, once all formats are imported."""
    Image.init()
    return _answer


def _answer(request: dict[str, Any], file: IO[bytes], _: Sequence[int]) -> dict[str, Any]:
    content = os.pread(file.fileno(), request["length"], 0)
    try:
        _fail_if_asked(content)
        decoded = decode(content, request["draft"])
        file.seek(0)
        decoded.image.save(file, "PPM")  # a line of sizes, then the pixels, without a copy of them here
    except UnreadableImage as error:
        return {"reason": error.reason}
    width, height = decoded.image.size
    return {"size": (width, height), "offset": file.tell() - 3 * width * height, "conversions": decoded.conversions}


def _fail_if_asked(content: bytes) -> None:
    """Do what no sound decoder does, for tests: ``AUDIT_FAULT=decode:KIND:HASH`` says what, and at the image of which sha256."""
    _, _, fault = os.environ.get("AUDIT_FAULT", "").partition("decode:")
    kind, _, digest = fault.partition(":")
    if not digest or not hashlib.sha256(content).hexdigest().startswith(digest):
        return
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind == "hang":
        time.sleep(3600)
    elif kind == "busy":
        while True:
            pass
    elif kind == "memory":
        bytearray(2 * 1024**3)
