"""Images as they are sent: only their pixels, losslessly re-encoded, so that no metadata of the file leaves the machine."""

from __future__ import annotations

import base64
import hashlib
import io
import threading

from PIL import Image

_LEVEL = 3
"""PNG compression level: takes a third of the time of the default, for files a few percent larger."""


class Picture:
    """An image, identified by its pixels; encoded when it is first sent."""

    def __init__(self, image: Image.Image):
        self._pixels = image.convert("RGB")
        size = f"{self._pixels.width}x{self._pixels.height} RGB ".encode()
        self.key = hashlib.sha256(size + self._pixels.tobytes()).hexdigest()
        self._lock = threading.Lock()
        self._url: str | None = None

    @property
    def url(self) -> str:
        """The image as a ``data:`` URL."""
        with self._lock:
            if self._url is None:
                # Made from pixels: an opened image carries EXIF, profiles and comments.
                bare = Image.frombytes("RGB", self._pixels.size, self._pixels.tobytes())
                coded = io.BytesIO()
                bare.save(coded, "PNG", compress_level=_LEVEL)
                self._url = "data:image/png;base64," + base64.b64encode(coded.getvalue()).decode()
            return self._url
