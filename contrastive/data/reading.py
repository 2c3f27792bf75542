"""Reads single pairs of a source; broken ones are counted and replaced by a neighbour."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from contrastive.data.source import CaptionedImages, ImageFiles, TrainingDataError, printable
from strictio.images.decode import UnreadableImage
from strictio.images.in_process import MISSING, OUTSIDE

_NAMED = 20
"""Number of broken pairs listed in a message."""
_MOST_BROKEN = 0.5
"""Upper limit of ``data.max_broken``."""
_FOLDER = "name the folder that the paths begin in or lie in: data.images=DIR"


class PairReader:
    """Reads pairs from any thread; a broken pair is always replaced by the next intact one."""

    def __init__(self, source: CaptionedImages, max_broken: float):
        self.source = source
        self._allowed = math.floor(max_broken * len(source) + 1e-9)  # 0.01 * 300 is a little less than 3
        self._broken: dict[int, str] = {}
        self._lock = threading.Lock()

    @property
    def broken(self) -> dict[int, str]:
        """Position -> error of each broken pair encountered so far, in order."""
        with self._lock:
            return dict(sorted(self._broken.items()))

    @property
    def replaced(self) -> tuple[str, ...]:
        """One sentence per broken picture; all rows of a picture share its name."""
        sentences = (f"{self._named(index)}: {reason}; the next whole pair takes its place" for index, reason in self.broken.items())
        return tuple(dict.fromkeys(sentences))

    def fault(self, index: int) -> str | None:
        """Return the error of a pair, or None. A broken pair is counted, and may exceed the limit."""
        try:
            self._whole(index)
        except UnreadableImage as error:
            self._count(index, str(error))
            return str(error)
        return None

    def read(self, index: int) -> tuple[Image.Image, int]:
        """Return the image of a pair, or of the next intact one, and its position; `TrainingDataError` if too many are broken."""
        n = len(self.source)
        for taken in ((index + step) % n for step in range(n)):
            try:
                return self._whole(taken), taken
            except UnreadableImage as error:
                self._count(taken, str(error))
        raise self.too_many()

    def add_broken(self, broken: Mapping[int, str]) -> None:
        """Count pairs that another process found broken; `TrainingDataError` if there are too many."""
        with self._lock:
            self._broken |= broken
            too_many = len(self._broken) > self._allowed
        if too_many:
            raise self.too_many()

    def _named(self, index: int) -> str:
        return shown_name(self.source, index)

    def _whole(self, index: int) -> Image.Image:
        with self._lock:
            known = self._broken.get(index)
        if known is not None:
            raise UnreadableImage(known)
        if not self.source.captions(index):
            raise UnreadableImage("no caption")
        return self.source.image(index)

    def _count(self, index: int, reason: str) -> None:
        with self._lock:
            self._broken[index] = reason
            too_many = len(self._broken) > self._allowed
        if too_many:
            raise self.too_many()

    def too_many(self) -> TrainingDataError:
        """Return the error that names the broken pairs."""
        broken = list(self.broken.items())
        named = "; ".join(f"{self._named(index)} ({reason})" for index, reason in broken[:_NAMED])
        rest = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        n, reasons = len(self.source), {reason for _, reason in broken}
        what = f"too many pairs are broken: {len(broken)} so far of {n}, {self._allowed} may be"
        if reasons == {MISSING} and isinstance(self.source, ImageFiles):
            absent = self.source.absent()
            what = f"too many pairs are broken: the image files of {absent} of {n} are missing, {self._allowed} may be broken"
            fix = _where_missing(absent, n)
        elif reasons <= {OUTSIDE, MISSING}:
            fix = _FOLDER
        else:
            fix = "repair or remove them, or allow a larger share: data.max_broken=0.05"
        return TrainingDataError(what, why=named + rest, fix=fix)


def shown_name(source: CaptionedImages, index: int) -> str:
    """Return the pair's name, safe for a terminal."""
    return printable(source.name(index))


def _where_missing(absent: int, n: int) -> str:
    """Advise on `absent` of n image files that are missing.

    >>> _where_missing(1, 51)
    'remove these rows, or let their neighbours stand in: data.max_broken=0.02'
    """
    if absent == n:
        return _FOLDER
    share = math.ceil(100 * absent / n) / 100
    if share > _MOST_BROKEN:
        return f"remove these rows, or, where they lie elsewhere, {_FOLDER}"
    return f"remove these rows, or let their neighbours stand in: data.max_broken={share:g}"


def content_groups(source: CaptionedImages, workers: int) -> NDArray[np.int64]:
    """Return int[n]: the first position whose image has the same content. Reads every image once; unreadable ones are groups of one."""

    def key(index: int) -> bytes:
        try:
            return hashlib.sha256(source.content(index)).digest()
        except UnreadableImage:
            return index.to_bytes(8)

    with ThreadPoolExecutor(workers, "content") as pool:
        return _first_places(pool.map(key, range(len(source))))


class Identities(NamedTuple):
    """Which of n pairs share a picture and which share a caption: equal numbers mean equal; the values have no meaning."""

    image_n: NDArray[np.int64]
    text_n: NDArray[np.int64]

    @classmethod
    def of(cls, source: CaptionedImages, rows: NDArray[np.int64], content: NDArray[np.int64]) -> Identities:
        """Return the identities of `rows`, by their first caption; `content`: the `content_groups` of the source."""
        captions = ((source.captions(row) or (None,))[0] for row in rows.tolist())
        return cls(content[rows], _first_places((index, None) if text is None else text for index, text in enumerate(captions)))


def _first_places(keys: Iterable[Hashable]) -> NDArray[np.int64]:
    """Return int[n]: the first position with an equal key."""
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(key, index) for index, key in enumerate(keys)], np.int64)


def square_crop(image: Image.Image, rng: np.random.Generator, smallest: float) -> Image.Image:
    """Return a random square of the image, the paper's augmentation. `rng` draws the size, then the position.

    `smallest`: minimum share, in (0, 1], of the area of the largest square. With 1, only the position along the longer side is random,
    as in the paper.
    """
    side = max(1, round(min(image.size) * math.sqrt(rng.uniform(smallest, 1.0))))
    left, top = (int(rng.integers(0, length - side + 1)) for length in image.size)
    return image.crop((left, top, left + side, top + side))
