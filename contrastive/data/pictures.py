"""A picture file as the RGB that a person would see: turned upright, on white, first frame."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_PIXELS = 50_000_000


class UnreadablePicture(Exception):  # noqa: N818  # a finding about one file, not an error of the program
    """The file cannot be shown; the message is a short reason."""


def open_rgb(path: Path) -> Image.Image:
    """Return the picture in RGB.

    Raises
    ------
    UnreadablePicture
        If the file is missing, no picture of an accepted format, larger than 50 megapixels, or damaged. The limit holds before decoding.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own warnings about size and EXIF: the limit below is stricter
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UnreadablePicture("larger than 50 megapixels")
                return flatten(ImageOps.exif_transpose(image))
    except FileNotFoundError as error:
        raise UnreadablePicture("no such file") from error
    except UnreadablePicture:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything for a damaged file
        raise UnreadablePicture("not a readable picture") from error


def flatten(image: Image.Image) -> Image.Image:
    """Return RGB: what is transparent becomes white, 16-bit grey becomes 8-bit grey."""
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.convert("I").point(lambda value: value / 257).convert("L").convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    return image.convert("RGB")
