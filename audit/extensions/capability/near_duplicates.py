"""Near duplicates among thumbnails: the same image after a crop, a recompression, a mirroring, a loss of colour or another exposure.

Two steps. A signature of each image and of crops of it finds candidates: the low frequencies of its luminance, which neither colour nor
brightness changes. All pairs are compared in blocks of matrix products. Then the two images of a candidate are aligned, their brightness
is matched, and they are near duplicates if little difference remains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float32, Float64, Int8, UInt8

SIDE = 64
"""Width and height of the thumbnails, for originals of any shape."""
MIN_SIMILARITY = 0.82
"""Minimum cosine of two signatures for a pair to be aligned."""
MIN_CORRELATION, MIN_AGREEMENT = 0.5, 0.965
"""Minimum values for two aligned images to be near duplicates."""
LARGEST_CROP = 0.15
"""Largest fraction of a side that a crop may remove."""
LARGEST_GAIN = 1.4
"""Largest ratio of the brightness of two near duplicates."""
_GRID = 32
"""Pixels per side over which a signature is computed."""
_Crop = tuple[float, float, float, float]
"""Left, top, right and bottom edge, as fractions."""
_EDGES = {1.0: (0.0,), 0.925: (0.0, 0.075), 0.85: (0.0, 0.075, 0.15)}
_CROPS = tuple((x, y, x + side, y + side) for side, edges in _EDGES.items() for x in edges for y in edges)
"""The crops that have a signature; the whole image comes first. Any crop that keeps the shape, within `LARGEST_CROP`, is within .0375
of one of them."""
_FREQUENCIES = np.array([(down, across) for down in range(8) for across in range(8) if 0 < down + across < 8])
"""Cycles per two sides of each entry of a signature: the lowest 35."""
_MIRROR: Float32[np.ndarray, "d"] = np.where(_FREQUENCIES[:, 1] % 2, -1, 1).astype(np.float32)
"""Signature of the mirror image, divided by that of the image."""
_LENGTH = 2048
"""Length of a signature. Its entries are integers, whose products single precision adds without rounding (below 2^24), in any order."""
_FLAT = 2.0
"""Standard deviation of the grey values, 0-255, below which an image has too little content to be compared."""
_GREY = 6.0
"""Mean difference of the colour channels, 0-255, below which an image is grey."""
_ROWS, _COLUMNS = 512, 1024
"""Size of a block of products, which fits a processor's cache."""
_BLACK, _WHITE = 8.0, 250.0
"""Values beyond which brightness is not compared."""
_WINDOW = 5
"""Pixels over which colours are compared."""
_SEARCH = ((8, 4), (16, 4), (32, 4))
"""Grids on which the best crop is searched for, and the most iterations on each."""
_HOPELESS = 0.5
"""Pairs that agree less than this are given up before the search for the best crop."""


@dataclass(frozen=True)
class Fingerprints:
    """Thumbnails and their signatures, which is all that a comparison needs."""

    pictures: UInt8[np.ndarray, "n h w 3"]
    signatures: Float32[np.ndarray, "c n d"]
    """Of each crop of each image."""
    clear: Bool[np.ndarray, "n"]
    """Whether an image has enough content to be compared."""

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Way:
    """How one of two images may come from the other."""

    crop: int
    """Position in `_CROPS` of the crop of one image that is the whole of the other."""
    of_query: bool
    """Whether the crop is of the query; otherwise, of the image that was seen."""
    mirrored: bool


_WAYS = tuple(
    Way(crop, of_query, mirrored)
    for crop in range(len(_CROPS))
    for of_query in (True, False)[: 2 if crop else 1]
    for mirrored in (False, True)
)


@dataclass(frozen=True)
class SimilarPair:
    """Two images with similar signatures."""

    seen: int
    query: int
    similarity: float
    """Cosine of the most similar signatures."""
    way: Way
    """Of these signatures."""


