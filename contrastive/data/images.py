"""An image as the RGB that a person would see: turned upright, on white, first frame; and which files may be read for it."""

from __future__ import annotations

import io
import os
import re
import stat
from pathlib import Path

from PIL import Image, ImageOps

from strictio.images.structure import check_structure

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 50_000_000
MAX_BYTES = 64 * 2**20

_ELSEWHERE = re.compile(r"\\|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]*://|(data|file|javascript):", re.IGNORECASE)
OUTSIDE, MISSING = "outside the folder of the data", "no such file"
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class UnreadableImage(Exception):  # noqa: N818  # a finding about one file, not an error of the program
    """The file cannot be shown; the message is a short reason."""


def open_rgb(path: Path) -> Image.Image:
    """Return the image of a file that the program itself names; raises as `decode_rgb` and `read_under` do."""
    return decode_rgb(_read_regular(os.path.realpath(path)))


def read_under(root: Path, name: str) -> bytes:
    """Return the content of the file that data call `name`: a regular file that stands under `root`, and nothing else.

    Raises `UnreadableImage` if the name is a URL or leads out of the folder (an absolute path or a link may), or to no readable regular
    file of at most 64 MiB. The file is judged once it is open, and opened without waiting: a FIFO would never return.
    """
    if _ELSEWHERE.match(name) or "\0" in name or ".." in re.split(r"[/\\]", name):
        raise UnreadableImage(OUTSIDE)
    real = os.path.realpath(root)
    path = os.path.realpath(os.path.join(real, name))  # noqa: PTH118  # joined a million times
    if not path.startswith(real.rstrip(os.sep) + os.sep):
        raise UnreadableImage(OUTSIDE)
    return _read_regular(path)


def _read_regular(path: str) -> bytes:
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            return _content(descriptor)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadableImage(MISSING) from error
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror}") from error


def _content(descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImage("not a file")
    if status.st_size > MAX_BYTES:
        raise UnreadableImage("larger than 64 MiB")
    with open(descriptor, "rb", closefd=False) as file:  # a descriptor, not a path
        return file.read(MAX_BYTES)


def decode_rgb(content: bytes) -> Image.Image:
    """Return the image in RGB; raises `UnreadableImage` if it is of another format, damaged, or (before decoding) too large."""
    if len(content) > MAX_BYTES:
        raise UnreadableImage("larger than 64 MiB")
    try:
        check_structure(content)
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableImage("larger than 50 megapixels")
            ImageOps.exif_transpose(image, in_place=True)  # which decodes it
            return to_rgb(image)
    except (UnreadableImage, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # Pillow's own, higher limits
        raise UnreadableImage("larger than 50 megapixels") from error
    except Exception as error:  # Pillow's decoders raise nearly anything for a damaged file
        raise UnreadableImage("not a readable image") from error


def to_rgb(image: Image.Image) -> Image.Image:
    """Return RGB: what is transparent becomes white, 16-bit grey becomes 8-bit grey. An image that is RGB is returned itself."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value / 257).convert("L").convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
