"""Simulates bad cameras and compression: eight mild corruptions at five strengths (``--harmless``), and a word printed on an image.

The kinds are among those of Hendrycks and Dietterich 2019 (arXiv 1903.12261); code and parameters are our own: lengths are fractions of the
shorter side, so that the effect does not depend on the image size. Randomness is seeded by the image's content, so that an image is
always changed in the same way.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from audit.types import Dataset
from strictio.images.decode import decode
from strictio.images.lazy import LazyImages, encode_png

if TYPE_CHECKING:
    from jaxtyping import Float

    Pixels = Float[np.ndarray, "h w 3"]

Edges = Literal["edge", "reflect"]
Change = Callable[[int, bytes], bytes]
"""Row of the data set and encoded image -> encoded changed image."""
STRENGTHS = 5


def _gaussian_noise(pixels: Pixels, sd: float, rng: np.random.Generator) -> Pixels:
    return pixels + rng.normal(0.0, sd, pixels.shape)


def _shot_noise(pixels: Pixels, photons: float, rng: np.random.Generator) -> Pixels:
    return np.asarray(rng.poisson(pixels * photons) / photons)


def _defocus(pixels: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    radius = share * min(pixels.shape[:2])
    reach = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 1)
    # A disk whose edge fades over one pixel: a radius below one still blurs a little.
    kernel = np.clip(radius + 1.0 - np.hypot(reach[:, None], reach[None]), 0.0, 1.0)
    return convolved(pixels, kernel / kernel.sum())


def _motion(pixels: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    half, angle = share * min(pixels.shape[:2]) / 2, rng.uniform(0, np.pi)
    reach = np.arange(-int(np.ceil(half)), int(np.ceil(half)) + 1)
    across = np.abs(reach[:, None] * np.cos(angle) - reach[None] * np.sin(angle))
    along = np.abs(reach[:, None] * np.sin(angle) + reach[None] * np.cos(angle))
    kernel = np.clip(1.0 - across, 0.0, 1.0) * np.clip(half + 0.5 - along, 0.0, 1.0)
    return convolved(pixels, kernel / kernel.sum())


def convolved(pixels: Pixels, kernel: Float[np.ndarray, "k k"], edges: Edges = "edge") -> Pixels:
    """Convolve an image with a kernel; its edges are repeated, or mirrored at the outermost pixels."""
    from scipy.signal import fftconvolve  # the import takes a second, and few audits change images

    reach = len(kernel) // 2
    padded = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), edges)
    return np.asarray(fftconvolve(padded, kernel[..., None], "valid", axes=(0, 1)))


def _brighter(pixels: Pixels, added: float, rng: np.random.Generator) -> Pixels:
    return pixels + added


def _flatter(pixels: Pixels, kept: float, rng: np.random.Generator) -> Pixels:
    mean = pixels.mean(axis=(0, 1))
    return np.asarray((pixels - mean) * kept + mean)


def _pixelated(pixels: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    picture = as_picture(pixels)
    small = picture.resize((max(1, round(picture.width * share)), max(1, round(picture.height * share))), Image.Resampling.BOX)
    return as_pixels(small.resize(picture.size, Image.Resampling.NEAREST))


def _recompressed(pixels: Pixels, quality: float, rng: np.random.Generator) -> Pixels:
    buffer = io.BytesIO()
    as_picture(pixels).save(buffer, "JPEG", quality=int(quality))
    return as_pixels(Image.open(buffer))


CORRUPTIONS: Mapping[str, tuple[Callable[[Pixels, float, np.random.Generator], Pixels], tuple[float, ...]]] = {
    "Gaussian noise": (_gaussian_noise, (0.04, 0.08, 0.12, 0.18, 0.26)),
    "shot noise": (_shot_noise, (60, 25, 12, 5, 3)),
    "defocus blur": (_defocus, (0.01, 0.02, 0.03, 0.045, 0.06)),
    "motion blur": (_motion, (0.04, 0.07, 0.1, 0.14, 0.2)),
    "brightness": (_brighter, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "contrast": (_flatter, (0.6, 0.45, 0.3, 0.2, 0.1)),
    "JPEG": (_recompressed, (40, 25, 15, 10, 5)),
    "pixelate": (_pixelated, (0.6, 0.5, 0.4, 0.3, 0.2)),
}
"""Name -> function, and its parameter at each strength.

Standard deviation of a channel between 0 and 1; photons at white; radius of the blur's disk and length of its line as fractions of the
shorter side; offset of every channel; remaining contrast; Pillow's quality; remaining fraction of width and height.
"""


def corruption(name: str, strength: int) -> Change:
    """A corruption at a strength from 0 (the bytes stay unchanged) to 5."""
    change, parameters = CORRUPTIONS[name]

    def corrupted(row: int, content: bytes) -> bytes:
        if strength == 0:
            return content
        seed = hashlib.sha256(f"{name}/{strength}/".encode() + content).digest()
        rng = np.random.default_rng(int.from_bytes(seed))
        return encode_png(as_picture(change(as_pixels(decode(content).image), parameters[strength - 1], rng)))

    return corrupted


def word_overlay(words: Sequence[str]) -> Change:
    """A typographic overlay: the word of each row, black on a white strip at the bottom, as large as fits.

    The strip takes at most a quarter of the height. After Goh et al. 2021, https://distill.pub/2021/multimodal-neurons
    """

    def overlaid(row: int, content: bytes) -> bytes:
        picture = decode(content).image.copy()
        strip = max(2, picture.height // 4)
        font, word = ImageFont.load_default(strip), words[row]
        left, top, right, bottom = font.getbbox(word)
        scale = min(0.94 * picture.width / (right - left), 0.9 * strip / (bottom - top))
        font = ImageFont.load_default(max(4.0, strip * scale))
        left, top, right, bottom = font.getbbox(word)
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, picture.height - strip, picture.width, picture.height), "white")
        corner = ((picture.width - right - left) / 2, picture.height - strip / 2 - (top + bottom) / 2)
        draw.text(corner, word, "black", font)
        return encode_png(picture)

    return overlaid


def under(dataset: Dataset, rows: Sequence[int], changes: Sequence[Change]) -> Dataset:
    """Some images of a data set under each change, computed on demand: all under the first change, then all under the second ...

    Examples
    --------
    >>> from audit.testing import four_faces
    >>> faces = four_faces()
    >>> changed = under(faces, [0, 3], [corruption("contrast", 0), corruption("brightness", 5)])
    >>> changed.images[1] == faces.images[3], decode(changed.images[2]).image.getpixel((0, 0))
    (True, (255, 128, 128))
    """

    def changed(position: int) -> bytes:
        change, index = divmod(position, len(rows))
        return changes[change](rows[index], dataset.images[rows[index]])

    places = [*rows] * len(changes)
    return replace(dataset, images=LazyImages(len(places), changed), attributes=dataset.attributes.iloc[places])


def as_pixels(picture: Image.Image) -> Pixels:
    """Channels from 0 to 1."""
    return np.asarray(picture, np.float64) / 255


def as_picture(pixels: Pixels) -> Image.Image:
    """Rounded to eight bits, and limited to their range."""
    return Image.fromarray(np.rint(255 * np.clip(pixels, 0.0, 1.0)).astype(np.uint8))
