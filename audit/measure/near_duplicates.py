"""Near duplicates among thumbnails: the same image after a crop, a recompression or a mirror.

A perceptual hash of each image, of its mirror image and of a few crops finds candidates: copies have nearly equal hashes, which are
cheap to compare. Then the two images are aligned, and are near duplicates if little difference remains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

if TYPE_CHECKING:
    from jaxtyping import Float, Float64, Int, UInt8, UInt64

SIDE = 64
"""Width and height of the thumbnails, for originals of any shape."""
MAX_DISTANCE = 14
"""Maximum number of differing bits (of 63) for a pair to be aligned; by chance, 6 pairs of a million are."""
MIN_CORRELATION, MIN_AGREEMENT = 0.5, 0.965
"""Minimum values for two aligned images to be near duplicates."""
LARGEST_CROP = 0.15
"""Largest fraction of a side that a crop may remove."""
_GRID = 32
"""Width and height for hashing and for the search for crops."""
_LOW = 8
_WINDOW, _HOPELESS = 5, 4.0
_Crop = tuple[float, float, float]
"""Left edge, top edge and side, as fractions."""
_FLAT = 2.0
"""Standard deviation of the grey values, 0-255, below which an image has too little content to be compared."""
_EDGES = (0.0, 0.033, 0.067, 0.1)
_CROPS = ((0.0, 0.0, 1.0), (0.025, 0.025, 0.95), *((x, y, 0.9) for x in _EDGES for y in _EDGES))
"""The crops that are hashed; the whole image comes first."""
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Prints:
    """Thumbnails and their hashes, which is all that a comparison needs."""

    pictures: UInt8[np.ndarray, "n h w 3"]
    hashes: UInt64[np.ndarray, "n v"]
    """Hashes of the whole image and of each crop."""
    mirrored: UInt64[np.ndarray, "n v"]
    """The same for the mirror image."""
    clear: np.ndarray
    """bool[n]: whether an image has enough content to be compared."""

    def __len__(self) -> int:
        return len(self.pictures)


def prints(pictures: UInt8[np.ndarray, "n h w 3"]) -> Prints:
    """The hashes of images of `SIDE` x `SIDE` pixels, of their crops and of their mirror images."""
    grey = pictures.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    views = (grey, grey[:, :, ::-1])
    hashes, mirrored = (np.stack([perceptual_hash(_resampled(view, crop, _GRID)) for crop in _CROPS], axis=1) for view in views)
    return Prints(pictures, hashes, mirrored, grey.std(axis=(1, 2)) >= _FLAT)


def perceptual_hash(grey: Float[np.ndarray, "n 32 32"]) -> UInt64[np.ndarray, "n"]:
    """63 bits for each image: which of its lowest frequencies are above their median.

    Parameters
    ----------
    grey : float[n, 32, 32]
        Grey values; neither their mean nor their scale matters.

    Returns
    -------
    uint64[n]
        One bit for each of the 8 x 8 lowest coefficients of the two-dimensional cosine transform, except the mean.

    References
    ----------
    Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2

    Examples
    --------
    >>> noise = np.random.default_rng(0).uniform(0, 255, (1, 32, 32))
    >>> bool(perceptual_hash(noise)[0] == perceptual_hash(3 * noise + 7)[0])
    True
    """
    basis = _cosines()
    low = (basis @ grey @ basis.T).reshape(len(grey), _LOW * _LOW)[:, 1:]
    bits = low > np.median(low, axis=1, keepdims=True)
    weights = np.left_shift(np.uint64(1), np.arange(bits.shape[1], dtype=np.uint64))
    return np.asarray((bits * weights).sum(axis=1, dtype=np.uint64))


def find_near_duplicates(seen: Prints, queries: Prints) -> Iterator[tuple[int, int, float]]:
    """Yield each near duplicate: its position in `seen`, its position in `queries`, and the correlation of the two images.

    Costs len(seen) x len(queries) comparisons of hashes, in blocks of bounded memory; only candidates are aligned.
    """
    for first, second, mirror in _candidates(seen, queries):
        ways = (queries.pictures[second][:, ::-1] if mirrored else queries.pictures[second] for mirrored in mirror)
        best = max((likeness(seen.pictures[first], way) for way in ways), key=lambda match: (match.near_duplicate, match.correlation))
        if best.near_duplicate:
            yield first, second, best.correlation


def _candidates(seen: Prints, queries: Prints) -> Iterator[tuple[int, int, list[bool]]]:
    """Yield the positions of images with nearly equal hashes, and of which: the image (False), its mirror image (True), or both."""
    if not len(seen) or not len(queries):
        return
    step = max(1, _BLOCK // max(1, len(queries)))
    for start in range(0, len(seen), step):
        part = slice(start, start + step)
        nearest = np.stack([_distance(seen.hashes[part], hashes) for hashes in (queries.hashes, queries.mirrored)])
        close = (nearest <= MAX_DISTANCE) & seen.clear[part, None] & queries.clear
        for first, second in zip(*np.nonzero(close.any(axis=0)), strict=True):
            yield int(start + first), int(second), np.flatnonzero(close[:, first, second]).astype(bool).tolist()


def _distance(first: UInt64[np.ndarray, "n v"], second: UInt64[np.ndarray, "m v"]) -> UInt8[np.ndarray, "n m"]:
    """Number of differing bits, between the whole of one image and the nearest crop of the other."""
    nearest = np.full((len(first), len(second)), 64, np.uint8)
    for crop in range(len(_CROPS)):
        for one, other in {(0, crop), (crop, 0)}:
            np.minimum(nearest, np.bitwise_count(first[:, one, None] ^ second[None, :, other]), out=nearest)
    return nearest


@dataclass(frozen=True)
class Likeness:
    """Similarity of two aligned images."""

    correlation: float
    """Over all three colour channels, in [-1, 1]; 0 if one of them has no content."""
    agreement: float
    """Fraction of pixels whose colours differ by no more than recompression and a small shift explain."""
    worst: float
    """Colour difference at the worst pixel, as a multiple of the maximum that is tolerated anywhere."""

    @property
    def near_duplicate(self) -> bool:
        """Whether they are the same image."""
        return self.correlation >= MIN_CORRELATION and self.agreement >= MIN_AGREEMENT and self.worst <= 1


def likeness(first: UInt8[np.ndarray, "h w 3"], second: UInt8[np.ndarray, "h w 3"]) -> Likeness:
    """Compare two images, one of which may be a crop of the other, at the best-fitting crop.

    Parameters
    ----------
    first, second : uint8[64, 64, 3]
        Thumbnails.

    Returns
    -------
    Likeness
        Correlation alone is not enough: drawings that differ in one colour correlate as highly as an image with its recompressed
        copy. They disagree wherever the colours differ.

    Examples
    --------
    >>> picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> found = likeness(picture, picture)
    >>> round(found.correlation, 6), found.agreement, found.worst
    (1.0, 1.0, 0.0)
    """
    ways = [(_coarse(whole, part), whole, part) for whole, part in ((first, second), (second, first))]
    (fit, crop), whole, part = max(ways, key=lambda way: way[0])
    if fit < MIN_CORRELATION / 2:
        return Likeness(fit, 0.0, np.inf)
    rough = _compared(whole, part, fit, crop)
    if rough.worst > _HOPELESS or rough.agreement < 1 / 2:
        return rough
    return _compared(whole, part, *_best_crop(whole, part, fit, crop))


def _coarse(whole: UInt8[np.ndarray, "h w 3"], part: UInt8[np.ndarray, "h w 3"]) -> tuple[float, _Crop]:
    """How well the best of a few crops of `whole` fits `part`, and that crop."""
    fit = _fitting(whole, part)
    return max((fit(crop), crop) for crop in _CROPS)


def _fitting(whole: UInt8[np.ndarray, "h w 3"], part: UInt8[np.ndarray, "h w 3"]) -> Callable[[_Crop], float]:
    wanted = _standardized(_resampled(part[None], _CROPS[0], _GRID)[0])
    return lambda crop: float(np.mean(_standardized(_resampled(whole[None], crop, _GRID)[0]) * wanted))


def _best_crop(whole: UInt8[np.ndarray, "h w 3"], part: UInt8[np.ndarray, "h w 3"], best: float, crop: _Crop) -> tuple[float, _Crop]:
    """Search around a crop, with decreasing steps, for the best-fitting one."""
    fit, step = _fitting(whole, part), 1 / _GRID
    while step > 1 / (8 * SIDE):
        better, there = max((fit(candidate), candidate) for candidate in (_moved(crop, *(step * part for part in move)) for move in _MOVES))
        best, crop, step = (better, there, step) if better > best else (best, crop, step / 2)
    return best, crop


def _compared(whole: UInt8[np.ndarray, "h w 3"], part: UInt8[np.ndarray, "h w 3"], fit: float, crop: _Crop) -> Likeness:
    """Align `part` with a crop of `whole`."""
    target = part.astype(np.float32)
    window = (_WINDOW, _WINDOW, 1)
    # Means over a few pixels: compression noise cancels out, another colour does not.
    apart = np.abs(uniform_filter(_resampled(whole[None], crop, SIDE)[0] - target, window, mode="nearest"))
    contrast = maximum_filter(target, window) - minimum_filter(target, window)
    agreeing = (apart <= 10 + contrast / 4).all(axis=-1)
    return Likeness(fit, float(agreeing.mean()), float((apart / (27 + 0.45 * contrast)).max()))


_MOVES = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1), (-0.5, -0.5, 1), (0.5, 0.5, -1))
"""Steps of the left edge, the top edge and the side."""


def _moved(crop: _Crop, dx: float, dy: float, ds: float) -> _Crop:
    side = min(1.0, max(1 - LARGEST_CROP, crop[2] + ds))
    return min(1 - side, max(0.0, crop[0] + dx)), min(1 - side, max(0.0, crop[1] + dy)), side


def _standardized(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


@cache
def _cosines() -> Float64[np.ndarray, "8 32"]:
    return np.cos(np.pi / _GRID * np.outer(np.arange(_LOW), np.arange(_GRID) + 0.5))


def _resampled(pictures: Float[np.ndarray, "n h w ..."], crop: _Crop, side: int) -> Float[np.ndarray, "n s s ..."]:
    """Resize a crop of each image: each new pixel is the mean of the area that it covers."""
    across, down = (_cover(pictures.shape[axis], start, crop[2], side) for axis, start in ((2, crop[0]), (1, crop[1])))
    rows = np.tensordot(down, pictures.astype(np.float32), axes=(1, 1))
    return np.moveaxis(np.tensordot(across, rows, axes=(1, 2)), (0, 1, 2), (2, 1, 0))


@cache
def _cover(n: int, start: float, length: float, side: int) -> Float[np.ndarray, "s n"]:
    """The share of each old pixel in each new one."""
    edges = np.linspace(start * n, (start + length) * n, side + 1)
    old: Int[np.ndarray, "n"] = np.arange(n)
    weights = [np.clip(np.minimum(old + 1, high) - np.maximum(old, low), 0, None) for low, high in pairwise(edges)]
    return np.asarray(np.stack(weights) / (length * n / side), np.float32)