def fingerprints(pictures: UInt8[np.ndarray, "n h w 3"]) -> Fingerprints:
    """The signatures of images of `SIDE` x `SIDE` pixels and of their crops."""
    grey = _luminance(pictures)
    return Fingerprints(pictures, signatures(grey), grey.std(axis=(1, 2)) >= _FLAT)


def signatures(grey: Float[np.ndarray, "n h w"]) -> Float32[np.ndarray, "14 n 35"]:
    """The lowest frequencies of each image and of crops of it, weighted by frequency, at a common length.

    Parameters
    ----------
    grey : float[n, h, w]
        Grey values; neither their mean nor their scale matters.

    Returns
    -------
    float32[14, n, 35]
        Whole numbers, of the whole image first. Of the two-dimensional cosine transform, the coefficients whose frequencies add up to
        1 to 7, times that sum and a half, because images have less of the higher frequencies. Zeros for an image without content.

    Examples
    --------
    >>> noise = np.random.default_rng(0).uniform(0, 255, (1, 32, 32))
    >>> bool((signatures(noise) == signatures(3 * noise + 7)).all())
    True
    """
    spans = sorted({(left, right) for left, _, right, _ in _CROPS})
    down, across = (_cosines_of(n, spans).astype(grey.dtype) for n in grey.shape[1:])
    # One transform for all spans of both sides; a crop takes that of its own.
    shape = (len(grey), len(spans), 8, len(spans), 8)
    transformed = (down @ grey @ across.T).reshape(shape)
    of_crop = [transformed[:, spans.index((top, bottom)), :, spans.index((left, right))] for left, top, right, bottom in _CROPS]
    low = np.stack(of_crop)[..., _FREQUENCIES[:, 0], _FREQUENCIES[:, 1]] * (_FREQUENCIES.sum(axis=1) + 0.5)
    length = np.linalg.norm(low, axis=-1, keepdims=True)
    return np.asarray(np.rint(low / np.where(length > 0, length, 1) * _LENGTH), np.float32)


def find_near_duplicates(seen: Fingerprints, queries: Fingerprints) -> Iterator[tuple[int, int, float]]:
    """Yield each near duplicate: its position in `seen`, its position in `queries`, and the correlation of the two aligned images.

    A pair is listed twice if one image is like the other and like its mirror image.
    """
    for pair in similar_pairs(seen, queries):
        match = compared(seen, queries, pair)
        if match.near_duplicate:
            yield pair.seen, pair.query, match.correlation


def similar_pairs(seen: Fingerprints, queries: Fingerprints, least: float = MIN_SIMILARITY) -> Iterator[SimilarPair]:
    """Yield every pair in which the whole of one image and a crop of the other, or its mirror image, have signatures of this cosine.

    Compares all pairs, in blocks of bounded memory: 54 products of signatures per pair. Of its crops, a pair has the most similar one.
    """
    blocks = product(range(0, len(seen), _ROWS), range(0, len(queries), _COLUMNS), (False, True))
    for top, left, mirrored in blocks:
        rows, columns = slice(top, top + _ROWS), slice(left, left + _COLUMNS)
        ways = tuple(way for way in _WAYS if way.mirrored == mirrored)
        products, which = _most_similar(seen.signatures[:, rows], queries.signatures[:, columns], ways, least * _LENGTH**2)
        similar = (which >= 0) & seen.clear[rows, None] & queries.clear[columns]
        for row, column in np.argwhere(similar).tolist():
            yield SimilarPair(top + row, left + column, float(products[row, column]) / _LENGTH**2, ways[which[row, column]])


def _most_similar(
    seen: Float32[np.ndarray, "c n d"], queries: Float32[np.ndarray, "c m d"], ways: Sequence[Way], least: float
) -> tuple[Float32[np.ndarray, "n m"], Int8[np.ndarray, "n m"]]:
    """The largest product of signatures of each pair, and its position in `ways`; -1 if no product is as large as `least`."""
    largest = np.full((seen.shape[1], queries.shape[1]), np.ceil(least) - 1, np.float32)
    which = np.full(largest.shape, -1, np.int8)
    for number, way in enumerate(ways):
        first, second = (seen[0], queries[way.crop]) if way.of_query else (seen[way.crop], queries[0])
        products = (first * _MIRROR if way.mirrored else first) @ second.T
        if products.max() >= least:
            larger = products > largest
            largest[larger], which[larger] = products[larger], number
    return largest, which


