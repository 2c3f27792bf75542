"""The fifteen corruptions of ImageNet-C at five severities, with the published parameters.

Hendrycks and Dietterich 2019 (arXiv 1903.12261). The constants are those of `ImageNet-C/create_c/make_imagenet_c.py` of
https://github.com/hendrycks/robustness; the code is our own. Four facts of that program that its paper does not state are kept:

* The published program reads and writes pixels of glass blur through views, so it copies a neighbour instead of exchanging two pixels.
* Results are cut to eight bits, not rounded, and stored as JPEG of quality 85.
* Motion blur is ImageMagick's: a one-sided Gaussian of ``2 radius + 1`` taps on whole pixels along the angle, with repeated edges.
* The elastic transform takes its lengths from 244 pixels.

Frost is not the published one: that blends photographs of frost, which we may not distribute. It blends a texture that a program draws,
with the published weights, and is called ``frost (procedural)`` everywhere.

Published lengths are in pixels of an image of 224. Other images are resized first (`at_published_size`), uncropped.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from audit.extensions.conditions.corruptions import Change, as_picture, as_pixels, convolved
from audit.types import Dataset
from strictio.images.decode import decode
from strictio.images.lazy import LazyImages, encode_png

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from audit.extensions.conditions.corruptions import Pixels

    Plane = Float[np.ndarray, "h w"]

SIDE = 224
LONGEST = 4 * SIDE
"""Longer side of an image that is longer than four times its width: its shorter side gets less than `SIDE` pixels."""
STORED_QUALITY = 85
FROST = "frost (procedural)"
"""The one kind that is not as published."""


# ---- noise ---------------------------------------------------------------------------------------------------------------------------


def _gaussian_noise(pixels: Pixels, sd: float, rng: np.random.Generator) -> Pixels:
    return pixels + rng.normal(0.0, sd, pixels.shape)


def _shot_noise(pixels: Pixels, photons: float, rng: np.random.Generator) -> Pixels:
    return np.asarray(rng.poisson(pixels * photons) / photons)


def _impulse_noise(pixels: Pixels, amount: float, rng: np.random.Generator) -> Pixels:
    """Replaces this fraction of all channel values, independently, by 0 or 1 with equal probability."""
    return np.where(rng.random(pixels.shape) < amount, rng.random(pixels.shape) < 0.5, pixels)


# ---- blur ----------------------------------------------------------------------------------------------------------------------------


def _defocus(pixels: Pixels, size: tuple[int, float], rng: np.random.Generator) -> Pixels:
    """Convolves with a disk of a radius, itself blurred by a Gaussian of a standard deviation."""
    from scipy.ndimage import correlate1d

    radius, sd = size
    reach, taps = (8, 3) if radius <= 8 else (radius, 5)
    across = np.arange(-reach, reach + 1)
    kernel = (across[:, None] ** 2 + across**2 <= radius**2).astype(float)
    kernel /= kernel.sum()
    smooth = np.exp(-((np.arange(taps) - taps // 2) ** 2) / (2 * sd**2))
    for axis in (0, 1):
        kernel = correlate1d(kernel, smooth / smooth.sum(), axis, mode="mirror")
    return convolved(pixels, kernel, "reflect")


def _glass(pixels: Pixels, size: tuple[float, int, int], rng: np.random.Generator) -> Pixels:
    """Blurs, copies a pixel of the neighbourhood over each pixel (several times), and blurs again."""
    sd, reach, rounds = size
    blurred = _eight_bits(_blurred(pixels, sd)) / 255
    flat = blurred.reshape(-1, 3)
    for _ in range(rounds):
        flat = flat[_copied(pixels.shape[0], pixels.shape[1], reach, rng)]
    return _blurred(flat.reshape(pixels.shape), sd)


def _copied(height: int, width: int, reach: int, rng: np.random.Generator) -> Int[np.ndarray, "n"]:
    """The pixel that ends at each place if, from the last row and column on, each pixel is overwritten by a random neighbour.

    A neighbour that was overwritten before already has another pixel's value, so chains of copies are followed to their start.
    """
    rows, columns = np.arange(height - reach, reach, -1), np.arange(width - reach, reach, -1)
    right, down = np.moveaxis(rng.integers(-reach, reach, (len(rows), len(columns), 2)), 2, 0)
    at = rows[:, None] * width + columns
    source = at + down * width + right
    count = height * width
    inside = np.zeros(count, bool)
    inside[at] = True
    # The first half are the pixels after the copies, the second half those before, which point to themselves.
    pointer = np.tile(np.arange(count), 2) + count
    pointer[at] = np.where(inside[source] & (source > at), source, source + count)
    while ((further := pointer[pointer]) != pointer).any():
        pointer = further
    return pointer[:count] - count


def _blurred(pixels: Pixels, sd: float) -> Pixels:
    from scipy.ndimage import gaussian_filter  # the import takes a second, and few audits change images

    return np.asarray(gaussian_filter(pixels, (sd, sd, 0), mode="nearest", truncate=4.0))


def _motion(pixels: Pixels, size: tuple[int, float], rng: np.random.Generator) -> Pixels:
    return _along(pixels, *size, rng.uniform(-45, 45))


def _along(pixels: Pixels, radius: int, sd: float, degrees: float) -> Pixels:
    """The mean of the pixels from here along an angle (0: to the right, 90: down), with one half of a Gaussian as weights."""
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sd**2))
    down, right = (np.ceil(steps * part(np.deg2rad(degrees)) - 0.5).astype(int) for part in (np.sin, np.cos))
    height, width, reach = *pixels.shape[:2], 2 * radius + 1
    padded = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), "edge")
    moved = np.zeros_like(pixels)
    for weight, y, x in zip(weights / weights.sum(), reach + down, reach + right, strict=True):
        moved += weight * padded[y : y + height, x : x + width]
    return moved


def _zoom_blur(pixels: Pixels, steps: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """The mean of the image and of enlarged copies of its centre."""
    factors = np.arange(1.0, *steps)
    return (pixels + sum(_enlarged(pixels, float(factor)) for factor in factors)) / (len(factors) + 1)


def _enlarged(pixels: Pixels, factor: float) -> Pixels:
    """The centre of an image, enlarged to the size of the image."""
    from scipy.ndimage import zoom

    height, width = pixels.shape[:2]
    rows, columns = int(np.ceil(height / factor)), int(np.ceil(width / factor))
    top, left = (height - rows) // 2, (width - columns) // 2
    large = zoom(pixels[top : top + rows, left : left + columns], (factor, factor, 1), order=1)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return np.asarray(large[top : top + height, left : left + width])


# ---- weather -------------------------------------------------------------------------------------------------------------------------


def _snow(pixels: Pixels, parts: tuple[float, float, float, float, int, float, float], rng: np.random.Generator) -> Pixels:
    mean, sd, factor, threshold, radius, blur, kept = parts
    flakes = _enlarged(rng.normal(mean, sd, (*pixels.shape[:2], 1)), factor)
    flakes = _eight_bits(np.where(flakes < threshold, 0.0, flakes)) / 255
    flakes = _eight_bits(_along(flakes, radius, blur, rng.uniform(-135, -45))) / 255
    grey = (pixels @ np.array([0.299, 0.587, 0.114]))[..., None]
    whiter = kept * pixels + (1 - kept) * np.maximum(pixels, 1.5 * grey + 0.5)
    return np.asarray(whiter + flakes + flakes[::-1, ::-1])


def _frost(pixels: Pixels, weights: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """Blends with drawn frost: bluish ridges of two fractals, in place of the published photographs."""
    first, second = (_plasma(pixels.shape[0], pixels.shape[1], 1.7, rng) for _ in range(2))
    ridges = np.maximum(1 - np.abs(2 * first - 1), 1 - np.abs(2 * second - 1)) ** 3
    return np.asarray(weights[0] * pixels + weights[1] * ridges[..., None] * np.array([0.86, 0.94, 1.0]))


def _fog(pixels: Pixels, parts: tuple[float, float], rng: np.random.Generator) -> Pixels:
    thickness, decay = parts
    brightest = pixels.max()
    foggy = pixels + thickness * _plasma(pixels.shape[0], pixels.shape[1], decay, rng)[..., None]
    return np.asarray(foggy * brightest / (brightest + thickness))


def _plasma(height: int, width: int, decay: float, rng: np.random.Generator) -> Plane:
    """A cloud from 0 to 1 by the diamond-square algorithm on a torus; random offsets shrink by `decay` in each round."""
    side = max(256, 1 << (max(height, width) - 1).bit_length())
    cloud, step, offset = np.zeros((side, side)), side, 100.0

    def mean_and_offset(sums: Plane) -> Plane:
        return sums / 4 + offset * rng.uniform(-offset, offset, sums.shape)

    while step >= 2:
        half = step // 2
        corners = cloud[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        cloud[half::step, half::step] = mean_and_offset(pairs + np.roll(pairs, -1, 1))
        centres = cloud[half::step, half::step]
        tops = centres + np.roll(centres, 1, 0) + corners + np.roll(corners, -1, 1)
        cloud[::step, half::step] = mean_and_offset(tops)
        sides = centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 0)
        cloud[half::step, ::step] = mean_and_offset(sides)
        step, offset = half, offset / decay
    cloud -= cloud.min()
    return np.asarray((cloud / cloud.max())[:height, :width])


def _brighter(pixels: Pixels, added: float, rng: np.random.Generator) -> Pixels:
    """Adds to the value of HSV, which is the largest channel; hue and saturation stay, so all channels grow by the same factor."""
    value = pixels.max(axis=2, keepdims=True)
    factor = np.minimum(value + added, 1.0) / np.where(value > 0, value, 1.0)
    return np.where(value > 0, pixels * factor, min(added, 1.0))


# ---- digital -------------------------------------------------------------------------------------------------------------------------


def _flatter(pixels: Pixels, kept: float, rng: np.random.Generator) -> Pixels:
    mean = pixels.mean(axis=(0, 1))
    return np.asarray((pixels - mean) * kept + mean)


def _elastic(pixels: Pixels, lengths: tuple[float, float, float], rng: np.random.Generator) -> Pixels:
    """Moves three points at random (an affine map), then each pixel by a smooth random field."""
    from scipy.ndimage import affine_transform, map_coordinates

    reach, sd, corner = lengths
    height, width = pixels.shape[:2]
    middle, arm = np.array([width // 2, height // 2]), min(height, width) // 3
    before = middle + np.array([[arm, arm], [arm, -arm], [-arm, -arm]])
    after = before + rng.uniform(-corner, corner, before.shape)
    # Row, column and 1 of a pixel after the map -> its row and column before it.
    back = np.linalg.solve(np.column_stack([after[:, ::-1], np.ones(3)]), before[:, ::-1].astype(float)).T
    sheared = [affine_transform(pixels[..., at], back[:, :2], back[:, 2], order=1, mode="mirror") for at in range(3)]
    right, down = (_smooth_field(height, width, sd, rng) * reach for _ in range(2))
    rows, columns = np.mgrid[:height, :width]
    places = np.stack([rows + down, columns + right])
    return np.stack([map_coordinates(channel, places, order=1, mode="reflect") for channel in sheared], axis=2)


def _smooth_field(height: int, width: int, sd: float, rng: np.random.Generator) -> Plane:
    return np.asarray(_smoothing(height, sd) @ rng.uniform(-1, 1, (height, width)) @ _smoothing(width, sd).T)


@lru_cache(maxsize=64)
def _smoothing(length: int, sd: float) -> Plane:
    """The matrix of a Gaussian filter with reflected ends: up to 1,000 taps on 224 pixels are faster as one product."""
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(np.eye(length), sd, axis=0, mode="reflect", truncate=3.0))


def _pixelated(pixels: Pixels, kept: float, rng: np.random.Generator) -> Pixels:
    picture = as_picture(pixels)
    small = picture.resize((max(1, int(picture.width * kept)), max(1, int(picture.height * kept))), Image.Resampling.BOX)
    return as_pixels(small.resize(picture.size, Image.Resampling.BOX))


def _recompressed(pixels: Pixels, quality: int, rng: np.random.Generator) -> Pixels:
    buffer = io.BytesIO()
    as_picture(pixels).save(buffer, "JPEG", quality=quality)
    return as_pixels(Image.open(buffer))


CORRUPTIONS: Mapping[str, tuple[Callable[[Pixels, Any, np.random.Generator], Pixels], tuple[Any, ...]]] = {
    "Gaussian noise": (_gaussian_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot noise": (_shot_noise, (60, 25, 12, 5, 3)),
    "impulse noise": (_impulse_noise, (0.03, 0.06, 0.09, 0.17, 0.27)),
    "defocus blur": (_defocus, ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))),
    "glass blur": (_glass, ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))),
    "motion blur": (_motion, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))),
    "zoom blur": (_zoom_blur, ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))),
    "snow": (
        _snow,
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    FROST: (_frost, ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))),
    "fog": (_fog, ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))),
    "brightness": (_brighter, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": (_flatter, (0.4, 0.3, 0.2, 0.1, 0.05)),
    "elastic transform": (
        _elastic, ((488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88)),
    ),
    "pixelate": (_pixelated, (0.6, 0.5, 0.4, 0.3, 0.25)),
    "JPEG": (_recompressed, (25, 18, 15, 10, 7)),
}  # fmt: skip
"""Name -> function, and its parameters at each severity."""

ALEXNET = {
    "Gaussian noise": 0.886428, "shot noise": 0.894468, "impulse noise": 0.922640, "defocus blur": 0.819880, "glass blur": 0.826268,
    "motion blur": 0.785948, "zoom blur": 0.798360, "snow": 0.866816, "fog": 0.819324, "brightness": 0.564592, "contrast": 0.853204,
    "elastic transform": 0.646056, "pixelate": 0.717840, "JPEG": 0.606500,
}  # fmt: skip
"""AlexNet's published error on ImageNet, mean over the severities of a kind; without frost (.826572), whose photographs we lack."""


