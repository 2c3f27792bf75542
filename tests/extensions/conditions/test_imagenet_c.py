"""The fifteen kinds of ImageNet-C, recomputed pixel by pixel from the published definitions."""

import colorsys
import io
import math
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from audit.analyses.plans import IMAGENET_C
from audit.extensions.conditions.imagenet_c import ALEXNET, CORRUPTIONS, at_published_size, corruption
from strictio.images.decode import decode

HEIGHT, WIDTH = 13, 11


@pytest.fixture
def picture():
    return np.random.default_rng(8).integers(0, 256, (HEIGHT, WIDTH, 3)) / 255


def corrupted(name, picture, parameters, seed=4):
    return CORRUPTIONS[name][0](picture, parameters, np.random.default_rng(seed))


def by_pixel(function, shape=(HEIGHT, WIDTH)):
    return np.array([[function(y, x) for x in range(shape[1])] for y in range(shape[0])])


def mirrored(place, size):
    """The outermost pixel is the mirror: -1 is 1."""
    while not 0 <= place < size:
        place = -place if place < 0 else 2 * (size - 1) - place
    return place


def bilinear(picture, y, x, at):
    top, left = math.floor(y), math.floor(x)
    total = 0.0
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
            if down * across:
                total += down * across * picture[at(row, picture.shape[0]), at(column, picture.shape[1])]
    return total


# ---- the published tables ------------------------------------------------------------------------------------------------------------


def test_kinds_and_severities_are_complete():
    assert tuple(CORRUPTIONS) == IMAGENET_C
    assert {len(parameters) for _, parameters in CORRUPTIONS.values()} == {5}
    assert set(ALEXNET) == set(IMAGENET_C) - {"frost (procedural)"}
    # Table 3 of arXiv 1903.12261 prints AlexNet's errors as whole percents.
    assert [round(100 * ALEXNET[name]) for name in ALEXNET] == [89, 89, 92, 82, 83, 79, 80, 87, 82, 56, 85, 65, 72, 61]


def test_lengths_of_the_elastic_transform_are_parts_of_244_pixels():
    parts = [(2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)]
    np.testing.assert_allclose(CORRUPTIONS["elastic transform"][1], 244 * np.array(parts))


# ---- noise ---------------------------------------------------------------------------------------------------------------------------


def test_noise_has_the_published_spread():
    grey = np.full((300, 300, 3), 0.4)
    assert corrupted("Gaussian noise", grey, 0.08).std() == pytest.approx(0.08, rel=0.01)
    shot = corrupted("shot noise", grey, 12)
    assert np.allclose(shot * 12, np.rint(shot * 12))  # whole photons
    assert shot.std() == pytest.approx(math.sqrt(0.4 / 12), rel=0.01)  # Poisson
    values = corrupted("impulse noise", grey, 0.27).ravel()
    assert np.mean(values != 0.4) == pytest.approx(0.27, abs=0.01)
    assert np.mean(values[values != 0.4]) == pytest.approx(0.5, abs=0.01)  # as many 0 as 1, nothing between
    assert set(values) == {0.0, 0.4, 1.0}


# ---- blur ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow_except("3-0.1")
@pytest.mark.parametrize(("radius", "sd"), CORRUPTIONS["defocus blur"][1])
def test_defocus_blur(picture, radius, sd):
    reach, taps = (8, 1) if radius <= 8 else (radius, 2)
    size = 2 * reach + 1
    disk = by_pixel(lambda y, x: float((y - reach) ** 2 + (x - reach) ** 2 <= radius**2), (size, size))
    disk /= disk.sum()
    weights = [math.exp(-(step**2) / (2 * sd**2)) for step in range(-taps, taps + 1)]
    smooth = [weight / sum(weights) for weight in weights]

    def softened(y, x):
        steps = range(-taps, taps + 1)
        return sum(smooth[i + taps] * smooth[j + taps] * disk[mirrored(y + i, size), mirrored(x + j, size)] for i in steps for j in steps)

    kernel = by_pixel(softened, (size, size))

    def blurred(y, x):
        steps = range(-reach, reach + 1)
        return sum(kernel[i + reach, j + reach] * picture[mirrored(y + i, HEIGHT), mirrored(x + j, WIDTH)] for i in steps for j in steps)

    np.testing.assert_allclose(corrupted("defocus blur", picture, (radius, sd)), by_pixel(blurred), atol=1e-9)


