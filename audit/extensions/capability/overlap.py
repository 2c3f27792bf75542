"""Overlap of training and test data: how many test pictures were in the training data, and does the model recognise those better?

Design: Radford et al. 2021 (arXiv 2103.00020), section 5: accuracy on overlapping and on clean pictures, with its interval. Duplicates are
found by the low frequencies of their luminance, and confirmed by overlaying the two pictures (`near_duplicates`).
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from audit.errors import DataError
from audit.extensions.capability.labelled import PICTURES, TEMPLATES_PRESET, asked_of_classes, load_labelled
from audit.naming import NEAR_DUPLICATE
from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Note, Probe, ProbeData
from strictio.files import open_file, read_bytes
from strictio.streams.tars import tar_members

if TYPE_CHECKING:
    import numpy as np

_Name = TypeVar("_Name")
DATA = ProbeData(
    "training and test pictures",
    (
        "training/: the pictures that the model was trained on, in folders of any depth, or the trainer's shards (.tar)",
        "test/: the labelled pictures, a table or one folder a class, as for the probe zeroshot",
    ),
    "Your own: only who trained a model knows what it has seen.",
)
_BLOCK = 2048
"""Training pictures held in memory at once."""


def load(options: LoadOptions) -> Dataset:
    """Return the test pictures with the attribute ``overlap``: whether the training data have a near duplicate, and which.

    Raises DataError if the folder has another layout, or no training picture can be read.
    """
    from audit.data.layout import folder_of, names_in_folder, wrong_layout

    folder = folder_of(options.location, DATA)
    if not all((folder / name).is_dir() for name in ("training", "test")):
        raise wrong_layout(DATA, folder, names_in_folder(folder))
    dataset = load_labelled(replace(options, location=str(folder / "test")))
    duplicates, seen, unreadable = _duplicates(dataset, folder / "training")
    if not seen:
        raise DataError(f"no picture in {folder.name}/training can be read", why=f"{unreadable} were tried", fix=DATA.layout[0])
    images = range(len(dataset.images))
    seen_as = {
        "overlap": ["overlap" if row in duplicates else "clean" for row in images],
        NEAR_DUPLICATE: [duplicates.get(row, "") for row in images],
    }
    attributes = dataset.attributes.assign(**seen_as).astype("str")
    note = Note("training_overlap", {"found": len(duplicates), "total": len(dataset.images), "training": seen, "unreadable": unreadable})
    # The matching picture is in the predictions and in tables/near_duplicates.csv. It has no levels, because no groups are compared by it.
    return replace(dataset, attributes=attributes, levels={**dataset.levels, "overlap": ("overlap", "clean")}, notes=(*dataset.notes, note))


def _duplicates(dataset: Dataset, training: Path) -> tuple[dict[int, str], int, int]:
    """Return test row -> most similar training picture, and how many training pictures were read and could not be read."""
    import numpy as np

    from audit.extensions.capability.near_duplicates import find_near_duplicates, fingerprints

    with _Thumbnails() as thumbnails:
        rows = [(row, small) for row, small in thumbnails.of(_test(dataset)) if small is not None]
        if not rows:
            raise DataError(
                f"no picture in {training.parent.name}/test can be read", why=f"{len(dataset.images)} were tried", fix=DATA.layout[1]
            )
        test = fingerprints(np.stack([small for _, small in rows]))
        best: dict[int, tuple[float, str]] = {}
        seen = unreadable = 0
        pictures = thumbnails.of(_training(training))
        while block := list(islice(pictures, _BLOCK)):
            read = [(name, small) for name, small in block if small is not None]
            seen, unreadable = seen + len(read), unreadable + len(block) - len(read)
            if read:
                for first, second, correlation in find_near_duplicates(fingerprints(np.stack([small for _, small in read])), test):
                    row = rows[second][0]
                    best[row] = max(best.get(row, (0.0, "")), (correlation, read[first][0]))
    return {row: name for row, (_, name) in best.items()}, seen, unreadable


class _Thumbnails:
    """Decodes pictures on all cores, a few ahead of the one that is needed."""

    def __init__(self) -> None:
        from strictio.images.decoders import Decoders

        self._workers = min(8, os.cpu_count() or 1)
        self._decoders = Decoders(self._workers)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="decode")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._decoders.close()  # first: a thread may be waiting for a decoder that hangs
        self._pool.shutdown(cancel_futures=True)

    def of(self, pictures: Iterator[tuple[_Name, bytes]]) -> Iterator[tuple[_Name, np.ndarray | None]]:
        """Yield the name of each picture with its thumbnail, in order; None if it cannot be read."""
        while ahead := list(islice(pictures, 4 * self._workers)):
            yield from zip((name for name, _ in ahead), self._pool.map(self._small, (content for _, content in ahead)), strict=True)

    def _small(self, content: bytes) -> np.ndarray | None:
        import numpy as np
        from PIL import Image

        from audit.extensions.capability.near_duplicates import SIDE
        from strictio.images.decode import UnreadableImage

        try:
            image = self._decoders.decode(content, draft=2 * SIDE).image
        except UnreadableImage:
            return None
        return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _test(dataset: Dataset) -> Iterator[tuple[int, bytes]]:
    """Yield the row and content of every test picture; no content if it cannot be read, which the audit counts by reason."""
    from strictio.images.decode import UnreadableImage

    for row in range(len(dataset.images)):
        try:
            yield row, dataset.images[row]
        except UnreadableImage:
            yield row, b""


def _training(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of every training picture: files, and members of shards, which are read in place.

    If a picture is too large, its content is empty, so that it counts as unreadable.
    """
    from strictio.images.decode import MAX_BYTES

    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        if path.suffix.lower() in PICTURES:
            yield path.relative_to(folder).as_posix(), read_bytes(path, MAX_BYTES) if path.stat().st_size <= MAX_BYTES else b""
        elif path.suffix.lower() == ".tar":
            yield from _members(path, MAX_BYTES)


