"""Opening images: each conversion against pixels worked out by hand, each limit at its edge, every damage a reason."""

import io
import pickle
import random
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from strictio.images import decode as images
from strictio.images.decode import UnreadableImage, decode
from tests.support.hostile import hostile_generator


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(tag, data):
    return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))


def png(width, height, depth, colour, rows, *extra):
    """A PNG written by hand, for what Pillow cannot write: `rows` is the filtered, uncompressed data."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join([chunk(b"IHDR", head), *extra, chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")])


def blank_png(width, height):
    return png(width, height, 1, 0, (b"\0" * (1 + (width + 7) // 8)) * height)


def pixel(content):
    decoded = decode(content)
    assert decoded.image.mode == "RGB"
    return decoded.image.getpixel((0, 0)), decoded.conversions


def reason(content):
    with pytest.raises(UnreadableImage) as caught:
        decode(content)
    return caught.value.reason


# ---- conversions ---------------------------------------------------------------------------------------------------------------------


def test_a_plain_picture_keeps_its_pixels_and_needs_no_conversion():
    values = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
    decoded = decode(encoded(Image.fromarray(values)))
    np.testing.assert_array_equal(np.asarray(decoded.image), values)
    assert decoded.conversions == ()


@pytest.mark.parametrize(
    ("deep", "shallow"), [(0, 0), (128, 0), (129, 1), (257, 1), (32896, 128), (65406, 254), (65407, 255), (65535, 255)]
)
def test_16_bit_grey_is_divided_by_257_and_rounded(deep, shallow):
    """65535 / 257 = 255; 128 / 257 = 0.498 rounds down, 129 / 257 = 0.502 up. Pillow's own conversion clips nearly all to 255."""
    content = encoded(Image.fromarray(np.full((8, 8), deep, np.uint16)))
    assert pixel(content) == ((shallow,) * 3, ("16-bit to 8-bit", "grey to RGB"))


def test_16_bit_grey_in_a_big_endian_tiff_is_the_same_picture():
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    little = decode(encoded(Image.fromarray(values), "TIFF"))
    header = struct.pack(">2sHIH", b"MM", 42, 8, 9)
    tags = [(256, 3, 1, 8 << 16), (257, 3, 1, 8 << 16), (258, 3, 1, 16 << 16), (259, 3, 1, 1 << 16), (262, 3, 1, 1 << 16)]
    tags += [(273, 4, 1, 122), (277, 3, 1, 1 << 16), (278, 3, 1, 8 << 16), (279, 4, 1, 128)]
    big = header + b"".join(struct.pack(">HHII", *tag) for tag in tags) + struct.pack(">I", 0)
    decoded = decode(big + values.astype(">u2").tobytes())
    np.testing.assert_array_equal(np.asarray(decoded.image), np.asarray(little.image))
    assert decoded.conversions == little.conversions == ("16-bit to 8-bit", "grey to RGB")


def test_transparent_16_bit_grey_shows_white_where_it_is_transparent():
    rows = (b"\0" + struct.pack(">H", 1000) * 8) * 8
    assert pixel(png(8, 8, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 1000))))[0] == (255, 255, 255)
    assert pixel(png(8, 8, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 1001))))[0] == (4, 4, 4)  # 1000 / 257 = 3.9


def test_16_bit_colour_keeps_the_upper_byte_and_shows_white_where_it_is_transparent():
    rows = (b"\0" + struct.pack(">HHH", 0x1234, 0x80FF, 0xFFFF) * 8) * 8
    assert pixel(png(8, 8, 16, 2, rows)) == ((0x12, 0x80, 0xFF), ("16-bit to 8-bit",))
    transparent = chunk(b"tRNS", struct.pack(">HHH", 0x1234, 0x80FF, 0xFFFF))
    assert pixel(png(8, 8, 16, 2, rows, transparent)) == ((255, 255, 255), ("16-bit to 8-bit", "transparency over white"))


def test_cmyk_becomes_rgb():
    """No cyan, full magenta and yellow: red. A tenth of black takes a tenth of the light."""
    assert pixel(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF")) == ((255, 0, 0), ("CMYK to RGB",))
    red, *others = pixel(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))[0]
    assert red > 250
    assert max(others) < 5