def gaussian(picture, sd):
    reach = int(4 * sd + 0.5)
    weights = [math.exp(-(step**2) / (2 * sd**2)) for step in range(-reach, reach + 1)]

    def blurred(y, x):
        total = 0.0
        for i in range(-reach, reach + 1):
            for j in range(-reach, reach + 1):
                near = picture[min(max(y + i, 0), HEIGHT - 1), min(max(x + j, 0), WIDTH - 1)]
                total += weights[i + reach] * weights[j + reach] * near
        return total / sum(weights) ** 2

    return by_pixel(blurred)


@pytest.mark.slow_except("0.7-1-2", "0.9-2-1", "1-2-3", "1.1-3-2")
@pytest.mark.parametrize(("sd", "reach", "rounds"), CORRUPTIONS["glass blur"][1])
def test_glass_blur_copies_one_pixel_after_the_other(picture, sd, reach, rounds):
    rng = np.random.default_rng(4)
    glass = np.floor(255 * gaussian(picture, sd) + 1e-9) / 255
    for _ in range(rounds):
        rows, columns = range(HEIGHT - reach, reach, -1), range(WIDTH - reach, reach, -1)
        draws = iter(rng.integers(-reach, reach, (len(rows), len(columns), 2)).reshape(-1, 2).tolist())
        for y in rows:
            for x in columns:
                right, down = next(draws)
                glass[y, x] = glass[y + down, x + right]
    np.testing.assert_allclose(corrupted("glass blur", picture, (sd, reach, rounds)), gaussian(glass, sd), atol=1e-9)


