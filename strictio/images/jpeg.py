"""Whether a JPEG's data are complete according to its header: libjpeg silently fills missing parts with grey.

A file that was cut and closed by an end marker decodes without an error. What gives it away is what the decoder does with bytes put between
the last scan and the marker after it: a whole picture needs none of them, a cut one reads them as picture.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, ImageChops

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
