"""Overlap of training and test data: how many test pictures were in the training data, and does the model recognise those better?

Design: Radford et al. 2021 (arXiv 2103.00020), section 5: accuracy on overlapping and on clean pictures, with its interval. Duplicates are
found with perceptual hashes, and confirmed by overlaying the two pictures (`audit.measure.near_duplicates`).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import DataError
from audit.naming import NEAR_DUPLICATE
from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Note, Probe, ProbeData
from probes.capability import PICTURES, TEMPLATES_PRESET, asked_of_classes, load_labelled
from strictio.streams.tars import tar_members

if TYPE_CHECKING:
    import numpy as np

    from strictio.images.decoders import Decoders

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

    from audit.measure.near_duplicates import find_near_duplicates, prints
    from strictio.images.decoders import Decoders

    decoders = Decoders(2)
    try:
        rows = {row: small for row in range(len(dataset.images)) if (small := _small(_content(dataset, row), decoders)) is not None}
        if not rows:
            raise DataError(
                f"no picture in {training.parent.name}/test can be read", why=f"{len(dataset.images)} were tried", fix=DATA.layout[1]
            )
        test_prints, places = prints(np.stack(list(rows.values()))), list(rows)
        best: dict[int, tuple[float, str]] = {}
        seen = unreadable = 0
        pictures = _training(training)
        while block := list(islice(pictures, _BLOCK)):
            read = [(name, small) for name, content in block if (small := _small(content, decoders)) is not None]
            seen, unreadable = seen + len(read), unreadable + len(block) - len(read)
            if read:
                for first, second, likeness in find_near_duplicates(prints(np.stack([small for _, small in read])), test_prints):
                    best[places[second]] = max(best.get(places[second], (0.0, "")), (likeness, read[first][0]))
    finally:
        decoders.close()
    return {row: name for row, (_, name) in best.items()}, seen, unreadable


def _training(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of every training picture: files, and members of shards, which are read in place.

    If a picture is too large, its content is empty, so that it counts as unreadable.
    """
    from strictio.images.decode import MAX_BYTES

    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        if path.suffix.lower() in PICTURES:
            yield path.relative_to(folder).as_posix(), path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
        elif path.suffix.lower() == ".tar":
            yield from _members(path, MAX_BYTES)


def _members(path: Path, most: int) -> Iterator[tuple[str, bytes]]:
    try:
        with path.open("rb") as shard:
            for member in tar_members(shard):
                if member.isreg() and Path(member.name).suffix.lower() in PICTURES:
                    shard.seek(member.offset_data)
                    yield f"{path.name}/{member.name}", shard.read(member.size) if member.size <= most else b""
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError) as error:  # of a header: see `tar_members`
        raise DataError(f"the shard {path.name} cannot be read", why=str(error), fix="give the shard as the trainer reads it") from error


def _content(dataset: Dataset, row: int) -> bytes:
    from strictio.images.decode import UnreadableImage

    try:
        return dataset.images[row]
    except UnreadableImage:
        return b""  # the audit counts it by reason


def _small(content: bytes, decoders: Decoders) -> np.ndarray | None:
    """Return a picture as prepared for comparison; None if it cannot be read."""
    import numpy as np
    from PIL import Image

    from audit.measure.near_duplicates import SIDE
    from strictio.images.decode import UnreadableImage

    try:
        return np.asarray(decoders.decode(content).image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    except UnreadableImage:
        return None


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
        "Near duplicates are crops, recompressions and mirror images; the same scene photographed twice is not.",
        "Overlapping pictures may be easier, or of other classes, than clean ones: a difference is not memory alone.",
        "Training pictures that are not in the folder are not known to overlap.",
    ),
    not_tested=("captions of the training pictures", "near duplicates among the test pictures themselves"),
    data=DATA,
    fitted=asked_of_data,
)  # fmt: skip
