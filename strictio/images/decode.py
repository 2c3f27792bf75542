"""Opening an image: limits before decoding, then one normal form (8-bit RGB, upright, opaque), each conversion named.

The decoder is Pillow, restricted to seven formats; nothing here trusts a file's name. Whatever is wrong with an image becomes an
`UnreadableImage` with a short stable reason, so that images left out can be counted by reason and by group.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from PIL import ExifTags, Image, ImageFile, ImageMath, ImageOps, UnidentifiedImageError

from strictio.images.jpeg import load_whole
from strictio.images.structure import check_structure

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
MAX_PIXELS = 50_000_000
"""Pillow itself warns from 89 million on and a 10.8 kB file of 88 million takes 0.7 GB: too late."""
MAX_BYTES = 64 * 1024**2
MIN_SIDE = 8
MAX_RATIO = 100
MAX_SECONDS = 5
"""Of the processor, for one image; the largest that is accepted takes 1 to 3."""
MAX_MEMORY = 1024**3
"""Bytes that the decoding of one image may take, beside its libraries; an image of 50 megapixels with transparency takes nearly as much."""
LIMITS = MappingProxyType({
    "too large": f"over {MAX_PIXELS // 10**6} megapixels or {MAX_BYTES // 2**20} MiB",
    "too small": f"a side under {MIN_SIDE} pixels",
    "too elongated": f"one side over {MAX_RATIO} times the other",
    "format not accepted": "accepted are JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF; HEIC, JPEG 2000 and others must be converted",
    "decoder took too long": f"over {MAX_SECONDS} seconds of the processor",
    "decoder took too much memory": f"over {MAX_MEMORY / 2**30:g} GiB",
})  # fmt: skip
"""What the reasons of `UnreadableImage` that name a limit mean in numbers."""
EXIF = "EXIF rotation"
DEPTH = "16-bit to 8-bit"
CMYK = "CMYK to RGB"
ALPHA = "transparency over white"
PALETTE = "palette to RGB"
GREY = "grey to RGB"
FRAME = "first frame of an animation"
REDUCED = "JPEG reduced while decoded"

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", *_SIXTEEN_BIT)
_CONVERTED = {"CMYK": CMYK, "P": PALETTE, "PA": PALETTE, "1": GREY, "L": GREY, "LA": GREY, "La": GREY}
_PILLOW_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError, AssertionError, RuntimeError,
    struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's readers raise on damaged content (`Image.open` itself expects four of these). MemoryError is not among them."""

_ACCEPTED_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_OTHER_SIGNATURES = (
    b"%!PS", b"%PDF", b"<svg", b"<?xml", b"8BPS", b"\0\0\1\0", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"\0\0\0\x0cJXL", b"\xff\x0a",
    b"\xc5\xd0\xd3\xc6",
)  # fmt: skip
_LFS_POINTER = b"version https://git-lfs"


class UnreadableImage(Exception):  # noqa: N818  # it names the state of an image, not a fault of the program
    """An image that cannot be used, and why.

    `reason` is a short stable category: "missing file", "forbidden path", "not readable", "not a regular file", "damaged data file",
    "empty file", "too large", "too small", "too elongated", "truncated", "damaged", "not an image", "format not accepted", "pixel format
    not accepted", "Git LFS pointer", "decoder crashed", "decoder took too long", "decoder took too much memory" or, of a crop, "box outside
    the picture".
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


def explained(reason: str) -> str:
    """Return a reason with the limit that it names.

    Examples
    --------
    >>> explained("too small"), explained("truncated")
    ('too small: a side under 8 pixels', 'truncated')
    """
    return f"{reason}: {LIMITS[reason]}" if reason in LIMITS else reason


@dataclass(frozen=True)
class DecodedImage:
    """An image in normal form, and what was done to bring it there."""

    image: Image.Image
    """8-bit RGB."""
    conversions: tuple[str, ...]
    """Names of the conversions that changed it, in the order in which they were made."""


def decode(content: bytes, draft: int = 0) -> DecodedImage:
    """Return the image in `content` as upright, opaque 8-bit RGB; of an animation the first frame.

    A JPEG may be reduced to a half, a quarter or an eighth while it is decoded, as far as no side gets shorter than `draft` pixels (0:
    never): three times as fast at 448 pixels for a model of 224, and not what the model's own resizing makes of the whole image.

    16-bit grey is scaled by 1/257 and rounded; of 16-bit colour Pillow keeps the upper byte (at most one level lower). Transparency
    is composited over white. Limits (`FORMATS`, pixels, bytes, sides) are checked by the header, before decoding.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> Image.new("L", (8, 8), 128).save(buffer, "PNG")
    >>> decoded = decode(buffer.getvalue())
    >>> decoded.image.mode, decoded.image.getpixel((0, 0)), decoded.conversions
    ('RGB', (128, 128, 128), ('grey to RGB',))
    >>> decode(b"hello")
    Traceback (most recent call last):
    strictio.images.decode.UnreadableImage: not an image
    """
    if len(content) > MAX_BYTES:
        raise UnreadableImage("too large")
    if not content:
        raise UnreadableImage("empty file")
    with pillow_errors(content):
        check_structure(content)
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    _check_header(image, content)
    with pillow_errors(content):
        conversions = _loaded(image, content, draft)
        rgb, changes = _to_rgb(image)
    return DecodedImage(rgb, (*conversions, *changes))


@contextmanager
def pillow_errors(content: bytes) -> Iterator[None]:
    """Turn whatever Pillow raises about `content` into `UnreadableImage`; its warnings about metadata do not matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Some libraries switch this on for the whole process; it fills the missing part of a face with grey.
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        except UnidentifiedImageError as error:
            raise UnreadableImage(_unidentified(content)) from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise UnreadableImage("too large") from error
        except _PILLOW_ERRORS as error:
            truncated = isinstance(error, EOFError) or "truncated" in str(error).lower()
            raise UnreadableImage("truncated" if truncated else "damaged") from error