def test_transparency_is_laid_over_white_and_hides_the_colour_below():
    assert pixel(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0)))) == ((255, 255, 255), ("transparency over white",))
    # Half transparent black: 255 * (1 - 51 / 255) = 204.
    assert pixel(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 51))))[0] == (204, 204, 204)
    assert pixel(encoded(Image.new("LA", (8, 8), (0, 51)))) == ((204, 204, 204), ("grey to RGB", "transparency over white"))
    assert pixel(encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 255)))) == ((1, 2, 3), ())  # opaque: changes nothing and is not counted


def test_palettes_become_rgb_with_their_transparency():
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    assert pixel(encoded(picture)) == ((10, 20, 30), ("palette to RGB",))
    assert pixel(encoded(picture, transparency=1)) == ((255, 255, 255), ("palette to RGB", "transparency over white"))
    assert pixel(encoded(picture, transparency=bytes([255, 51])))[0] == (206, 208, 210)  # 255 - (255 - x) / 5


@pytest.mark.parametrize(("mode", "value", "grey"), [("L", 77, 77), ("1", 1, 255)])
def test_grey_and_bilevel_become_rgb(mode, value, grey):
    assert pixel(encoded(Image.new(mode, (8, 8), value))) == ((grey,) * 3, ("grey to RGB",))


UPRIGHT = {
    1: lambda stored: stored, 2: lambda stored: stored[:, ::-1], 3: lambda stored: stored[::-1, ::-1], 4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1), 6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1), 8: lambda stored: np.rot90(stored, 1),
}  # fmt: skip


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_camera_held_sideways_gives_an_upright_picture(orientation, kind):
    stored = np.random.default_rng(0).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode(encoded(Image.fromarray(stored), kind, exif=exif, **options))
    np.testing.assert_array_equal(np.asarray(decoded.image), UPRIGHT[orientation](stored))
    assert decoded.conversions == (() if orientation == 1 else ("EXIF rotation",))


def test_16_bit_grey_is_turned_upright_as_well():
    stored = (np.arange(72, dtype=np.uint16) * 257).reshape(8, 9)
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encoded(Image.fromarray(stored), exif=exif))
    np.testing.assert_array_equal(np.asarray(decoded.image)[..., 0], np.rot90(stored // 257, -1))
    assert decoded.conversions == ("EXIF rotation", "16-bit to 8-bit", "grey to RGB")


def test_a_phones_avif_is_read_upright():
    """Lossless: the left column of a picture 8 wide and 16 high, turned by 6 (a quarter clockwise), is the upper row."""
    stored = np.zeros((16, 8, 3), np.uint8)
    stored[:, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encoded(Image.fromarray(stored), "AVIF", exif=exif, quality=100, subsampling="4:4:4"))
    assert decoded.image.size == (16, 8)
    assert decoded.conversions == ("EXIF rotation",)
    assert np.asarray(decoded.image)[0].min() > 250
    assert np.asarray(decoded.image)[4:].max() < 5


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})])
def test_of_an_animation_the_first_frame_counts(kind, options):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    value, conversions = pixel(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert value == (255, 0, 0)
    assert conversions[0] == "first frame of an animation"
    assert "first frame of an animation" not in pixel(encoded(frames[0], kind, **options))[1]
    # A photograph with a preview is none.
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("white", "black")]
    assert pixel(encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])) == ((255, 255, 255), ())


