"""What runs in a process of its own: told of an image in a file shared with the parent, it puts the pixels in its place.

A request is a line with the number of bytes, and the pixels a side that a JPEG may be reduced to (0: not). An answer is a line of JSON;
after ``size`` the file holds the pixels, 3 bytes each, from ``offset`` on. The process ends when the parent closes its end of the pipe, and
with the parent.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from typing import IO, Any

from strictio.images.decode import MAX_MEMORY, UnreadableImage, decode
from strictio.limits import limit_memory

WAITING = 6
"""Factor from the limit on CPU seconds to that on wall-clock time, because an image is not to blame for a busy machine."""


def serve(shared: int, max_seconds: float) -> None:
    """Answer requests until the pipe is closed. A decoder that takes longer is ended by the system, in whatever code it is."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output printed by a library must not corrupt an answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold a face
    about = {} if limit_memory(MAX_MEMORY) else {"unlimited": True}
    with os.fdopen(shared, "r+b", buffering=0) as file:
        for request in sys.stdin:
            signal.setitimer(signal.ITIMER_PROF, max_seconds)
            signal.setitimer(signal.ITIMER_REAL, WAITING * max_seconds)
            length, draft = map(int, request.split())
            answer = _answer(os.pread(shared, length, 0), draft, file) | about
            for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
                signal.setitimer(timer, 0)
            try:
                print(json.dumps(answer), file=answers, flush=True)
            except BrokenPipeError:  # the parent is gone
                return


def _answer(content: bytes, draft: int, file: IO[bytes]) -> dict[str, Any]:
    try:
        _fail_if_asked(content)
        decoded = decode(content, draft)
        file.seek(0)
        decoded.image.save(file, "PPM")  # a line of sizes, then the pixels, without a copy of them here
    except UnreadableImage as error:
        return {"reason": error.reason}
    except MemoryError:
        return {"reason": "decoder took too much memory"}
    except Exception:  # not about the image: the parent raises it
        return {"error": traceback.format_exc()}
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