def _unidentified(content: bytes) -> str:
    """Return why no accepted reader took `content`, by its first bytes."""
    start = content[:512].lstrip()
    if start.startswith(_LFS_POINTER):
        return "Git LFS pointer"
    if content.startswith(_ACCEPTED_SIGNATURES) or content[4:12] in (b"ftypavif", b"ftypavis"):
        return "damaged"
    if content.startswith(_OTHER_SIGNATURES) or start.startswith(_OTHER_SIGNATURES) or content[4:8] == b"ftyp":
        return "format not accepted"
    return "not an image"


def _check_header(image: Image.Image, content: bytes) -> None:
    short, long = sorted(image.size)
    if short * long > MAX_PIXELS:
        raise UnreadableImage("too large")
    if short < MIN_SIDE:
        raise UnreadableImage("too small")
    if long > MAX_RATIO * short:
        raise UnreadableImage("too elongated")
    if image.mode not in _MODES or (image.mode == "I" and not _is_deep(image, content)):  # of 32 bits, no one knows which value is white
        raise UnreadableImage("pixel format not accepted")


def _loaded(image: Image.Image, content: bytes, draft: int) -> list[str]:
    """Decode the pixels of the first frame, upright; return what that changed."""
    # A JPEG with a second picture (MPO) is a photograph with a preview or a depth map, not an animation.
    animated = image.format != "MPO" and getattr(image, "is_animated", False)
    rotated = image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    whole = image.size
    if image.format in ("JPEG", "MPO"):
        load_whole(image, content, draft)
    reduced = image.size != whole
    ImageOps.exif_transpose(image, in_place=True)
    deep = _is_deep(image, content)
    if deep and isinstance(transparent := image.info.get("transparency"), tuple):
        # Pillow reduces the pixels to their upper byte, but not the colour that stands for "nothing here".
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    changes = {FRAME: animated, REDUCED: reduced, EXIF: rotated, DEPTH: deep}
    return [name for name, changed in changes.items() if changed]


def _is_deep(image: Image.Image, content: bytes) -> bool:
    """Whether a sample had 16 bits in the file, be it that Pillow has already reduced it."""
    if image.mode.startswith("I;16"):
        return True
    if image.format == "PNG":
        return content[12:16] == b"IHDR" and content[24] == 16  # bit depth
    return image.format == "TIFF" and 16 in image.tag_v2.get(258, ())  # type: ignore[attr-defined]  # BitsPerSample


def _to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return `image` as RGB, and the names of what that changed."""
    changes = [_CONVERTED[image.mode]] if image.mode in _CONVERTED else []
    if image.mode in _SIXTEEN_BIT:
        image, changes = _eight_bit(image), [GREY]
    if not (image.has_transparency_data or image.mode in ("La", "RGBa")):
        return image if image.mode == "RGB" else image.convert("RGB"), changes  # converting would copy it
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba.convert("RGB"), changes
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB"), [*changes, ALPHA]


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return a 16-bit grey image as 8-bit: 65535 / 257 = 255 exactly, while Pillow's own conversion clips at 255."""
    values = image.convert("I")
    low, high = values.getextrema()
    if low < 0 or high > 65535:  # type: ignore[operator]  # a band has two
        raise UnreadableImage("pixel format not accepted")
    grey: Image.Image = ImageMath.lambda_eval(lambda bands: (bands["values"] + 128) / 257, values=values).convert("L")
    if isinstance(transparent := image.info.get("transparency"), int):
        grey.putalpha(ImageMath.lambda_eval(lambda bands: (bands["values"] != transparent) * 255, values=values).convert("L"))
    return grey