# ---- limits --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [12_000, 20_000])
def test_bombs_that_pillow_itself_knows_have_the_same_reason(side):
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    assert reason(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")) == "too large"


def test_a_bomb_is_refused_by_its_header_before_it_takes_memory():
    content = blank_png(9_400, 9_400)  # 88 million pixels: under Pillow's own warning
    assert len(content) < 100_000
    tracemalloc.start()
    assert reason(content) == "too large"
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_the_limits_hold_at_their_edges_and_64_mib_are_the_most(monkeypatch):
    assert decode(blank_png(8, 800)).image.size == (8, 800)
    assert reason(blank_png(8, 801)) == "too elongated"
    assert reason(blank_png(7, 8)) == "too small"
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    assert decode(blank_png(10, 10)).image.size == (10, 10)
    assert reason(blank_png(10, 11)) == "too large"
    assert images.MAX_BYTES == 67_108_864
    assert reason(encoded(Image.new("RGB", (8, 8))) + b"\0" * images.MAX_BYTES) == "too large"


# ---- damage --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty file"), (b"hello", "not an image"), (b"%PDF-1.7", "format not accepted"), (b"\xff\xd8\xff\xe0", "damaged"),
        (b"<!doctype html><title>Sign in</title>", "not an image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS pointer"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n", "format not accepted"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "format not accepted"),
        (b"\n<?xml version='1.0'?><svg/>", "format not accepted"), (b"\0\0\0\x1cftypheic", "format not accepted"),
        (b"\0\0\0\x1cftypavif", "damaged"), (b"\xff\x4f\xff\x51\0", "format not accepted"),
    ],
)  # fmt: skip
def test_what_is_no_picture_has_a_reason(content, expected):
    assert reason(content) == expected


def test_formats_outside_the_list_are_not_opened_and_pixels_whose_white_is_unknown_refused():
    assert reason(encoded(Image.new("RGB", (16, 16)), "JPEG2000")) == "format not accepted"
    for kind in ("ICO", "PPM", "SGI", "PCX", "EPS"):
        assert reason(encoded(Image.new("RGB", (16, 16)), kind)) in ("format not accepted", "not an image"), kind
    for mode in ("F", "LAB", "I"):
        assert reason(encoded(Image.new(mode, (8, 8)), "TIFF")) == "pixel format not accepted", mode


def test_a_truncated_picture_is_not_filled_with_grey_even_where_a_library_asks_for_it(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), "JPEG")
    assert reason(content[: len(content) // 2]) == "truncated"


def test_whatever_is_done_to_the_bytes_gives_a_picture_or_a_reason():
    """1,500 files with bytes changed or cut off; nothing but `UnreadableImage` may come out, and no warning."""
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    picture, rng = Image.fromarray(noise), random.Random(0)
    kinds = [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "P"), ("PNG", "RGBA"), ("WEBP", "RGBA"), ("GIF", "P"), ("BMP", "RGB")]
    seeds = [encoded(picture.convert(mode), kind) for kind, mode in kinds]
    seeds.append(encoded(picture, "GIF", save_all=True, append_images=[picture.rotate(90)]))
    outcomes = set()
    for _ in range(1500):
        content = bytearray(rng.choice(seeds))
        for _ in range(rng.choice([1, 3, 20])):
            content[rng.randrange(min(len(content), rng.choice([40, 200, len(content)])))] = rng.randrange(256)
        try:
            outcomes.add(decode(bytes(content[: rng.choice([None, rng.randrange(len(content))])])).image.mode)
        except UnreadableImage as error:
            outcomes.add(error.reason)
    assert {"RGB", "damaged", "truncated", "not an image"} <= outcomes


def test_a_reason_survives_the_way_between_processes():
    assert pickle.loads(pickle.dumps(UnreadableImage("too large"))).reason == "too large"


def test_the_hostile_pictures_of_the_reference(tmp_path):
    hostile_generator().write_images(tmp_path)
    found = {}
    for path in sorted(path for path in tmp_path.iterdir() if path.is_file() and not path.is_symlink()):
        try:
            found[path.name] = decode(path.read_bytes()).conversions
        except UnreadableImage as error:
            found[path.name] = error.reason
    unreadable = {name: why for name, why in found.items() if isinstance(why, str)}
    assert unreadable == {
        "bomb_88mp_no_warning.png": "too large", "bomb_144mp_warning.png": "too large", "bomb_400mp_error.png": "too large",
        "trunc.jpg": "truncated", "zero.jpg": "empty file", "text.jpg": "not an image", "svg.png": "format not accepted",
        "eps_named.jpg": "format not accepted", "one_px.png": "too small", "sliver.png": "too small",
    }  # fmt: skip
    assert found["ok.jpg"] == found["exif1.jpg"] == ()
    assert found["cmyk.jpg"] == ("CMYK to RGB",)
    assert found["exif6.jpg"] == ("EXIF rotation",)
    assert found["anim.webp"] == ("first frame of an animation",)
