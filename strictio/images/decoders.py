"""Processes that decode images for this one, so that a decoder which crashes, hangs or takes all memory costs one image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from operator import index
from queue import LifoQueue
from threading import Lock
from types import TracebackType
from typing import Any, Self

from PIL import Image

from strictio.child.process import Child, EndedError, TooMuchMemoryError
from strictio.images.decode import MAX_BYTES, MAX_MEMORY, MAX_PIXELS, MAX_SECONDS, DecodedImage, UnreadableImage

_ATTEMPTS = 2
"""A process may have been ended by something else than its image, such as the system's search for memory."""
_MOST_REASON = 100
"""Characters of a reason, and of the name of a conversion."""
_KEPT = 64 * 1024**2
"""Bytes of pixels for which memory is kept."""


class Decoders:
    """At most `most` processes, each started when it is first needed and again after it has died; `close` ends them.

    They are locked children (`strictio.child`) that import Pillow and `strictio.images.decode` alone.
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
            decoder.child.kill()
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
                except EndedError as error:
                    self._forget(decoder)
                    reason = "decoder took too long" if error.took_too_long else "decoder crashed"
                    decoder = None
                    if error.used_up:  # it would take as long again
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

    def _forget(self, decoder: _Decoder) -> None:
        with self._lock:
            self._running.discard(decoder)
        decoder.child.end()


class _Decoder:
    """A child, and memory for its pixels."""

    def __init__(self) -> None:
        self.child = Child("strictio.images.worker:decoding", ("PIL",), MAX_MEMORY)
        self._pixels = bytearray()

    def decode(self, content: bytes, draft: int) -> DecodedImage:
        """Return the image, or raise `UnreadableImage`; `EndedError` if the process has died."""
        file = self.child.file.fileno()
        os.pwrite(file, content, 0)
        try:
            with self.child.answering({"length": len(content), "draft": draft}, MAX_SECONDS) as answer:
                found = answer["reason"][:_MOST_REASON] + "" if "reason" in answer else self._image(answer, file)
        except TooMuchMemoryError as error:
            raise UnreadableImage("decoder took too much memory") from error
        if isinstance(found, str):
            raise UnreadableImage(found)
        return found

    def _image(self, answer: Mapping[str, Any], file: int) -> DecodedImage:
        """Return the image in the shared file; ValueError if the file holds no image."""
        width, height = map(index, answer["size"])
        length, conversions = 3 * width * height, tuple(name[:_MOST_REASON] + "" for name in answer["conversions"])
        if min(width, height) < 1 or length > 3 * MAX_PIXELS:
            raise ValueError("no size of an image")
        if len(self._pixels) < length:
            self._pixels = bytearray(length)
        pixels = memoryview(self._pixels)[:length]
        if os.preadv(file, [pixels], answer["offset"]) < length:
            raise ValueError("too few pixels")
        image = Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)  # type: ignore[arg-type]  # copies them
        if length > _KEPT:
            self._pixels = bytearray()
            self.child.file.truncate(0)
        return DecodedImage(image, conversions)