@dataclass(frozen=True)
class Likeness:
    """Similarity of two aligned images."""

    correlation: float
    """Of their grey values, in [-1, 1]; 0 if one of them has no content."""
    agreement: float
    """Fraction of pixels whose colours differ by no more than recompression and a small shift explain."""
    worst: float
    """Colour difference at the worst pixel, as a multiple of the maximum that is tolerated anywhere."""

    @property
    def near_duplicate(self) -> bool:
        """Whether they are the same image."""
        return self.correlation >= MIN_CORRELATION and self.agreement >= MIN_AGREEMENT and self.worst <= 1


def compared(seen: Fingerprints, queries: Fingerprints, pair: SimilarPair) -> Likeness:
    """Align the images of a pair and compare them."""
    images, way = (seen.pictures[pair.seen], queries.pictures[pair.query]), pair.way
    part, whole = images if way.of_query else images[::-1]
    return likeness(whole, part[:, ::-1] if way.mirrored else part, _CROPS[way.crop])


def likeness(whole: UInt8[np.ndarray, "h w 3"], part: UInt8[np.ndarray, "h w 3"], crop: _Crop = _CROPS[0]) -> Likeness:
    """Compare an image with the best-fitting crop of another one.

    Parameters
    ----------
    whole, part : uint8[64, 64, 3]
        Thumbnails.
    crop : (float, float, float, float)
        Left, top, right and bottom edge, as fractions of `whole`, near which the best-fitting crop is searched for.

    Returns
    -------
    Likeness
        Correlation alone is not enough: drawings that differ in one colour correlate as highly as an image with its recompressed
        copy. They disagree wherever the colours differ, at any one brightness.

    Examples
    --------
    >>> picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> match = likeness(picture, picture)
    >>> round(match.correlation, 6), match.agreement, match.worst
    (1.0, 1.0, 0.0)
    """
    match = _aligned(whole, part, crop)
    if match.agreement < _HOPELESS:
        return match
    for start in dict.fromkeys((crop, _CROPS[0])):
        match = _aligned(whole, part, _best_crop(_luminance(whole), _luminance(part), start))
        if match.near_duplicate:
            break
    return match


def _aligned(whole: UInt8[np.ndarray, "h w 3"], part: UInt8[np.ndarray, "h w 3"], crop: _Crop) -> Likeness:
    """Compare `part` with this crop of `whole`."""
    first, second = _resampled(whole[None], crop, SIDE)[0], part.astype(np.float32)
    correlation = float(np.mean(_standardized(_luminance(first)) * _standardized(_luminance(second))))
    first, second = _same_exposure(*_same_colours(first, second))
    window = (_WINDOW, _WINDOW, 1)
    # Means over a few pixels: compression noise cancels out, another colour does not.
    apart = np.abs(uniform_filter(first - second, window, mode="nearest"))
    contrast = maximum_filter(second, window) - minimum_filter(second, window)
    agreeing = (apart <= 10 + contrast / 4).all(axis=-1)
    return Likeness(correlation, float(agreeing.mean()), float((apart / (27 + 0.45 * contrast)).max()))