def corruption(name: str, severity: int) -> Change:
    """A corruption at a severity from 1 to 5, stored as ImageNet-C stores it; 0 is the image at the published size, uncorrupted.

    Randomness is seeded by the image's pixels, so that an image is always corrupted in the same way.
    """
    if severity == 0:
        return at_published_size
    corrupt, parameters = CORRUPTIONS[name]

    def corrupted(row: int, content: bytes) -> bytes:
        picture = _sized(decode(content).image)
        seed = hashlib.sha256(f"ImageNet-C/{name}/{severity}/".encode() + picture.tobytes()).digest()
        rng = np.random.default_rng(int.from_bytes(seed))
        return _stored(corrupt(as_pixels(picture), parameters[severity - 1], rng))

    return corrupted


def _eight_bits(pixels: Pixels) -> Int[np.ndarray, "h w c"]:
    """Cut off, not rounded; a hair is added, because 255 (k / 255) must not become k - 1."""
    return np.asarray(np.floor(255 * np.clip(pixels, 0.0, 1.0) + 1e-9), np.uint8)


def resized(dataset: Dataset) -> Dataset:
    """A few hundred images at the published size, each decoded once and kept in memory."""
    images = dataset.images
    return replace(dataset, images=LazyImages(len(images), cache(lambda row: at_published_size(row, images[row]))))


def _stored(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_eight_bits(pixels)).save(buffer, "JPEG", quality=STORED_QUALITY, optimize=True)
    return buffer.getvalue()


def at_published_size(row: int, content: bytes) -> bytes:
    """The image with a shorter side of 224 pixels, whole; the bytes stay unchanged if it has that size."""
    picture = decode(content).image
    sized = _sized(picture)
    return content if sized is picture else encode_png(sized)


def _sized(picture: Image.Image) -> Image.Image:
    scale = min(SIDE / min(picture.size), LONGEST / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR)
