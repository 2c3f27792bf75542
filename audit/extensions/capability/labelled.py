"""Any labelled pictures: reads them, and asks which class each picture shows, for every group; the data of several probes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.errors import DataError
from audit.extensions.capability.open_clip_prompts import imagenet_name
from audit.records.inputs import CLASSES_NOT_COMPARED
from audit.types import UNKNOWN, Claim, Dataset, Group, LabelSet, LoadOptions, Measurement, Note, ProbeData

if TYPE_CHECKING:
    import pandas as pd

    from audit.extensions.capability.clip_benchmark import ClassPrompts

CLASS_COLUMNS = ("class", "label", "object", "category", "digit")
"""Possible names of the class column; the first one in the table is used."""
TEMPLATES = (
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a photo that shows {}",
    "a close-up of {}",
    "a blurry photo of {}",
    "a bright photo of {}",
    "a drawing of {}",
)
"""Version 1, our own. Installed packages never affect a rate, only the supporting evidence (`zeroshot`)."""
TEMPLATES_PRESET = "templates v1"
MOST_LEVELS = 40
"""Attributes with more levels, such as a file's source, are not used to compare groups."""
_NAMED = 10
"""Maximum number of columns that a note lists."""
LABELLED = ProbeData(
    "any labelled pictures",
    (
        f"a table next to its images: image; {', '.join(CLASS_COLUMNS[:-1])} (the first that exists); other columns are attributes",
        "or a folder of folders of images, one per class; groups are the classes then",
        "or train, val, test … with such a table or such folders each: all are read, or those of --split",
        "or tar shards of a web dataset: .cls or .json beside each picture",
        "or a set of DataComp or CLIP_benchmark: classnames.txt, zeroshot_classification_templates.txt, test/nshards.txt, test/0.tar, …",
        "without --data: the digits of scikit-learn, by the width of their strokes",
    ),
    "Your own, or any public set of pictures with classes.",
    packages=("sklearn",),
)
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
BEFORE_DATA = Measurement(
    "class", "Are pictures of every group recognised equally often?",
    LabelSet("classes", ("zero", "one"), {"zero": ("a photo of a zero",), "one": ("a photo of a one",)}),
    TEMPLATES_PRESET, (Claim("accuracy", ("stroke",)),), truth="digit",
)  # fmt: skip
"""The question for the default data, before they are read; `Probe.fitted` asks about all classes of the actual data."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


def load_labelled(options: LoadOptions) -> Dataset:
    """Load ``--data``: a table, a folder of class folders or a web dataset; by default, the digits."""
    from audit.data import load_dataset
    from audit.data.schema import Schema
    from audit.extensions.capability.clip_benchmark import is_benchmark_set, load_benchmark_set

    if options.location is None:
        return digits()
    location: Any = options.location
    if isinstance(location, str | Path) and is_benchmark_set(str(location)):
        benchmark = load_benchmark_set(str(location))
        return replace(benchmark, notes=(*benchmark.notes, *_not_compared(benchmark)))
    held = getattr(location, "held", None) is not None or not isinstance(location, str | os.PathLike)
    folder, wanted = Path("" if held else os.fspath(location)), getattr(location, "splits", ())
    if not held and (found := class_folders(folder, wanted)) is not None:
        read = load_dataset(found.rows, Schema(), name=folder.name, licence="not stated")
        return replace(read, source=f"a folder of {found.rows['class'].nunique()} classes", notes=(*read.notes, *found.notes))
    if not held and folder.is_dir():
        _check_readable(folder)
    read = load_dataset(location, Schema(), name="labelled pictures", licence="not stated")
    return replace(read, notes=(*read.notes, *_not_compared(read)))


def _not_compared(dataset: Dataset) -> Iterator[Note]:
    """Notes about the columns, besides that of classes, that have too few or too many levels to compare groups by, and about classes that
    are too many to compare each.
    """
    from audit.data.schema import counted, quoted
    from audit.predictions.default_claims import MAX_ASKED

    truth = next((name for name in CLASS_COLUMNS if name in dataset.levels), None)
    classes = len(set(dataset.attributes[truth]) - {UNKNOWN}) if truth else 0
    if classes > MAX_ASKED:
        yield Note(CLASSES_NOT_COMPARED, {"classes": classes, "most": MAX_ASKED})
    sizes = {name: known for name, known in _known_levels(dataset, truth).items() if not 2 <= known <= MOST_LEVELS}
    if truth is not None and sizes:
        columns = [f"{quoted(name)} ({counted(known, 'level')})" for name, known in sizes.items()]
        more = [counted(len(columns) - _NAMED, "more column")] * (len(columns) > _NAMED)
        yield Note("levels_not_compared", {"columns": (*columns[:_NAMED], *more), "most": MOST_LEVELS})


@dataclass(frozen=True)
class ClassFolders:
    """The pictures of a folder with one folder per class, and which splits they are from."""

    rows: pd.DataFrame
    """Columns image and class."""
    notes: tuple[Note, ...]


def class_folders(folder: Path, wanted: Group = ()) -> ClassFolders | None:
    """The pictures of a folder of class folders, or of the splits in it that have class folders; None if it has a table, or no pictures.

    `wanted`: the splits to read; empty: all. A folder that is called as a split is never a class: raises DataError for one with pictures
    beside classes; UsageError for a split that is not there.
    """
    import pandas as pd

    from audit.data.splits import split_folders, splits_note

    if not folder.is_dir() or any(_is_data(path) for path in folder.iterdir()):
        return None
    splits = split_folders(folder, wanted)
    of_split = {split.name: rows for split in splits if not any(map(_is_data, split.iterdir())) and (rows := _pictures_of(split))}
    if without := [name for name in wanted if name not in of_split]:
        if any(_is_data(path) for split in splits for path in split.iterdir()):
            return None  # splits with tables
        raise DataError(f"the split {without[0]!r} of {str(folder)!r} has no class folders", fix="name a split that has them")
    if of_split:
        table = pd.DataFrame([row for rows in of_split.values() for row in rows], columns=["image", "class"])
        return ClassFolders(table, (splits_note(folder, {name: len(rows) for name, rows in of_split.items()}),))
    pictures = _pictures_of(folder)
    if pictures and splits:
        raise DataError(
            f"{str(folder)!r} has the folder {splits[0].name!r}, which is the name of a split, beside folders of classes",
            why="a split is not a class", fix="rename it if it is one, or take it out",
        )  # fmt: skip
    return ClassFolders(pd.DataFrame(pictures, columns=["image", "class"]), ()) if pictures else None


def _is_data(path: Path) -> bool:
    """Whether a file is a table or a picture, which a folder of class folders does not have."""
    from strictio.tables import is_table

    return path.is_file() and not path.name.startswith(".") and (is_table(path) or path.suffix.lower() in PICTURES)


def _pictures_of(folder: Path) -> list[tuple[str, str]]:
    """Path and class of the pictures in the folders of `folder` that are not splits."""
    from audit.data.splits import is_split

    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not is_split(path.name))
    return [
        (os.path.abspath(path), of_class.name)  # noqa: PTH100  # a link to a folder stays one
        for of_class in inside
        for path in sorted(of_class.iterdir())
        if path.suffix.lower() in PICTURES
    ]


def _check_readable(folder: Path) -> None:
    """Raise DataError for a folder that has neither classes nor a table, and name the one below it that has."""
    from audit.data.load import has_data
    from audit.data.schema import Schema
    from audit.data.splits import folder_with_data

    def readable(path: Path) -> bool:
        return has_data(path, Schema()) or class_folders(path) is not None

    if has_data(folder, Schema()):
        return
    names = sorted(path.name for path in folder.iterdir())
    inside = folder_with_data(folder, readable)
    raise DataError(
        f"neither folders of classes nor a table in the folder {str(folder)!r}",
        why=f"found {', '.join(names[:_NAMED])}{' ...' if len(names) > _NAMED else ''}" if names else "it is empty",
        fix=f"--data {shlex.quote(str(inside))}, which has them" if inside else f"give {LABELLED.layout[0]}; {LABELLED.layout[1]}",
    )


def digits(per_digit: int | None = None) -> Dataset:
    """Return the first `per_digit` images of each of scikit-learn's digits, at 64 x 64, black on white, with the width of their strokes."""
    import numpy as np
    import pandas as pd
    from PIL import Image
    from sklearn.datasets import load_digits

    from audit.data.assemble import fingerprint
    from strictio.images.lazy import encode_png

    shown = load_digits()
    ink = shown.images.sum(axis=(1, 2))
    width = np.select([ink < np.quantile(ink, 1 / 3), ink < np.quantile(ink, 2 / 3)], ["thin", "medium"], "bold")
    table = pd.DataFrame(
        {"digit": [DIGITS[at] for at in shown.target], "stroke": width}, index=[f"digit-{at:04d}" for at in range(len(ink))], dtype="str"
    )
    places = np.arange(len(ink))
    if per_digit is not None:
        places = np.sort(np.concatenate([np.flatnonzero(shown.target == digit)[:per_digit] for digit in range(len(DIGITS))]))
    table = table.iloc[places]

    def picture(pixels: Any) -> bytes:
        grey = Image.fromarray((255 - pixels * (255 / 16)).astype(np.uint8))
        return encode_png(grey.resize((64, 64), Image.Resampling.BICUBIC).convert("RGB"))

    return Dataset(
        "digits",
        [picture(pixels) for pixels in shown.images[places]],
        table,
        {"digit": DIGITS, "stroke": ("thin", "medium", "bold")},
        fingerprint(table),
        "scikit-learn's load_digits (UCI, Alpaydin and Kaynak 1998), enlarged from 8 x 8",
        "CC BY 4.0",
    )


