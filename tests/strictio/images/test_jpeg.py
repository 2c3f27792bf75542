"""A JPEG that was cut and closed by an end marker is found; none that is whole is refused, and no pixel changes."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from strictio.images.decode import REDUCED, UnreadableImage, decode

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
PROGRESSIVE = {"progressive": True}
KINDS = {
    "4:2:0": {"subsampling": 2}, "4:2:2": {"subsampling": 1}, "4:4:4": {"subsampling": 0}, "best": {"quality": 100},
    "small": {"quality": 20, "optimize": True}, "restarts by block": {"restart_marker_blocks": 3},
    "restarts by row": {"restart_marker_rows": 1, "subsampling": 2}, "progressive": PROGRESSIVE,
    "progressive 4:4:4": PROGRESSIVE | {"subsampling": 0}, "progressive with restarts": PROGRESSIVE | {"restart_marker_blocks": 5},
    "grey": {"mode": "L"}, "progressive grey": PROGRESSIVE | {"mode": "L"}, "CMYK": {"mode": "CMYK"},
    "progressive CMYK": PROGRESSIVE | {"mode": "CMYK"},
}  # fmt: skip


def picture(width=150, height=133):
    """Smooth colours with some noise, as a photograph has them."""
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    return Image.fromarray(np.clip(np.asarray(smooth, int) + rng.integers(-8, 8, (height, width, 3)), 0, 255).astype(np.uint8))


def jpeg(image, mode="RGB", kind="JPEG", **options):
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def closed_at(content, share):
    return content[: int(len(content) * share)] + b"\xff\xd9"


def reason(content):
    with pytest.raises(UnreadableImage) as caught:
        decode(content)
    return caught.value.reason


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_a_whole_jpeg_of_any_kind_is_read_and_a_cut_one_is_truncated(options):
    content = jpeg(picture(), **options)
    plain = Image.open(io.BytesIO(content)).convert("RGB")
    assert decode(content).image.tobytes() == plain.tobytes()
    assert decode(content + b"rubbish after the end").image.tobytes() == plain.tobytes()
    assert [reason(closed_at(content, share)) in ("truncated", "damaged") for share in SHARES] == [True] * 6
    assert reason(closed_at(content, 0.5)) == reason(closed_at(content, 0.99)) == "truncated"


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_a_jpeg_that_is_reduced_while_decoded_is_pillows_and_a_cut_one_is_still_found(options):
    """150 x 133 to a half: no side under 60. A third does not exist, so 40 is not reached by a quarter (33 rows) either."""
    content = jpeg(picture(), **options)
    drawn = Image.open(io.BytesIO(content))
    drawn.draft(None, (60, 60))
    for draft in (60, 40):
        found = decode(content, draft)
        assert found.image.size == (75, 67)
        assert found.image.tobytes() == drawn.convert("RGB").tobytes()
        assert found.conversions[0] == REDUCED
    assert decode(content, 100).image.tobytes() == decode(content).image.tobytes()
    assert REDUCED not in decode(content, 100).conversions
    for share in (0.3, 0.9):
        with pytest.raises(UnreadableImage, match=r"truncated|damaged"):
            decode(closed_at(content, share), 60)


@pytest.mark.parametrize("colour", ["black", "white", "gray"])
@pytest.mark.parametrize("options", [{}, PROGRESSIVE, {"mode": "L"}])
def test_an_even_picture_is_not_taken_for_a_cut_one(colour, options):
    """Grey is what libjpeg fills with, and what an empty canvas holds: only the data can tell."""
    for size in ((8, 8), (16, 9), (17, 33), (640, 480)):
        assert decode(jpeg(Image.new("RGB", size, colour), **options)).image.size == size


def test_pictures_of_every_size_of_a_block_are_read():
    for side in range(8, 34):
        for options in ({}, PROGRESSIVE, {"subsampling": 0}):
            assert decode(jpeg(picture(side, 41 - side), **options)).image.size == (side, 41 - side)


@pytest.mark.slow_except("options0")
@pytest.mark.parametrize("options", [{}, PROGRESSIVE])
def test_a_header_that_claims_more_than_there_is_does_not_make_a_picture(options):
    """The height and width of a picture of 150 x 133 are overwritten: 7000 x 7000 pixels, nearly all of them missing."""
    content = jpeg(picture(), **options)
    frame = content.index(b"\xff\xc2" if options else b"\xff\xc0")
    claimed = content[: frame + 5] + struct.pack(">HH", 7000, 7000) + content[frame + 9 :]
    assert Image.open(io.BytesIO(claimed)).convert("RGB").size == (7000, 7000)  # Pillow sees nothing
    assert reason(claimed) == "truncated"


def test_a_phones_file_of_two_pictures_needs_only_the_first():
    content = jpeg(picture(), kind="MPO", save_all=True, append_images=[picture().rotate(90)])
    first = content.index(b"\xff\xd9") + 2
    assert decode(content).image.size == (150, 133)
    assert decode(content[: first + 500] + b"\xff\xd9").image.size == (150, 133)
    assert reason(closed_at(content, 0.3)) == "truncated"


@pytest.mark.parametrize(
    ("kind", "options", "end"),
    [("PNG", {}, b"\0\0\0\0IEND\xaeB`\x82"), ("GIF", {}, b";"), ("BMP", {}, b""), ("TIFF", {}, b""),
     ("TIFF", {"compression": "tiff_lzw"}, b""), ("WEBP", {}, b""), ("WEBP", {"lossless": True}, b""), ("AVIF", {}, b"")],
)  # fmt: skip
def test_cut_pictures_of_other_formats_are_refused_with_and_without_an_end(kind, options, end):
    content = jpeg(picture(), kind=kind, **options)
    assert decode(content).image.size == (150, 133)
    for share in SHARES:
        cut = content[: int(len(content) * share)]
        assert {reason(cut), reason(cut + end)} <= {"truncated", "damaged"}, share


@pytest.mark.slow
@pytest.mark.faces
def test_no_face_is_refused_and_every_cut_one_is(fairface_dir):
    faces = sorted(Path(fairface_dir).rglob("*.jpg"))
    assert len(faces) == 180
    for face in faces:
        content = face.read_bytes()
        assert decode(content).image.tobytes() == Image.open(io.BytesIO(content)).convert("RGB").tobytes()
        for share in SHARES[1:]:
            assert reason(closed_at(content, share)) == "truncated", (face.name, share)
