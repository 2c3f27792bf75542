"""FACET: people of 52 classes, cropped to boxes. Are their classes recognised equally well?

Data and design: Gustafson et al. 2023, FACET: Fairness in computer vision evaluation benchmark (arXiv 2309.00035).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from audit.types import UNKNOWN, Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe, ProbeData
from probes.people import cells_of

CLASSES = (
    "astronaut", "backpacker", "ballplayer", "bartender", "basketball_player", "boatman", "carpenter", "cheerleader", "climber",
    "computer_user", "craftsman", "dancer", "disk_jockey", "doctor", "drummer", "electrician", "farmer", "fireman", "flutist", "gardener",
    "guard", "guitarist", "gymnast", "hairdresser", "horseman", "judge", "laborer", "lawman", "lifeguard", "machinist", "motorcyclist",
    "nurse", "painter", "patient", "prayer", "referee", "repairman", "reporter", "retailer", "runner", "sculptor", "seller", "singer",
    "skateboarder", "soccer_player", "soldier", "speaker", "student", "teacher", "tennis_player", "trumpeter", "waiter",
)  # fmt: skip
GENDERS = {"masculine": "masc", "feminine": "fem", "non-binary": "non_binary"}
AGES = ("young", "middle", "older")
TONES = tuple(map(str, range(1, 11)))
DATA = ProbeData(
    "FACET",
    (
        "annotations/annotations.csv: person_id, filename, class1, class2, bounding_box, gender_presentation_{masc,fem,non_binary,na},",
        "  age_presentation_{young,middle,older,na}, skin_tone_1 … skin_tone_10, skin_tone_na …",
        "imgs_1/, imgs_2/ and imgs_3/ (or images/, or imgs/): <filename>",
    ),
    "https://facet.metademolab.com (32,000 images, 50,000 people).",
    gate="a form, for research and evaluation; training on it is not allowed",
)
LICENCE = "FACET: research and evaluation only, as agreed in its form"
_FOLDERS = ("imgs_1", "imgs_2", "imgs_3", "images", "imgs")
_BY = ("gender", "skin_tone", "age")


def class_prompt(name: str) -> str:
    """Return a prompt that describes a class as a person, so that ``painter`` does not match a canvas.

    Examples
    --------
    >>> class_prompt("electrician"), class_prompt("soccer_player")
    ('a photo of a person who is an electrician', 'a photo of a person who is a soccer player')
    """
    words = name.replace("_", " ")
    return f"a photo of a person who is {'an' if words[0] in 'aeiou' else 'a'} {words}"


def load(options: LoadOptions) -> Dataset:
    """Return one crop per person; perceived attributes count in proportion to the annotators who chose them."""
    from audit.data.assemble import Origin
    from audit.data.cells.boxes import Box
    from audit.data.layout import folder_of, names_in_folder, wrong_layout
    from audit.data.schema import Column, Schema
    from audit.data.table import with_files

    folder = folder_of(options.location, DATA)
    schema = Schema(
        (
            Column("gender", tuple(GENDERS), counts=tuple(f"gender_presentation_{gender}" for gender in GENDERS.values())),
            Column("age", AGES, counts=tuple(f"age_presentation_{age}" for age in AGES)),
            Column("skin_tone", TONES, counts=tuple(f"skin_tone_{tone}" for tone in TONES)),
            Column("class1", CLASSES),
            Column("class2", CLASSES),
        ),
        box=Box(("bounding_box",)),
    )
    sources = [name for column in schema.columns for name in column.sources]
    cells = cells_of(folder / "annotations" / "annotations.csv", DATA, ("filename", "bounding_box", *sources))
    if not (paths := _places(folder)):
        raise wrong_layout(DATA, folder, names_in_folder(folder))
    names = [paths.get(name, name) for name in cells.columns["filename"]]
    columns = {"filename": names, **{name: cells.columns[name] for name in ("bounding_box", *sources)}}
    origin = Origin("FACET", "annotations/annotations.csv", LICENCE)
    return _with_both_classes(with_files(replace(cells, columns=columns), folder, schema, origin, folder))


def _with_both_classes(dataset: Dataset) -> Dataset:
    """Return the data with the right answers for each person: the first class and, for a few people, the second."""
    from audit.data.assemble import fingerprint
    from audit.measure.any_right import BETWEEN

    first, second = (dataset.attributes[name] for name in ("class1", "class2"))
    one = (second == UNKNOWN) | (second == first)
    both = first.where(one, first + BETWEEN + second)
    attributes = dataset.attributes.drop(columns="class2").assign(classes=both)
    levels = {name: of for name, of in dataset.levels.items() if name != "class2"}
    return replace(dataset, attributes=attributes, levels=levels, fingerprint=fingerprint(attributes))


def _places(folder: Path) -> dict[str, str]:
    """Map each image to its path below the folder."""
    return {path.name: f"{name}/{path.name}" for name in _FOLDERS if (folder / name).is_dir() for path in sorted((folder / name).iterdir())}


def _claims() -> tuple[Claim, ...]:
    recall = (Claim("true_positive_rate", ("gender",), name, primary=False) for name in CLASSES)
    return (*(Claim("accuracy", (name,)) for name in _BY), Claim("accuracy", ("gender", "age"), primary=False), *recall)


PROBE = Probe(
    name="facet",
    question="Is what a person does recognised equally well, regardless of who does it?",
    load=load,
    measurements=(
        Measurement(
            "class",
            "Which of 52 kinds of people is shown?",
            LabelSet("class", CLASSES, {name: (class_prompt(name),) for name in CLASSES}),
            "facet v1",
            _claims(),
            truth="classes",
            outcomes={name: (name,) for name in CLASSES},
            kind="any_right",
        ),
    ),
    source="Gustafson et al. 2023 (arXiv 2309.00035): recall of 52 classes by perceived group; prompts are our own",
    licence=LICENCE,
    data=DATA,
    limits=(
        "Gender, age and skin tone are what annotators perceived, not what the people say of themselves. Where annotators disagree, a "
        "person counts in each group with the share of the annotators who chose it.",
        "Groups differ in what they do in these pictures: accuracy by group also tells how hard their classes are. The recall of a class "
        "compares people who do the same.",
        "Of the few people who have a second class either is right; where neither is named, they count as their first.",
    ),
    not_tested=("detection and segmentation, which the authors test too", "hair, and lighting", "other words for the same work"),
    cluster="picture",
)