def class_column(dataset: Dataset) -> str:
    """Return the class attribute; DataError if no column of `CLASS_COLUMNS` exists, or if it has fewer than two classes."""
    name = next((name for name in CLASS_COLUMNS if name in dataset.levels), None)
    if name is None:
        columns = ", ".join(map(repr, dataset.levels))
        raise DataError(
            f"{dataset.name} has no column of classes",
            why=f"it has {columns}",
            fix=f"name it, as in --column class=NAME, or call it one of {', '.join(CLASS_COLUMNS)}",
        )
    if len(set(dataset.attributes[name]) - {UNKNOWN}) < 2:
        raise DataError(f"{dataset.name} has fewer than two classes in the column {name!r}", fix="give data with two or more")
    return name


def asked_of_classes(dataset: Dataset) -> tuple[Measurement, tuple[str, ...]]:
    """Return the question of which class a picture shows, with all templates, and the attributes to compare by.

    Without an attribute of two to `MOST_LEVELS` levels, the classes themselves are the groups. If the data come with classes and
    templates, these are used.
    """
    truth = class_column(dataset)
    by = compared_by(dataset, truth)
    question = "Are pictures of every group recognised equally often?"
    own = brought_prompts(dataset).get(truth)
    if own is not None:
        labels = tuple(dict.fromkeys(own.classes))  # two class numbers may share a name
        prompts, preset = {label: own.prompts(label) for label in labels}, own.version
    else:
        labels = tuple(level for level in dataset.levels[truth] if level != UNKNOWN and (dataset.attributes[truth] == level).any())
        prompts = {label: tuple(template.format(class_words(imagenet_name(label, labels))) for template in TEMPLATES) for label in labels}
        preset = TEMPLATES_PRESET
    claims, outcomes = recognised(dataset, truth, labels, by)
    return Measurement("class", question, LabelSet("classes", labels, prompts), preset, claims, truth, outcomes), by


