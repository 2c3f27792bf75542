"""Opening an image: limits before decoding, then one normal form (8-bit RGB, upright, opaque), each conversion named.

The decoder is Pillow, restricted to seven formats; nothing here trusts a file's name. Whatever is wrong with an image becomes an
`UnreadableImage` with a short stable reason, so that images left out can be counted by reason and by group.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from PIL import ExifTags, Image, ImageChops, ImageFile, ImageMath, ImageOps, UnidentifiedImageError

# Whether a JPEG's data are complete according to its header: libjpeg silently fills missing parts with grey.
#
# A file that was cut and closed by an end marker decodes without an error. What gives it away is what the decoder does with bytes put
# between the last scan and the marker after it: a whole picture needs none of them, a cut one reads them as picture.


_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTARTS = tuple(bytes([0xFF, kind]) for kind in range(0xD0, 0xD8))
_BASELINE, _HUFFMAN = (0xC0, 0xC1), (0xC0, 0xC1, 0xC2)
"""Frames that may come in one scan, and those coded by Huffman. An arithmetic decoder reads zeros beyond its data by design."""
_LOOK_AHEAD = b"\x55" * 8
"""What libjpeg's bit buffer holds: so much it must see beyond the last bit, and so little may be missing unnoticed."""
_NOISE = hashlib.sha512(b"no picture").digest().replace(b"\xff", b"\x7f")


class _Scans(NamedTuple):
    interleaved: bool
    """All of the picture is in one scan, and rows come out as their data come in."""
    end: int
    """Place of the marker after the last scan."""
    restarts: int
    """Restart markers in the last scan."""


def load_whole(image: Image.Image, content: bytes, draft: int = 0) -> None:
    """Decode the pixels of a JPEG just opened from `content`; EOFError if its data end before its last row does.

    It is reduced by 2, 4 or 8 as far as no side gets shorter than `draft` pixels; 0: not at all.

    A sound picture is never refused: no decoder needs a bit after the last block. Fewer than 8 missing bytes may go unnoticed in a picture
    of one scan, as does a progressive one that was cut exactly between two scans, which is a whole JPEG of less detail.
    """
    if draft:
        image.draft(None, (draft, draft))
    scans = _scans(content)
    if scans is None:
        image.load()
    elif scans.interleaved:
        parts = _in_two_parts(image, content, scans.end)
        image.load_read = lambda _: next(parts, b"")  # type: ignore[attr-defined]  # Pillow reads a JPEG's data through it
        try:
            image.load()
        finally:
            del image.load_read  # type: ignore[attr-defined]  # it refers back to the image, whose memory is wanted soon
    else:
        image.load()
        padded = Image.open(io.BytesIO(content[: scans.end] + _noise(scans) + content[scans.end :]), formats=("JPEG",))
        if draft:
            padded.draft(None, (draft, draft))
        if ImageChops.difference(image, padded).getbbox() is not None:
            raise EOFError("the last scan is truncated")


def _in_two_parts(image: Image.Image, content: bytes, end: int) -> Iterator[bytes]:
    """Give the data without a marker behind them, by which every row must have come out; then the rest."""
    row = [(x, image.height - 1) for x in range(min(8, image.width))]
    marks = [tuple(_NOISE[4 * x : 4 * x + len(image.getbands())]) for x, _ in row]
    for place, mark in zip(row, marks, strict=True):
        image.im.putpixel(place, mark if len(mark) > 1 else mark[0])
    untouched = [image.im.getpixel(place) for place in row]
    yield content[:end] + _LOOK_AHEAD
    if [image.im.getpixel(place) for place in row] == untouched:
        raise EOFError("the data end before the last row")
    yield content[end:]


def _noise(scans: _Scans) -> bytes:
    """Return bytes that change the picture wherever they are taken for a part of it: in the interval that was cut, or in the next eight."""
    intervals = (bytes([0xFF, 0xD0 + (scans.restarts + number) % 8]) + _NOISE[7 * number :] for number in range(8))
    return _NOISE + b"".join(intervals)


