"""Processes that decode images for this one, so that a decoder which crashes, hangs or takes all memory costs one image."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import LifoQueue
from threading import Lock
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import PIL
from PIL import Image

from strictio.errors import MachineError
from strictio.images.decode import MAX_BYTES, MAX_PIXELS, MAX_SECONDS, DecodedImage, UnreadableImage

log = logging.getLogger("audit")
_ATTEMPTS = 2
"""A process may have been ended by something else than its image, such as the system's search for memory."""
_BOOTSTRAP = "import sys; sys.path += sys.argv[3:]; from strictio.images.worker import serve; serve(int(sys.argv[1]), float(sys.argv[2]))"
_PATHS = [str(Path(__file__).parents[2]), *(str(Path(module.__path__[0]).parent) for module in (PIL, np))]
_INHERITED = ("AUDIT_FAULT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""The only environment variables of a decoder: untrusted images must not have access to tokens."""
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "134217728"}
"""Memory kept from one image to the next, because allocating it again takes as long as decoding."""
_KEPT = 64 * 1024**2
"""Bytes of pixels for which memory is kept."""


class Decoders:
    """At most `most` processes, each started when it is first needed and again after it has died; `close` ends them.

    They are new interpreters that import Pillow and `strictio.images.decode` alone: nothing is forked, and no script is run again. Each
    reads from a pipe that the system closes when this process ends, however it ends.
    """

    def __init__(self, most: int):
        self._most = most
        self._idle: LifoQueue[_Decoder | None] = LifoQueue()
        for _ in range(most):
            self._idle.put(None)
        self._running: set[_Decoder] = set()
        self._lock = Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the processes at once, also those that are at work."""
        with self._lock:
            self._closed = True
            running = tuple(self._running)
        for decoder in running:
            decoder.kill()
        # Files are closed once no thread uses them: a descriptor that is closed too early may be another file by then.
        for idle in [self._idle.get() for _ in range(self._most)]:
            if idle is not None:
                self._forget(idle)
        for _ in range(self._most):
            self._idle.put(None)

    def decode(self, content: bytes, draft: int = 0) -> DecodedImage:
        """Return what `strictio.images.decode.decode` returns, or raise what it raises; any number of threads may ask at once."""
        if len(content) > MAX_BYTES:
            raise UnreadableImage("too large")
        decoder, reason = self._idle.get(), ""
        try:
            for _ in range(_ATTEMPTS):
                decoder = decoder or self._started()
                try:
                    return decoder.decode(content, draft)
                except (OSError, EOFError):
                    code = self._forget(decoder)
                    reason = "decoder took too long" if code in (-signal.SIGPROF, -signal.SIGALRM) else "decoder crashed"
                    decoder = None
                    if code == -signal.SIGPROF:  # it would take as long again
                        break
            raise UnreadableImage(reason)
        finally:
            self._idle.put(decoder)

    def _started(self) -> _Decoder:
        with self._lock:
            if self._closed:
                raise RuntimeError("the decoders are closed")
            decoder = _Decoder()
            self._running.add(decoder)
            return decoder

    def _forget(self, decoder: _Decoder) -> int:
        with self._lock:
            self._running.discard(decoder)
        return decoder.end()


class _Decoder:
    """One process, and the file that it shares with this one."""

    def __init__(self) -> None:
        self._file = _shared_file()
        self._pixels = bytearray()
        shared = self._file.fileno()
        command = [sys.executable, "-I", "-S", "-c", _BOOTSTRAP, str(shared), str(MAX_SECONDS), *_PATHS]
        environment = _ENVIRONMENT | {name: os.environ[name] for name in _INHERITED if name in os.environ}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "pass_fds": (shared,)}
        try:
            # In a process group of its own, so that Ctrl-C reaches this process only, which then ends it.
            self._process = subprocess.Popen(command, env=environment, process_group=0, **pipes)  # noqa: S603  # no word of a user's
        except (OSError, TypeError) as error:  # TypeError: an embedded interpreter has no executable
            self._file.close()
            what = "no process to decode images can be started"
            raise MachineError(what, why=str(error), fix="allow this user more processes (ulimit -u)") from error

    def decode(self, content: bytes, draft: int) -> DecodedImage:
        """Return the image, or raise `UnreadableImage`; OSError or EOFError if the process has died."""
        answer = self._ask(content, draft)
        if "unlimited" in answer:
            _say_unlimited()
        if "error" in answer:
            raise RuntimeError(f"an image could not be decoded:\n{answer['error']}")
        if "reason" in answer:
            raise UnreadableImage(answer["reason"])
        width, height = answer["size"]
        length = 3 * width * height
        if length > 3 * MAX_PIXELS:
            raise EOFError
        if len(self._pixels) < length:
            self._pixels = bytearray(length)
        pixels = memoryview(self._pixels)[:length]
        if os.preadv(self._file.fileno(), [pixels], answer["offset"]) < length:
            raise EOFError
        image = Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)  # type: ignore[arg-type]  # copies them
        if length > _KEPT:
            self._pixels = bytearray()
            self._file.truncate(0)
        return DecodedImage(image, tuple(answer["conversions"]))

    def _ask(self, content: bytes, draft: int) -> Mapping[str, Any]:
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        os.pwrite(self._file.fileno(), content, 0)
        self._process.stdin.write(b"%d %d\n" % (len(content), draft))
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: Mapping[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """End the process; callers waiting for its answer find it dead."""
        self._process.kill()

    def end(self) -> int:
        """End the process, close the files, and return its code, which is that of an earlier end if it has died."""
        self._process.kill()
        code = self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._file):
            if file is not None:
                with suppress(OSError):  # what was not yet written is of no interest
                    file.close()
        return code


@cache
def _say_unlimited() -> None:
    log.warning("images are decoded without a limit of memory: this system does not hold a process to one (Linux does)")


def _shared_file() -> IO[bytes]:
    """Return a file without a name, in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("image"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
