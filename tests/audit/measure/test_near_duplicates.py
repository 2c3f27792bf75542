"""Near duplicates: planted copies are found among drawings that are very alike and among noise, and others are not."""

import io

import numpy as np
import pytest
from PIL import Image

from audit.measure.near_duplicates import SIDE, find_near_duplicates, likeness, perceptual_hash, prints
from probes.prompts import emoji_drawings

PLANTED = 50


def small(image):
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def recompressed(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def cropped(image, rng):
    """Return nine tenths of each side, wherever."""
    width, height = (int(0.9 * side) for side in image.size)
    left, upper = (int(rng.integers(0, side - kept + 1)) for side, kept in zip(image.size, (width, height), strict=True))
    return image.crop((left, upper, left + width, upper + height))


def mirrored(image):
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def changed(image, number, rng):
    ways = (
        lambda: cropped(image, rng),
        lambda: recompressed(image),
        lambda: mirrored(image),
        lambda: recompressed(cropped(image, rng)),
        lambda: recompressed(mirrored(cropped(image, rng))),
    )
    return ways[number % 5]()


def drawings(rng):
    folder = emoji_drawings.drawings_folder()
    stems = rng.permutation(list(emoji_drawings.drawing_names(folder)))
    opened = [Image.open(folder / f"{stem}.png").convert("RGBA") for stem in stems]
    return [Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB") for image in opened]


def noise(rng, n):
    return [Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(n)]


def test_50_planted_near_duplicates_are_found_among_1050_other_pictures_with_at_most_1_percent_false_ones():
    """25 drawings of people and 25 pictures of noise, changed; others: 300 drawings (most differ in tone or gender) and 750 of noise."""
    rng = np.random.default_rng(7)
    drawn, noisy = drawings(rng), noise(rng, 775)
    asked = drawn[:25] + noisy[:25]
    others = drawn[25:325] + noisy[25:]
    planted = [changed(image, number, rng) for number, image in enumerate(asked)]
    found = {
        (seen, known)
        for seen, known, _ in find_near_duplicates(
            prints(np.stack(list(map(small, others + planted)))), prints(np.stack(list(map(small, asked))))
        )
    }
    right = {(len(others) + number, number) for number in range(PLANTED)}
    assert right <= found
    assert len({seen for seen, _ in found - right}) <= 0.01 * len(others)


def test_a_drawing_in_another_tone_correlates_and_is_another_picture():
    """Two squares of a face on white: 230 against 160 differ by far more than a compression does; 230 against 232 do not."""
    face = np.full((SIDE, SIDE, 3), 255, np.uint8)
    light, medium, nearly = face.copy(), face.copy(), face.copy()
    for picture, value in ((light, 200), (medium, 130), (nearly, 202)):
        picture[16:48, 16:48] = (value, value, 0)
    assert likeness(light, medium).correlation > 0.8
    assert not likeness(light, medium).near_duplicate
    assert likeness(light, nearly).near_duplicate


def test_the_mirror_image_of_a_mirror_image_is_the_picture_and_flat_pictures_are_nobodys_copy():
    rng = np.random.default_rng(0)
    picture = np.stack([small(each) for each in noise(rng, 3)])
    twice = prints(picture[:, :, ::-1])
    assert {(a, b) for a, b, _ in find_near_duplicates(twice, prints(picture))} == {(0, 0), (1, 1), (2, 2)}
    flat = prints(np.full((2, SIDE, SIDE, 3), 200, np.uint8))
    assert not list(find_near_duplicates(flat, flat))
    assert not list(find_near_duplicates(prints(picture[:0]), prints(picture)))


def test_a_hash_has_the_bits_of_the_cosine_transform_that_scipy_computes():
    """By scipy's DCT: the 8 x 8 lowest coefficients but the first, each against their median."""
    from scipy.fft import dctn

    grey = np.random.default_rng(3).uniform(0, 255, (5, 32, 32))
    for picture, value in zip(grey, perceptual_hash(grey), strict=True):
        # scipy's type 2 is twice the plain sum of cosines on each axis: no sign and no order changes.
        low = dctn(picture, type=2)[:8, :8].ravel()[1:]
        expected = sum(1 << place for place, bit in enumerate(low > np.median(low)) if bit)
        assert int(value) == expected


@pytest.mark.parametrize("change", [lambda grey: grey + 40, lambda grey: grey * 0.5])
def test_neither_brightness_nor_contrast_changes_a_hash(change):
    grey = np.random.default_rng(1).uniform(0, 200, (4, 32, 32))
    np.testing.assert_array_equal(perceptual_hash(change(grey)), perceptual_hash(grey))