def along(picture, radius, sd, degrees):
    """ImageMagick: the offset of step i is ceil(i cos - 1/2), ceil(i sin - 1/2); edges repeat."""
    angle, height, width = math.radians(degrees), *picture.shape[:2]
    weights = [math.exp(-(step**2) / (2 * sd**2)) for step in range(2 * radius + 1)]

    def moved(y, x):
        total = 0.0
        for step, weight in enumerate(weights):
            row, column = y + math.ceil(step * math.sin(angle) - 0.5), x + math.ceil(step * math.cos(angle) - 0.5)
            total += weight * picture[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
        return total / sum(weights)

    return by_pixel(moved, (height, width))


@pytest.mark.parametrize(("radius", "sd"), CORRUPTIONS["motion blur"][1])
def test_motion_blur(picture, radius, sd):
    degrees = np.random.default_rng(4).uniform(-45, 45)
    np.testing.assert_allclose(corrupted("motion blur", picture, (radius, sd)), along(picture, radius, sd, degrees), atol=1e-9)


def enlarged(picture, factor):
    height, width = picture.shape[:2]
    rows, columns = math.ceil(height / factor), math.ceil(width / factor)
    tall, wide = round(rows * factor), round(columns * factor)
    part = picture[(height - rows) // 2 :, (width - columns) // 2 :][:rows, :columns]

    def at(y, x):
        return bilinear(part, y * (rows - 1) / (tall - 1), x * (columns - 1) / (wide - 1), lambda place, size: min(place, size - 1))

    top, left = (tall - height) // 2, (wide - width) // 2
    return by_pixel(lambda y, x: at(y + top, x + left), (height, width))


@pytest.mark.parametrize(("end", "step"), CORRUPTIONS["zoom blur"][1])
def test_zoom_blur(picture, end, step):
    factors = np.arange(1, end, step).tolist()
    expected = (picture + sum(enlarged(picture, factor) for factor in factors)) / (len(factors) + 1)
    np.testing.assert_allclose(corrupted("zoom blur", picture, (end, step)), expected, atol=1e-9)


# ---- weather -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", CORRUPTIONS["snow"][1])
def test_snow(picture, parts):
    mean, sd, factor, threshold, radius, blur, kept = parts
    rng = np.random.default_rng(4)
    flakes = enlarged(rng.normal(mean, sd, (HEIGHT, WIDTH)), factor)
    flakes = by_pixel(lambda y, x: 0.0 if flakes[y, x] < threshold else math.floor(255 * min(flakes[y, x], 1.0) + 1e-9) / 255)
    flakes = np.floor(255 * along(flakes, radius, blur, rng.uniform(-135, -45)) + 1e-9) / 255

    def snowed(y, x):
        red, green, blue = picture[y, x]
        white = 1.5 * (0.299 * red + 0.587 * green + 0.114 * blue) + 0.5
        both = flakes[y, x] + flakes[HEIGHT - 1 - y, WIDTH - 1 - x]
        return [kept * channel + (1 - kept) * max(channel, white) + both for channel in (red, green, blue)]

    np.testing.assert_allclose(corrupted("snow", picture, parts), by_pixel(snowed), atol=1e-9)


def plasma(decay, rng):
    """The diamond-square algorithm on a torus of 256 pixels, point by point."""
    side, step, offset = 256, 256, 100.0
    cloud = np.zeros((side, side))
    while step >= 2:
        half, many = step // 2, side // step
        for first, neighbours in (
            ((half, half), ((-half, -half), (-half, half), (half, -half), (half, half))),
            ((0, half), ((-half, 0), (half, 0), (0, -half), (0, half))),
            ((half, 0), ((-half, 0), (half, 0), (0, -half), (0, half))),
        ):
            draws = rng.uniform(-offset, offset, (many, many))
            for i in range(many):
                for j in range(many):
                    y, x = first[0] + i * step, first[1] + j * step
                    mean = sum(cloud[(y + down) % side, (x + right) % side] for down, right in neighbours) / 4
                    cloud[y, x] = mean + offset * draws[i, j]
        step, offset = half, offset / decay
    cloud -= cloud.min()
    return cloud / cloud.max()


@pytest.mark.slow_except("1.5-2")
@pytest.mark.parametrize(("thickness", "decay"), [(1.5, 2), (3, 1.4)])
def test_fog(picture, thickness, decay):
    cloud, brightest = plasma(decay, np.random.default_rng(4)), picture.max()
    expected = by_pixel(lambda y, x: (picture[y, x] + thickness * cloud[y, x]) * brightest / (brightest + thickness))
    np.testing.assert_allclose(corrupted("fog", picture, (thickness, decay)), expected, atol=1e-9)


def test_frost_blends_with_the_published_weights_and_says_that_it_is_procedural(picture):
    assert CORRUPTIONS["frost (procedural)"][1] == ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
    texture = corrupted("frost (procedural)", np.zeros_like(picture), (0.6, 1.0))
    assert (texture.min() >= 0, texture.max() <= 1) == (True, True)
    np.testing.assert_allclose(corrupted("frost (procedural)", picture, (0.6, 0.75)), 0.6 * picture + 0.75 * texture)


def test_brightness_raises_the_value_of_hsv(picture):
    picture[0, 0] = 0.0  # black has no hue: it turns grey

    def brighter(y, x):
        hue, saturation, value = colorsys.rgb_to_hsv(*picture[y, x])
        return colorsys.hsv_to_rgb(hue, saturation, min(value + 0.3, 1.0))

    np.testing.assert_allclose(corrupted("brightness", picture, 0.3), by_pixel(brighter), atol=1e-9)
    assert corrupted("brightness", picture, 0.3)[0, 0].tolist() == [0.3, 0.3, 0.3]


# ---- digital -------------------------------------------------------------------------------------------------------------------------


def test_contrast_keeps_a_part_of_the_distance_from_the_channel_s_mean():
    half = np.zeros((4, 4, 3))
    half[:, 2:] = 0.8  # mean 0.4: a twentieth leaves 0.38 and 0.42
    np.testing.assert_allclose(corrupted("contrast", half, 0.05)[0, :, 1], [0.38, 0.38, 0.42, 0.42])


@pytest.mark.parametrize("lengths", [(12.2, 2.44, 4.88), (29.28, 2.44, 4.88), (488, 19.52, 48.8)])
def test_elastic_transform(picture, lengths):
    reach, sd, corner = lengths
    rng = np.random.default_rng(4)
    middle, arm = (WIDTH // 2, HEIGHT // 2), min(HEIGHT, WIDTH) // 3
    before = [(middle[0] + i * arm, middle[1] + j * arm) for i, j in ((1, 1), (1, -1), (-1, -1))]
    after = np.array(before) + rng.uniform(-corner, corner, (3, 2))
    # The affine map of a place after the change back to the place before it, in x and y.
    back = [np.linalg.solve([[x, y, 1] for x, y in after], [point[axis] for point in before]) for axis in (0, 1)]
    sheared = by_pixel(lambda y, x: bilinear(picture, back[1] @ (x, y, 1), back[0] @ (x, y, 1), mirrored))

    def folded(place, size):
        place %= 2 * size  # the edge is the mirror: -1 is 0
        return place if place < size else 2 * size - 1 - place

    radius = int(3 * sd + 0.5)
    weights = [math.exp(-(step**2) / (2 * sd**2)) for step in range(-radius, radius + 1)]

    def smoothed(field):
        def along_rows(y, x):
            return sum(weight * field[folded(y + step - radius, HEIGHT), x] for step, weight in enumerate(weights)) / sum(weights)

        def along_columns(y, x):
            return sum(weight * down[y, folded(x + step - radius, WIDTH)] for step, weight in enumerate(weights)) / sum(weights)

        down = by_pixel(along_rows)
        return by_pixel(along_columns)

    right = reach * smoothed(rng.uniform(-1, 1, (HEIGHT, WIDTH)))
    down = reach * smoothed(rng.uniform(-1, 1, (HEIGHT, WIDTH)))
    expected = by_pixel(lambda y, x: bilinear(sheared, y + down[y, x], x + right[y, x], folded))
    np.testing.assert_allclose(corrupted("elastic transform", picture, lengths), expected, atol=1e-7)


def test_pixelate_averages_blocks():
    eight = np.random.default_rng(1).integers(0, 256, (8, 8, 3)) / 255
    small = corrupted("pixelate", eight, 0.25) * 255  # two pixels of four by four
    for y in range(8):
        for x in range(8):
            block = 255 * eight[y // 4 * 4 : y // 4 * 4 + 4, x // 4 * 4 : x // 4 * 4 + 4].reshape(16, 3)
            assert np.abs(small[y, x] - block.mean(axis=0)).max() <= 1.0  # Pillow rounds after rows and after columns


def test_jpeg_has_the_published_qualities():
    assert CORRUPTIONS["JPEG"][1] == (25, 18, 15, 10, 7)
    content = photograph((224, 224))
    buffer = io.BytesIO()
    decode(content).image.save(buffer, "JPEG", quality=7)
    once = np.asarray(Image.open(buffer)) / 255
    np.testing.assert_allclose(corrupted("JPEG", np.asarray(decode(content).image) / 255, 7), once)


# ---- as a whole ----------------------------------------------------------------------------------------------------------------------


def photograph(size):
    """A picture with edges and texture, as cameras take them."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    grey = 90 + 60 * np.sin(columns / 17) * np.cos(rows / 23) + np.random.default_rng(3).normal(0, 12, (height, width))
    grey[height // 4 : height // 2, width // 3 : width // 2] = 30
    pixels = np.clip(np.stack([grey, 0.8 * grey + 20, 0.9 * grey], axis=2), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def published():
    return photograph((224, 224))


@pytest.mark.parametrize("name", IMAGENET_C)
def test_every_severity_is_reproducible_and_most_grow(name, published):
    """By published constants, three kinds do not grow at each step: the elastic transform changes its type, glass and snow their parts."""
    content = published
    start = np.asarray(decode(content).image, float)
    images = [corruption(name, severity)(7, content) for severity in range(1, 6)]
    assert corruption(name, 2)(0, content) == images[1]  # regardless of the row
    moved = [np.abs(np.asarray(decode(image).image, float) - start).mean() for image in images]
    if name not in ("elastic transform", "glass blur", "snow"):
        weather = name in ("fog", "frost (procedural)")  # another cloud at each severity
        assert all(later > (0.8 if weather else 1.0) * earlier for earlier, later in pairwise(moved)), moved
    assert moved[4] > moved[0] * (0.2 if name == "elastic transform" else 1.0)
    assert decode(images[0]).image.size == (224, 224)


def test_corrupted_images_are_stored_as_jpeg_of_quality_85(published):
    image = Image.open(io.BytesIO(corruption("contrast", 1)(0, published)))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=85)
    assert image.format == "JPEG"
    assert image.quantization == Image.open(buffer).quantization


def test_other_sizes_are_corrupted_whole_with_a_shorter_side_of_224_pixels(published):
    assert at_published_size(0, published) == published == corruption("fog", 0)(0, published)
    for size, expected in (((300, 200), (336, 224)), ((32, 32), (224, 224)), ((2000, 100), (896, 45))):
        content = photograph(size)
        assert decode(at_published_size(0, content)).image.size == expected
        assert decode(corruption("snow", 3)(0, content)).image.size == expected
    for name in IMAGENET_C:  # as slim as it can get
        assert decode(corruption(name, 5)(0, photograph((2000, 45)))).image.size == (896, 20)
