"""The parts of an image file, counted before a decoder meets them.

Pillow looks at each part in Python, and libjpeg at every pixel in each scan: a small file can keep either busy for minutes.
"""

from __future__ import annotations

import re

MOST_PARTS = 100_000
"""Chunks of a PNG, blocks of a GIF; an encoder that writes 4 kB at a time needs a sixth of it for 64 MiB."""
MOST_MARKERS, MOST_JUNK = 5_000, 100_000
"""Limits of a JPEG: markers, and bytes between those before its first scan."""
MOST_SCANNED = 10**9
"""Pixels times scans of a JPEG: 50 megapixels in 20 scans; an encoder makes ten."""
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_END, _SCAN, _ALONE = 0xD9, 0xDA, (0x01, 0xD8)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def check_structure(content: bytes) -> None:
    """Raise `ValueError` if an image has more parts than any encoder writes; whether it is whole is left to its decoder."""
    for start, check in ((b"\xff\xd8", _check_jpeg), (b"\x89PNG\r\n\x1a\n", _check_png), (b"GIF8", _check_gif)):
        if content.startswith(start):
            check(content)


def _check_jpeg(content: bytes) -> None:
    offset, markers, junk, scans, pixels = 2, 0, 0, 0, 0
    while match := _MARKER.search(content, offset):
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
