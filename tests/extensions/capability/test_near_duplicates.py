"""Near duplicates: planted copies are found among drawings that are very alike and among noise, and others are not."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from audit.extensions.capability import near_duplicates
from audit.extensions.capability.near_duplicates import SIDE, find_near_duplicates, fingerprints, likeness, signatures, similar_pairs
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


@pytest.mark.slow
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
            fingerprints(np.stack(list(map(small, others + planted)))), fingerprints(np.stack(list(map(small, asked))))
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
    twice = fingerprints(picture[:, :, ::-1])
    assert {(a, b) for a, b, _ in find_near_duplicates(twice, fingerprints(picture))} == {(0, 0), (1, 1), (2, 2)}
    flat = fingerprints(np.full((2, SIDE, SIDE, 3), 200, np.uint8))
    assert not list(find_near_duplicates(flat, flat))
    assert not list(find_near_duplicates(fingerprints(picture[:0]), fingerprints(picture)))


def test_a_signature_has_the_coefficients_of_scipys_cosine_transform():
    """By scipy's DCT: the coefficients whose frequencies add up to 1 to 7, times that sum and a half, at length 2048."""
    from scipy.fft import dctn

    grey = np.random.default_rng(3).uniform(0, 255, (5, 32, 32))
    for image, entries in zip(grey, signatures(grey)[0], strict=True):
        # scipy's type 2 is four times the plain sum of cosines in two dimensions: no sign and no order changes.
        transformed = dctn(image, type=2)
        low = [transformed[down, across] * (down + across + 0.5) for down in range(8) for across in range(8) if 0 < down + across < 8]
        np.testing.assert_array_equal(entries, np.rint(np.array(low) / np.linalg.norm(low) * 2048))


@pytest.mark.parametrize("change", [lambda grey: grey + 40, lambda grey: grey * 0.5])
def test_neither_brightness_nor_contrast_changes_a_signature(change):
    grey = np.random.default_rng(1).uniform(0, 200, (4, 32, 32))
    np.testing.assert_array_equal(signatures(change(grey)), signatures(grey))


def test_the_signature_of_a_mirror_image_has_the_other_sign_at_odd_frequencies():
    pictures = np.stack([small(image) for image in photographs(3)])
    image, mirror = fingerprints(pictures), fingerprints(pictures[:, :, ::-1])
    np.testing.assert_array_equal(mirror.signatures[0], image.signatures[0] * near_duplicates._MIRROR)


def photographs(n, seed=0):
    """Return made images with the frequencies of photographs: noise whose amplitude falls with its frequency, in colour."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(200), np.fft.rfftfreq(200), indexing="ij"))[..., None]
    images = []
    for noise in np.random.default_rng(seed).normal(size=(n, 200, 200, 3)):
        noise += 2 * noise.mean(axis=-1, keepdims=True) * np.sqrt(3)
        smooth = np.fft.irfft2(np.fft.rfft2(noise, axes=(0, 1)) / np.maximum(frequency, 1 / 200) ** 1.2, (200, 200), axes=(0, 1))
        images.append(Image.fromarray(np.clip(120 + 45 * (smooth - smooth.mean()) / smooth.std(), 0, 255).astype(np.uint8)))
    return images


def cropped_by_15_percent(image, rng):
    side = round(0.85 * image.width)
    left, upper = (int(edge) for edge in rng.integers(0, image.width - side + 1, 2))
    return image.crop((left, upper, left + side, upper + side))


CHANGES = {
    "grey": lambda image, _: image.convert("L"),
    "brightness": lambda image, _: ImageEnhance.Brightness(image).enhance(1.3),
    "darker": lambda image, _: ImageEnhance.Brightness(image).enhance(1 / 1.3),
    "crop": cropped_by_15_percent,
    "recompressed": lambda image, _: recompressed(image),
    "mirrored": lambda image, _: mirrored(image),
    "two of them": lambda image, rng: ImageEnhance.Brightness(cropped_by_15_percent(mirrored(image), rng)).enhance(1.3),
}


def pairs_of(changed, originals):
    seen, queries = (fingerprints(np.stack(list(map(small, images)))) for images in (changed, originals))
    return {(row, column) for row, column, _ in find_near_duplicates(seen, queries)}


@pytest.mark.slow_except("grey")
@pytest.mark.parametrize("change", CHANGES)
def test_at_least_58_of_60_changed_photographs_are_found_and_no_other(change):
    rng, originals = np.random.default_rng(5), photographs(60)
    pairs = pairs_of([CHANGES[change](image, rng) for image in originals], originals)
    assert sum(row == column for row, column in pairs) >= 58
    assert all(row == column for row, column in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_at_least_58_of_60_changed_faces_are_found_and_no_other_pair_of_180(change, fairface_dir):
    """No false pair among 180 x 179 of real faces, whichever the change."""
    rng = np.random.default_rng(5)
    originals = [Image.open(path).convert("RGB") for path in sorted((fairface_dir / "train").glob("*.jpg"))]
    pairs = pairs_of([CHANGES[change](image, rng) for image in originals], originals)
    assert sum(row == column for row, column in pairs) >= 58 * len(originals) / 60
    assert all(row == column for row, column in pairs)


def test_another_brightness_beyond_the_limit_and_a_larger_crop_are_other_pictures():
    originals = photographs(20)
    assert not pairs_of([ImageEnhance.Brightness(image).enhance(0.5) for image in originals], originals)
    assert not pairs_of([image.crop((0, 0, 140, 140)) for image in originals], originals)


@pytest.mark.slow
@pytest.mark.parametrize("least", [0.45, 0.82])
def test_blocks_find_exactly_the_pairs_that_a_loop_over_all_pairs_finds(least, monkeypatch):
    """50 x 40 images in blocks of 16 x 24, the last of which are smaller; every product of integers in a plain loop."""
    monkeypatch.setattr(near_duplicates, "_ROWS", 16)
    monkeypatch.setattr(near_duplicates, "_COLUMNS", 24)
    rng, originals = np.random.default_rng(2), photographs(40)
    changed = [cropped_by_15_percent(image, rng) for image in originals[:25]] + photographs(25, seed=9)
    seen, queries = (fingerprints(np.stack(list(map(small, images)))) for images in (changed, originals))
    expected = {}
    for row in range(50):
        for column in range(40):
            for mirrored in (False, True):
                first = (seen.signatures[:, row] * (near_duplicates._MIRROR if mirrored else 1)).astype(int)
                second = queries.signatures[:, column].astype(int)
                largest = max(max(int(first[0] @ second[crop]), int(first[crop] @ second[0])) for crop in range(len(second)))
                if largest >= least * 2048**2:
                    expected[row, column, mirrored] = largest / 2048**2
    listed = list(similar_pairs(seen, queries, least))
    assert {(each.seen, each.query, each.way.mirrored): each.similarity for each in listed} == expected
    assert len(listed) == len(expected) >= 24


@pytest.mark.slow
def test_a_candidate_does_not_depend_on_what_it_is_compared_with():
    originals = photographs(30)
    every, some = fingerprints(np.stack(list(map(small, originals)))), fingerprints(np.stack(list(map(small, originals[10:20]))))
    together = {
        (each.seen, each.query - 10, each.similarity, each.way) for each in similar_pairs(every, every, 0.4) if 10 <= each.query < 20
    }
    assert {(each.seen, each.query, each.similarity, each.way) for each in similar_pairs(every, some, 0.4)} == together
