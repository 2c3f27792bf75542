"""Images for training, decoded in the training process: the RGB that a person would see, upright, on white, first frame.

Without the processes of `decoders` a decoder has no limit of time; sizes are checked by the header as there. Pixels are not those of
`decode` everywhere: 16-bit grey is cut, not rounded.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

from PIL import Image, ImageOps

from strictio.images.decode import MAX_BYTES, MAX_PIXELS, UnreadableImage, check_structure
from strictio.images.files import read_regular

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_ELSEWHERE = re.compile(r"\\|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]*://|(data|file|javascript):", re.IGNORECASE)
OUTSIDE, MISSING = "outside the folder of the data", "no such file"
_REASONS = {"not a regular file": "not a file", "too large": "larger than 64 MiB"}
"""Why a file cannot be read (`read_regular`) -> in the words of the trainer."""


def open_rgb(path: Path) -> Image.Image:
    """Return the image of a file that the program itself names; raises as `decode_rgb` and `read_under` do."""
    return decode_rgb(_content_of(os.path.realpath(path)))


def read_under(root: Path, name: str) -> bytes:
    """Return the content of the file that data call `name`: it must be a regular file under `root`.

    Raises `UnreadableImage` if the name is a URL or leads out of the folder (an absolute path or a link may), or to no readable regular
    file of at most 64 MiB.
    """
    if _ELSEWHERE.match(name) or "\0" in name or ".." in re.split(r"[/\\]", name):
        raise UnreadableImage(OUTSIDE)
    real = os.path.realpath(root)
    path = os.path.realpath(os.path.join(real, name))  # noqa: PTH118  # called a million times
    if not path.startswith(real.rstrip(os.sep) + os.sep):
        raise UnreadableImage(OUTSIDE)
    return _content_of(path)


def _content_of(path: str) -> bytes:
    try:
        return read_regular(path)
    except UnreadableImage as error:
        raise UnreadableImage(_REASONS[error.reason]) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadableImage(MISSING) from error
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror}") from error


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
    """Return RGB: transparent pixels become white, 16-bit grey becomes 8-bit grey. An RGB image is returned unchanged."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value / 257).convert("L").convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
