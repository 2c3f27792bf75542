"""Images of more parts than any encoder writes are refused before a decoder meets them; usual ones are not."""

import io
import struct
import time
import zlib
from functools import cache

import pytest
from PIL import Image

from strictio.images.decode import UnreadableImage, check_structure, decode
from strictio.images.in_process import UnreadableImage as UnreadablePair
from strictio.images.in_process import decode_rgb


def written(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PICTURE = Image.radial_gradient("L").resize((64, 48)).convert("RGB")
JPEG, PNG, GIF = (written(PICTURE, kind) for kind in ("JPEG", "PNG", "GIF"))
HEAD = 13 + 3 * (2 << (GIF[10] & 7))


@cache
def progressive():
    return written(Image.new("RGB", (1000, 1000)), "JPEG", progressive=True)


def of_a_thousand_scans():
    image = progressive()
    scan = image[image.rfind(b"\xff\xda") : image.rfind(b"\xff\xd9")]
    return image[:-2] + scan * 1000 + b"\xff\xd9"


MANY = {  # made when a test needs them: every worker of the tests imports this file
    "scans": of_a_thousand_scans,
    "markers": lambda: JPEG[:2] + b"\xff\xe0\0\2" * 1_000_000 + JPEG[2:],
    "fill bytes": lambda: JPEG[:2] + b"\xff" * 2_000_000 + JPEG[2:],
    "nothing but fill bytes": lambda: JPEG[:2] + b"\xff" * 2_000_000,
    "junk before the first scan": lambda: JPEG[:2] + b"\0" * 2_000_000 + JPEG[2:],
    "tables": lambda: JPEG[:2] + (b"\xff\xc4\0\x13\0" + b"\0" * 16) * 100_000 + JPEG[2:],
    "chunks": lambda: PNG[:33] + chunk(b"abCd") * 1_000_000 + PNG[33:],
    "blocks": lambda: GIF[:HEAD] + b"\x21\xfe" + b"\1A" * 1_000_000 + b"\0" + GIF[HEAD:],
    "extensions": lambda: GIF[:HEAD] + b"\x21\xfe\0" * 1_000_000 + GIF[HEAD:],
}
USUAL = {
    "JPEG": lambda: JPEG, "PNG": lambda: PNG, "GIF": lambda: GIF, "progressive": progressive,
    "large": lambda: written(Image.new("RGB", (7000, 7000)), "JPEG", progressive=True, quality=5),
    "restart markers": lambda: written(PICTURE, "JPEG", restart_marker_blocks=1),
    "several pictures": lambda: written(PICTURE, "MPO", save_all=True, append_images=[PICTURE] * 3),
    "frames": lambda: written(
        PICTURE.convert("P"), "GIF", save_all=True, append_images=[PICTURE.rotate(90)], comment=b"x" * 20_000
    ),
    "not compressed": lambda: written(PICTURE, "PNG", compress_level=0),
    "three fill bytes": lambda: JPEG[:2] + b"\xff\xff\xff" + JPEG[2:],
}  # fmt: skip


@pytest.mark.parametrize("name", MANY)
def test_an_image_of_too_many_parts_is_refused_at_once_by_the_audit_and_by_the_trainer(name):
    content, began = MANY[name](), time.process_time()
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(content)
    with pytest.raises(UnreadablePair, match="not a readable image"):
        decode_rgb(content)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("name", USUAL)
def test_usual_images_pass(name):
    check_structure(USUAL[name]())


def test_a_fill_byte_before_a_marker_changes_no_pixel():
    filled = JPEG[:-2] + b"\xff" * 1000 + JPEG[-2:]
    assert decode(filled).image.tobytes() == decode(JPEG).image.tobytes()
