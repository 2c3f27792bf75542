"""What runs in a child: it imports the library, locks itself, and answers one request after another until the parent is gone.

A request is a line of JSON, with open files beside it, and so is an answer; bytes of any number lie in a file that is shared. A request
that takes longer than its limit is ended by the system, in whatever code it is.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any

from strictio.child.locks import lock
from strictio.errors import DataError, MachineError, UnsafeError, VlmAuditError

WAITING = 6
"""Factor from the limit on CPU seconds to that on wall-clock time, because a request is not to blame for a busy machine."""
MOST_LINE, MOST_FILES = 2**20, 8
Answer = Callable[[dict[str, Any], IO[bytes], Sequence[int]], dict[str, Any]]
"""(request, shared file, descriptors of files) -> answer."""
KINDS = {kind.__name__: kind for kind in (DataError, UnsafeError, MachineError)}


def serve(shared: int, make: str, memory: int) -> None:
    """Answer requests by what ``module:function`` returns, which is called before this process is locked."""
    module, _, name = make.partition(":")
    answer: Answer = getattr(importlib.import_module(module), name)()
    channel = socket.socket(fileno=os.dup(0))
    with os.fdopen(shared, "r+b", buffering=0) as file, channel:
        _send(channel, {"missing": lock(memory)})
        while (received := _receive(channel)) is not None:
            request, files = received
            _set_timers(request.pop("cpu_s"))
            reply = _answered(answer, request, file, files)
            _set_timers(0)
            if "memory" in reply:
                gc.collect()  # what a library holds in cycles would leave no room for the next request
            for descriptor in files:
                os.close(descriptor)
            _send(channel, reply)


def read_shared(file: IO[bytes], length: int) -> bytearray:
    """Return so many bytes from the beginning of the shared file, fewer where it ends."""
    content = bytearray(min(length, os.fstat(file.fileno()).st_size))
    done = fill_shared(file, memoryview(content))
    return content if done == len(content) else content[:done]


def fill_shared(file: IO[bytes], view: memoryview) -> int:
    """Read bytes from the beginning of the shared file into memory; return their number."""
    done = 0
    while done < len(view) and (part := os.preadv(file.fileno(), [view[done:]], done)):
        done += part
    return done


def write_shared(file: IO[bytes], content: bytes | memoryview) -> int:
    """Write bytes to the beginning of the shared file, and return their number."""
    view, done = memoryview(content).cast("B"), 0
    while done < len(view):
        done += os.pwrite(file.fileno(), view[done:], done)
    return done


def _set_timers(cpu_s: float) -> None:
    """End this process after so much time of the processor, or `WAITING` times as much on the clock; 0: not."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, WAITING * cpu_s)


def _answered(answer: Answer, request: dict[str, Any], file: IO[bytes], files: Sequence[int]) -> dict[str, Any]:
    try:
        return answer(request, file, files)
    except MemoryError:
        return {"memory": True}
    except VlmAuditError as error:
        if type(error).__name__ not in KINDS:
            return {"error": traceback.format_exc()}
        return {"raised": [type(error).__name__, error.what, error.where, error.why, error.fix]}
    except Exception:  # not about the file: the parent raises it
        return {"error": traceback.format_exc()}


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    line, files = b"", list[int]()
    while not line.endswith(b"\n"):
        part, descriptors, _, _ = socket.recv_fds(channel, MOST_LINE, MOST_FILES)
        files += descriptors
        if not part:
            return None
        line += part
    request: dict[str, Any] = json.loads(line)
    return request, files


def _send(channel: socket.socket, value: dict[str, Any]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone, and so is the next request
        channel.sendall(json.dumps(value).encode() + b"\n")


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