def _same_colours(first: Float32[np.ndarray, "h w 3"], second: Float32[np.ndarray, "h w 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Both without colour if one of them has none."""
    if min(float(np.ptp(image, axis=-1).mean()) for image in (first, second)) >= _GREY:
        return first, second
    return _luminance(first)[..., None], _luminance(second)[..., None]


def _same_exposure(first: Float32[np.ndarray, "h w c"], second: Float32[np.ndarray, "h w c"]) -> tuple[np.ndarray, np.ndarray]:
    """Make the darker image as bright as the other one, as far as `LARGEST_GAIN` goes; what is too bright is white."""
    usable = (np.minimum(first, second) > _BLACK) & (np.maximum(first, second) < _WHITE)
    if not usable.any():
        return first, second
    gain = float(np.clip(np.median(second[usable] / first[usable]), 1 / LARGEST_GAIN, LARGEST_GAIN))
    if gain > 1:
        return np.minimum(first * gain, 255), second
    return first, np.minimum(second / gain, 255)


def _best_crop(whole: Float32[np.ndarray, "h w"], part: Float32[np.ndarray, "h w"], crop: _Crop) -> _Crop:
    """The crop of `whole` that differs least from `part`, apart from contrast: Gauss-Newton from this crop, on finer and finer grids."""
    for side, iterations in _SEARCH:
        wanted = _view(part, _CROPS[0], side)
        nudge = 1 / (4 * side)
        for _ in range(iterations):
            view = _view(whole, crop, side)
            slopes = np.stack([_view(whole, nudged, side) - view for nudged in _nudged(crop, nudge)], axis=1)
            moves = np.linalg.lstsq(slopes, wanted - view)[0] * nudge
            crop = _within(crop + _INWARD * np.clip(moves, -1 / side, 1 / side))
            if np.abs(moves).max() < 1 / (16 * SIDE):
                break
    return crop


def _view(image: Float32[np.ndarray, "h w"], crop: _Crop, side: int) -> Float32[np.ndarray, "s*s"]:
    left, top, right, bottom = crop
    view = _cover(image.shape[0], top, bottom, side) @ image @ _cover(image.shape[1], left, right, side).T
    return _standardized(view.ravel())


_INWARD = np.array([1, 1, -1, -1])


def _nudged(crop: _Crop, nudge: float) -> list[_Crop]:
    """The crop with one edge after the other moved inwards, where there always are pixels."""
    return [tuple(moved) for moved in crop + nudge * np.diag(_INWARD)]


def _within(crop: Float64[np.ndarray, "4"]) -> _Crop:
    """The nearest crop that lies in the image and removes no more than `LARGEST_CROP`."""
    left, top = np.clip(crop[:2], 0, LARGEST_CROP)
    right, bottom = np.clip(crop[2:], (left + 1 - LARGEST_CROP, top + 1 - LARGEST_CROP), 1)
    return float(left), float(top), float(right), float(bottom)


def _luminance(pictures: Float[np.ndarray, "... 3"]) -> Float32[np.ndarray, "..."]:
    return pictures.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def _standardized(values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _cosines_of(n: int, spans: Sequence[tuple[float, float]]) -> Float64[np.ndarray, "s*8 n"]:
    """The eight lowest cosines over each span of `n` pixels."""
    cosines = np.cos(np.pi / _GRID * np.outer(np.arange(8), np.arange(_GRID) + 0.5))
    return np.concatenate([cosines @ _cover(n, start, end, _GRID) for start, end in spans])


def _resampled(pictures: Float[np.ndarray, "n h w ..."], crop: _Crop, side: int) -> Float[np.ndarray, "n s s ..."]:
    """Resize a crop of each image: each new pixel is the mean of the area that it covers."""
    across, down = (_cover(pictures.shape[axis], crop[2 - axis], crop[4 - axis], side) for axis in (2, 1))
    rows = np.tensordot(down, pictures.astype(np.float32), axes=(1, 1))
    return np.moveaxis(np.tensordot(across, rows, axes=(1, 2)), (0, 1, 2), (2, 1, 0))


def _cover(n: int, start: float, end: float, side: int) -> Float32[np.ndarray, "s n"]:
    """The share of each old pixel in each new one."""
    edges, old = np.linspace(start * n, end * n, side + 1)[:, None], np.arange(n)
    covered = np.minimum(old + 1, edges[1:]) - np.maximum(old, edges[:-1])
    return np.asarray(np.maximum(covered, 0) / ((end - start) * n / side), np.float32)
