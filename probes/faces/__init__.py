"""The FairFace dataset for all face probes: its levels, their alternative spellings, and its location.

Data: Karkkainen and Joo, FairFace, WACV 2021, CC BY 4.0.
"""

from __future__ import annotations

from dataclasses import replace

from audit.types import Dataset, LoadOptions, ProbeData

RACES = ("White", "Black", "Indian", "East Asian", "Southeast Asian", "Middle Eastern", "Latino_Hispanic")
GENDERS = ("Female", "Male")
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
HUB_RACES = ("East Asian", "Indian", "Black", "White", "Middle Eastern", "Latino_Hispanic", "Southeast Asian")
HUB_GENDERS = ("Male", "Female")
"""Class names in the order of the hub's integer ids; data with another order are refused."""
LICENCE = "FairFace images and labels: Karkkainen and Joo, WACV 2021, CC BY 4.0"
DATA = ProbeData(
    "FairFace",
    (
        "the authors' files: fairface_label_val.csv (file, age, gender, race, service_test) beside the folder val/",
        "or any table or folder with these columns, Parquet shards, or hf:HuggingFaceM4/FairFace:0.25/validation",
    ),
    "https://github.com/joojs/fairface, or the hub's copy, which is downloaded without --data (validation: 10,954 faces, 0.5 GB).",
    hub="HuggingFaceM4/FairFace",
)
RACE_ALIASES = {"Latino": "Latino_Hispanic", "Latino Hispanic": "Latino_Hispanic", "latino hispanic": "Latino_Hispanic"}
AGE_ALIASES = {"over 70": "more than 70", ">70": "more than 70", "70+": "more than 70"}
AGE_REPAIRS = {
    **dict.fromkeys(("9-Mar", "Mar-9", "09-Mar", "Mar-09", "3-Sep", "03-Sep", "Sep-3", "Sep-03"), "3-9"),
    **dict.fromkeys(("19-Oct", "Oct-19", "10-Oct-19"), "10-19"),
}
"""Dates that spreadsheets make from "3-9" and "10-19"."""


def load(options: LoadOptions) -> Dataset:
    """Return FairFace from the authors' files, from a table or folder, or from the hub, with the column ``race_binary`` added."""
    from audit.data import HubSource, load_dataset
    from audit.data.schema import Column, Schema

    schema = Schema(
        (
            Column("age", AGES, AGE_ALIASES, AGE_REPAIRS, classes=AGES),
            Column("gender", GENDERS, classes=HUB_GENDERS),
            Column("race", RACES, RACE_ALIASES, classes=HUB_RACES),
            Column("service_test", ("True", "False"), {"TRUE": "True", "FALSE": "False"}, optional=True),
        )
    )
    hub = HubSource("HuggingFaceM4/FairFace", config="0.25", split="validation", licence="CC BY 4.0")
    dataset = load_dataset(options.location, schema, hub=hub, name="FairFace", licence="CC BY 4.0")
    return with_binary_race(replace(dataset, notes=(*dataset.notes, _margin(dataset.source))))


def _margin(source: str) -> str:
    """Say how much of the picture around the face is included: it affects results, and only the hub's configuration states it."""
    stated = [margin for margin in ("0.25", "1.25") if margin in source]
    if len(stated) == 1:
        return f"Margin around the face: {stated[0]}."
    return "Margin around the face: not stated by these files (the authors publish 0.25 and 1.25); it changes results."


def with_binary_race(dataset: Dataset) -> Dataset:
    """Return `dataset` with ``race_binary``: White or Non-White, as in Tables 3 and 4 of the paper."""
    binary = dataset.attributes["race"].map(lambda race: race if race in ("White", "unknown") else "Non-White")
    attributes = dataset.attributes.drop(columns="service_test", errors="ignore").assign(race_binary=binary)
    order = {"race": RACES, "gender": GENDERS, "age": AGES, "race_binary": ("White", "Non-White")}
    return replace(dataset, attributes=attributes[list(order)], levels=order)