def _members(path: Path, most: int) -> Iterator[tuple[str, bytes]]:
    try:
        with open_file(path) as shard:
            for member in tar_members(shard):
                if member.isreg() and Path(member.name).suffix.lower() in PICTURES:
                    shard.seek(member.offset_data)
                    yield f"{path.name}/{member.name}", shard.read(member.size) if member.size <= most else b""
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError) as error:  # of a header: see `tar_members`
        raise DataError(f"the shard {path.name} cannot be read", why=str(error), fix="give the shard as the trainer reads it") from error


def asked_of_data(dataset: Dataset) -> Probe:
    """Return the questions for these data: all classes, compared by overlap."""
    measurement, _ = asked_of_classes(dataset)
    return replace(PROBE, measurements=(replace(measurement, question=_QUESTION, claims=_CLAIMS),))


_QUESTION = "Are pictures that training has seen recognised more often than others?"
_CLAIMS = (Claim("accuracy", ("overlap",)),)
PROBE = Probe(
    name="overlap",
    question="How many test pictures has training seen, and are they recognised more often?",
    load=load,
    measurements=(
        Measurement(
            "class", _QUESTION, LabelSet("classes", ("one", "two"), {"one": ("a photo of one",), "two": ("a photo of two",)}),
            TEMPLATES_PRESET, _CLAIMS, truth="class",
        ),
    ),
    source="Radford et al. 2021 (arXiv 2103.00020), section 5: median overlap 2.2 % of 35 data sets, accuracy at most .6 points higher",
    licence="that of your data",
    limits=(
        "Near duplicates are crops of up to 15 % of a side, recompressions, mirror images, images without colour or up to 1.4 times "
        "as bright; the same scene photographed twice, a larger crop or another contrast is not found.",
        "Overlapping pictures may be easier, or of other classes, than clean ones: a difference is not memory alone.",
        "Training pictures that are not in the folder are not known to overlap.",
    ),
    not_tested=("captions of the training pictures", "near duplicates among the test pictures themselves"),
    data=DATA,
    fitted=asked_of_data,
)  # fmt: skip
