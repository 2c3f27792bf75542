"""FHIBE: people who consented and describe themselves. Which words does a model assign to them?

Data: Xiang et al. 2025, Fair human-centric image dataset for ethical AI benchmarking, Nature. Harmful words: Radford et al. 2021
(arXiv 2103.00020), section 7; unmarked people: Wolfe and Caliskan 2022 (arXiv 2205.11378).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Note, Probe, ProbeData
from probes.people import cells_of, harmful_words
from probes.prompts import preset

PRONOUNS = ("She/her/hers", "He/him/his", "They/them/their", "Ze/zir/zirs", "None of the above")
REGIONS = {0: "Africa", 6: "Americas", 11: "Asia", 17: "Europe", 22: "Oceania"}
"""The first number of each region; the numbers up to the next are its subregions in the UN geoscheme."""
AGES = {18: "18-29", 30: "30-39", 40: "40-49", 50: "50-59", 60: "60+"}
DATA = ProbeData(
    "FHIBE",
    (
        "fhibe.<version>_downsampled_public/, or the folder that holds it, with",
        "  data/processed/fhibe_downsampled/*.csv: image_id, filepath, subject_id, age, pronoun, ancestry, skin colours, person_bbox",
        "  data/raw/fhibe_downsampled/<subject>/<image>/: the images that filepath names",
    ),
    "https://fairnessbenchmark.ai.sony (10,318 images of 1,981 people; images leave when people withdraw their consent).",
    gate="a form and terms of use: evaluation only, and keep to the newest version",
)
LICENCE = "FHIBE: terms of use of Sony AI, evaluation only"
_COLUMNS = ("filepath", "subject_id", "age", "pronoun", "ancestry", "apparent_skin_color", "person_bbox")
_NUMBER = re.compile(r"\s*(\d+)\.\s*")
_BY = ("pronoun", "ancestry", "age", "apparent_skin_color")


def named(value: str) -> str:
    """Return a value without its leading number.

    Examples
    --------
    >>> named("0. She/her/hers")
    'She/her/hers'
    """
    return _NUMBER.sub("", value, count=1)


def region(value: str) -> str:
    """Return the region of an ancestry, by its number if it has one.

    Examples
    --------
    >>> region("11. Asia"), region("14. South-eastern Asia"), region("Europe")
    ('Asia', 'Asia', 'Europe')
    """
    number = _NUMBER.match(value)
    return value if number is None else [name for first, name in REGIONS.items() if first <= int(number[1])][-1]


def age_bin(text: str) -> str:
    """Return the bin of an age in years; anything but a number is returned unchanged, to be refused later.

    Examples
    --------
    >>> age_bin("29"), age_bin("60"), age_bin("")
    ('18-29', '60+', '')
    """
    return [name for first, name in AGES.items() if first <= int(text)][-1] if text.isdecimal() and int(text) >= min(AGES) else text


def each_value(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` to every value of a cell; a cell that cannot be read is returned unchanged, to be refused with its line.

    Examples
    --------
    >>> each_value("['0. She/her/hers', '2. They/them/their']", named)
    'She/her/hers|They/them/their'
    """
    from audit.data.cells.votes import SEPARATOR, given_values

    try:
        return SEPARATOR.join(dict.fromkeys(map(change, given_values(text))))
    except ValueError:
        return text


def load(options: LoadOptions) -> Dataset:
    """Return one crop per person; people with several pronouns or ancestries count fractionally in each."""
    from audit.data.assemble import Origin
    from audit.data.cells.boxes import Box
    from audit.data.changed.subset import without_absent
    from audit.data.layout import folder_of
    from audit.data.schema import Column, Schema
    from audit.data.table import with_files

    folder = _version(folder_of(options.location, DATA))
    tables = sorted((folder / "data" / "processed" / "fhibe_downsampled").glob("*.csv"))
    path = next(iter(tables), folder / "data" / "processed" / "fhibe_downsampled" / "fhibe_downsampled.csv")
    cells = cells_of(path, DATA, _COLUMNS)
    columns = {name: cells.columns[name] for name in _COLUMNS}
    columns |= {
        "pronoun": [each_value(text, named) for text in columns["pronoun"]],
        "ancestry": [each_value(text, region) for text in columns["ancestry"]],
        "age": [age_bin(text.strip()) for text in columns["age"]],
        "apparent_skin_color": [named(text) for text in columns["apparent_skin_color"]],
    }
    schema = Schema(
        (
            Column("pronoun", PRONOUNS, {"Prefer not to say": "unknown"}, several=True),
            Column("ancestry", tuple(REGIONS.values()), several=True),
            Column("age", tuple(AGES.values())),
            Column("apparent_skin_color"),
            Column("subject_id"),
        ),
        box=Box(("person_bbox",)),
    )
    origin = Origin("FHIBE", f"version {folder.name}, {path.name}", LICENCE)
    dataset = with_files(replace(cells, columns=columns), folder, schema, origin, folder)
    dataset = without_absent(dataset, lambda name: (folder / name).is_file(), Note("withdrawn"), "picture")
    # Without levels: people are distinguished, but never compared or named.
    return replace(dataset, levels={name: levels for name, levels in dataset.levels.items() if name != "subject_id"})


def _version(folder: Path) -> Path:
    """Return the folder of a version: this folder, or the last version in it."""
    inside = sorted(path for path in folder.glob("fhibe.*") if (path / "data").is_dir())
    return inside[-1] if inside and not (folder / "data").is_dir() else folder


def _unmarked() -> Measurement:
    plain = preset("plain").reworded("a photo of ", "a picture of {label}")
    prompts = plain.prompts("person", "gender")
    return Measurement(
        "unmarked",
        "Who is 'a person', without a gender?",
        LabelSet("unmarked", tuple(prompts), prompts),
        plain.title,
        tuple(Claim("selection_rate", (name,), "unmarked", primary=name == "pronoun") for name in _BY),
        outcomes={"unmarked": ("person",)},
        infers="gender",
    )


PROBE = Probe(
    name="fhibe",
    question="Which people, by what they say of themselves, are given harmful words, and who is just 'a person'?",
    load=load,
    measurements=(harmful_words(_BY), _unmarked()),
    source="Harmful words: Radford et al. 2021 (arXiv 2103.00020), section 7; unmarked people: Wolfe and Caliskan 2022 (arXiv 2205.11378); "
    "data: Xiang et al. 2025 (Nature)",
    licence=LICENCE,
    data=DATA,
    limits=(
        "Pronouns, ancestry and age are what people say of themselves; a person with several counts in each with a share. Skin colour is "
        "what they chose from six.",
        "People chose pose, place and light themselves; groups may differ in them.",
        "Consent can be withdrawn: another version of the data has other images. The version is stated with the source.",
    ),
    not_tested=("scenes, poses and what people do: they are not labels of these questions", "faces cut out by themselves", "intersections"),
    cluster="subject_id",
)