def _scans(content: bytes) -> _Scans | None:
    """Return where the scans end; None if that cannot be told, or does not matter for this kind of JPEG."""
    place, frame, interleaved, end, restarts = 2, b"", False, 0, 0
    while content[place : place + 1] == b"\xff" and place + 4 <= len(content):
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4])
        if marker == 0xFF:  # fill bytes
            place += len(content) - place - len(content[place:].lstrip(b"\xff")) - 1
            continue
        if marker == 0xD9:
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = content[place + 1 : place + 2] + content[place + 9 : place + 10]  # kind, number of components
        place += 2 + length
        if marker == 0xDA and len(frame) == 2:
            interleaved = not end and frame[0] in _BASELINE and content[place - length + 2] == frame[1]
            found = _MARKER.search(content, place)
            if found is None:
                return None  # no marker follows: Pillow itself says that it is truncated
            restarts = sum(content.count(mark, place, found.start()) for mark in _RESTARTS)
            place = end = place + len(content[place : found.start()].rstrip(b"\xff"))  # a marker may begin with fill bytes
    return _Scans(interleaved, end, restarts) if end and frame[0] in _HUFFMAN else None


# The parts of an image file, counted before a decoder meets them.
#
# Pillow looks at each part in Python, and libjpeg at every pixel in each scan: a small file can keep either busy for minutes.


MOST_PARTS = 100_000
"""Chunks of a PNG, blocks of a GIF; an encoder that writes 4 kB at a time needs a sixth of it for 64 MiB."""
MOST_MARKERS, MOST_JUNK = 5_000, 100_000
"""Limits of a JPEG: markers, and bytes between those before its first scan."""
MOST_SCANNED = 10**9
"""Pixels times scans of a JPEG: 50 megapixels in 20 scans; an encoder makes ten."""
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_END, _SCAN, _ALONE = 0xD9, 0xDA, (0x01, 0xD8)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def check_structure(content: bytes) -> None:
    """Raise `ValueError` if an image has more parts than any encoder writes; whether it is whole is left to its decoder."""
    for start, check in ((b"\xff\xd8", _check_jpeg), (b"\x89PNG\r\n\x1a\n", _check_png), (b"GIF8", _check_gif)):
        if content.startswith(start):
            check(content)


def _check_jpeg(content: bytes) -> None:
    offset, markers, junk, scans, pixels = 2, 0, 0, 0, 0
    while match := _JPEG_MARKER.search(content, offset):
        markers += 1
        junk += 0 if scans else match.end() - 2 - offset
        kind, offset = match[1][0], match.end()
        if kind == _END:
            break
        if kind in _ALONE:
            continue
        if kind in _FRAMES:
            pixels = int.from_bytes(content[offset + 3 : offset + 5]) * int.from_bytes(content[offset + 5 : offset + 7])
        scans += kind == _SCAN
        if markers > MOST_MARKERS or scans * pixels > MOST_SCANNED or junk > MOST_JUNK:
            break
        offset += max(2, int.from_bytes(content[offset : offset + 2]))
    junk += 0 if scans or match else len(content) - offset
    if markers > MOST_MARKERS or scans * pixels > MOST_SCANNED or junk > MOST_JUNK:
        raise ValueError(f"{markers:,} markers, {scans:,} scans of {pixels:,} pixels, {junk:,} bytes between markers")


def _check_png(content: bytes) -> None:
    offset = 8
    for _ in range(MOST_PARTS):
        if offset >= len(content):
            return
        offset += 12 + int.from_bytes(content[offset : offset + 4])
    raise ValueError(f"over {MOST_PARTS:,} chunks")


def _check_gif(content: bytes) -> None:
    """Count the blocks before the first picture."""
    offset, inside = 13 + _table(content[10:11]), False
    for _ in range(MOST_PARTS):
        head = content[offset : offset + 1]
        if not head or not (inside or head == b"!"):
            return
        offset += 1 + head[0] if inside else 2
        inside = head != b"\0" if inside else True
    raise ValueError(f"over {MOST_PARTS:,} blocks")


def _table(packed: bytes) -> int:
    """Return the bytes of a table of colours."""
    return 3 * (2 << (packed[0] & 7)) if packed and packed[0] & 0x80 else 0


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