def recognised(dataset: Dataset, truth: str, labels: Group, by: Group) -> tuple[tuple[Claim, ...], dict[str, Group]]:
    """Claims about accuracy and about the recall of each class, in which a small class is not lost; and the classes as outcomes."""
    from audit.predictions.default_claims import recall_claims

    seen = dataset.attributes[truth].to_numpy(object)
    shown = tuple(label for label in labels if (seen == label).any())
    recalls = recall_claims(shown, seen, dataset.attributes[[name for name in by if name != truth]])
    accuracy = [Claim("accuracy", (name,)) for name in by]
    return (*accuracy, *recalls), {label: (label,) for label in shown} if recalls else {}


def compared_by(dataset: Dataset, truth: str) -> tuple[str, ...]:
    """Return the attributes of two to `MOST_LEVELS` levels, except the truth; failing that, the truth itself."""
    return tuple(name for name, known in _known_levels(dataset, truth).items() if 2 <= known <= MOST_LEVELS) or (truth,)


def _known_levels(dataset: Dataset, truth: str | None) -> dict[str, int]:
    """The number of known levels of every attribute except the truth."""
    return {name: len(set(dataset.attributes[name]) - {UNKNOWN}) for name in dataset.levels if name != truth}


def brought_prompts(dataset: Dataset) -> Mapping[str, ClassPrompts]:
    """Return the classes and templates that come with the data, keyed by the truth attribute; empty without them."""
    from audit.extensions.capability.clip_benchmark import BenchmarkDataset

    return dataset.asked if isinstance(dataset, BenchmarkDataset) else {}


def class_words(label: str) -> str:
    """Return a class as it appears in a prompt.

    Examples
    --------
    >>> class_words("traffic_light"), class_words("apple")
    ('a traffic light', 'an apple')
    """
    words = label.replace("_", " ").strip()
    return f"{'an' if words[:1].lower() in 'aeiou' else 'a'} {words}".replace("{", "(").replace("}", ")")
