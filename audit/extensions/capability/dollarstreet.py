"""Dollar Street: household items around the world, with household income. Are items in poor homes recognised as often?

Data: Rojas et al., The Dollar Street Dataset, NeurIPS 2022 Datasets and Benchmarks. Question: de Vries et al. 2019 (arXiv 1906.02659).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.extensions.capability.objects import PRESET, object_labels
from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe, ProbeData

if TYPE_CHECKING:
    from audit.data.schema import Cells

LICENCE = "Dollar Street: Gapminder; CC BY-SA 4.0 (as distributed with the benchmark; not checked with its authors)"
FILES = ("dollar_street_test.csv", "images_v2_imagenet_test.csv", "images_v2.csv")
DATA = ProbeData(
    "Dollar Street",
    (
        f"{FILES[0]}, {FILES[1]} (both the test part) or {FILES[2]} (all images); the first that exists is read: "
        "imageRelPath, topics (a list as JSON or Python writes it), place, income, region.id (af, am, as, eu), country.name",
        "assets/ or whatever imageRelPath names, relative to this folder",
    ),
    "https://www.kaggle.com/datasets/mlcommons/the-dollar-street-dataset; unpack it, and name the folder of the table.",
)
REGIONS = {"af": "Africa", "am": "Americas", "as": "Asia", "eu": "Europe"}
CUTS = (200.0, 684.0, 1997.0)
"""Monthly income per adult, in dollars, that separates the quarters of the benchmark's homes."""
INCOMES = ("lowest quarter", "second quarter", "third quarter", "highest quarter")
WORDS = {
    "alarm clock": "alarm clock", "arm watch": "wrist watch", "armchair": "armchair", "bathroom/toilet": "bathroom", "bed": "bed",
    "bed kids": "children's bed", "bike": "bicycle", "books": "bookshelf", "car": "car", "ceiling": "ceiling",
    "cleaning equipment": "set of cleaning tools", "computer": "computer", "cooking pots": "cooking pot",
    "cooking utensils": "cooking utensil", "couch": "couch", "cups/mugs/glasses": "cup", "cutlery": "set of cutlery",
    "diapers (or baby-pants)": "diaper", "dish racks": "dish rack", "dish washing brush/cloth": "dish cloth",
    "dish washing soap": "bottle of dish soap", "dishwasher": "dishwasher", "drinking water": "container of drinking water",
    "everyday shoes": "pair of everyday shoes", "freezer": "freezer", "glasses or lenses": "pair of glasses", "guest bed": "guest bed",
    "home": "home", "jewelry": "piece of jewelry", "kitchen sink": "kitchen sink", "knifes": "knife",
    "light source in kitchen": "kitchen lamp", "light source in livingroom": "living room lamp", "light sources": "lamp",
    "lightsources by bed": "bedside lamp", "lock on front door": "lock on a front door", "medication": "box of medicine",
    "moped/motorcycle": "motorcycle", "mosquito protection": "mosquito net", "music equipment": "loudspeaker", "necklaces": "necklace",
    "oven": "oven", "paper": "sheet of paper", "parking lot": "parking lot", "pen/pencils": "pencil", "phone": "phone",
    "place where eating dinner": "dining table", "place where serving guests": "room for guests", "plate of food": "plate of food",
    "plates": "plate", "radio": "radio", "reading light": "reading lamp", "refrigerator": "refrigerator", "roof": "roof",
    "salt": "salt shaker", "shoes": "pair of shoes", "shower": "shower", "soap for hands and body": "bar of soap",
    "social drink": "bottle of soda", "sofa": "sofa", "source of cool": "fan", "source of heat": "heater", "source of light": "light bulb",
    "stove/hob": "stove", "street detail": "detail of a street", "street view": "street", "switch on/off": "light switch",
    "table with food": "table with food", "toilet": "toilet", "toilet paper": "roll of toilet paper", "tools": "toolbox", "toys": "toy",
    "trash/waste": "trash can", "tv": "television", "wall clock": "wall clock", "wardrobe": "wardrobe",
    "washing clothes/cleaning": "washing machine", "waste dumps": "waste dump", "wheel barrow": "wheelbarrow",
}  # fmt: skip
"""Topic that names a thing -> its name in a prompt (our own)."""
SAME = {
    "bed kids": "bed", "guest bed": "bed", "light source in kitchen": "light sources", "light source in livingroom": "light sources",
    "lightsources by bed": "light sources", "reading light": "light sources", "source of light": "light sources",
    "shoes": "everyday shoes", "sofa": "couch", "street detail": "street view",
}  # fmt: skip
"""Topic -> a topic of the same kind: either is right for an image with one of them."""
SHOWN = {
    "answering the phone": "phone", "get water": "drinking water", "listening to the radio": "radio",
    "opening and closing the freezer": "freezer", "opening and closing the refrigerator": "refrigerator",
    "pouring drinking water": "drinking water", "sitting and watching tv": "tv", "starting stove": "stove/hob",
    "taking a teaspoon of salt": "salt", "turning lights on and off": "switch on/off", "using toilet": "toilet",
}  # fmt: skip
"""Topic that names what people do with one thing -> the topic of the thing, which the images show; others are left out."""
LONGEST_CELL = 10_000
"""Characters of a list of topics that is read."""


def load(options: LoadOptions) -> Dataset:
    """Return Dollar Street's test images: their topics (any of which is right), region, income quarter, country, and place (a home)."""
    from audit.data.assemble import Origin
    from audit.data.layout import folder_of, names_in_folder, wrong_layout
    from audit.data.schema import Cells, Column, Schema
    from audit.data.table import read_cells, with_files

    folder = folder_of(options.location, DATA)
    table = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if table is None:
        raise wrong_layout(DATA, folder, names_in_folder(folder))
    cells = read_cells(table)
    needed = ("imageRelPath", "topics", "place", "income", "region.id", "country.name")
    if lacking := [name for name in needed if name not in cells.columns]:
        raise wrong_layout(DATA, table, f"no column {lacking[0]}, but {', '.join(cells.columns)}")
    topics, others = _topics(cells)
    columns = {
        "imageRelPath": cells.columns["imageRelPath"],
        "topics": topics,
        "region": [REGIONS.get(code.strip(), code.strip()) for code in cells.columns["region.id"]],
        "income": [_income(text, cells.where(row)) for row, text in enumerate(cells.columns["income"])],
        "country": cells.columns["country.name"],
        "place": cells.columns["place"],
    }
    named = (Column("region", tuple(REGIONS.values())), Column("income", INCOMES))
    schema = Schema((Column("topics"), *named, Column("country"), Column("place")), image_columns=("imageRelPath",))
    origin = Origin("Dollar Street", f"Dollar Street's own files ({table.name})", LICENCE)
    dataset = with_files(Cells(columns, cells.numbers, cells.place, cells.unit), folder, schema, origin)
    notes = (f"Topics that no label asks about: {', '.join(others)}.",) if others else ()
    return replace(dataset, notes=(*dataset.notes, *notes))


def _topics(cells: Cells) -> tuple[list[str], list[str]]:
    """Return the topics of each row that are in the label set, and all other topics that occur."""
    from audit.data.layout import wrong_layout
    from audit.measure.any_right import BETWEEN

    topics, others = [], set()
    for row, text in enumerate(cells.columns["topics"]):
        names = _names(text)
        if names is None:
            raise wrong_layout(DATA, Path(cells.place), f"topics that are not a list of texts at {cells.where(row)}: {text[:60]!r}")
        things = [SHOWN.get(name, name) for name in names]
        others |= {thing for thing in things if thing not in WORDS}
        topics.append(BETWEEN.join(dict.fromkeys(SAME.get(thing, thing) for thing in things if thing in WORDS)))
    return topics, sorted(others)


def _names(text: str) -> list[str] | None:
    """Return the topics in a cell, a list as JSON or Python writes it; None for anything else."""
    if len(text) > LONGEST_CELL:
        return None
    try:
        names: object = json.loads(text or "[]")
    except (json.JSONDecodeError, RecursionError):
        try:
            names = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _income(text: str, where: str) -> str:
    """Return the quarter of a monthly income; "" for an empty cell."""
    from audit.errors import DataError

    if not text.strip():
        return ""
    try:
        income = float(text)
    except ValueError:
        raise DataError(
            f"the income {text[:40]!r} is no number", where=where, fix="give dollars a month, or leave the cell empty"
        ) from None
    return INCOMES[sum(income > cut for cut in CUTS)]


def _labels() -> LabelSet:
    words = object_labels("things", WORDS.values()).prompts
    return LabelSet(
        "things", tuple(WORDS), {topic: words[word] for topic, word in WORDS.items()}, {topic: SAME.get(topic, topic) for topic in WORDS}
    )


def _asked(name: str, kind: str, question: str, claimed: Sequence[str]) -> Measurement:
    claims = tuple(Claim("accuracy", (by,), primary=by in claimed) for by in ("income", "region", "country"))
    return Measurement(name, question, _labels(), PRESET, claims, truth="topics", kind=kind)


PROBE = Probe(
    name="dollarstreet",
    question="Are things of poor homes recognised as often as things of rich homes?",
    load=load,
    measurements=(
        _asked(
            "topic", "any_right", "Is the best label one of the image's topics as often for every income and region?", ("income", "region")
        ),
        _asked("topic_top_5", "top_five", "Is one of the image's topics among the best five labels as often for every income?", ()),
    ),
    source="de Vries et al. 2019 (arXiv 1906.02659): things by income and region, accuracy at five; prompts are our own",
    licence=LICENCE,
    limits=(
        "Homes were chosen by photographers: they are not a sample of a country's homes, and several photographs are of one home.",
        "Topics overlap (a plate of food is on a plate): any topic of an image counts as right, no other label does.",
        "Ten topics are a kind of another one, such as a guest bed of a bed: to answer either is right.",
        "A topic that names what people do with one thing counts as that thing. Others that name what people do are not asked; images "
        "with no other topic are not scored.",
        "Poor and rich homes lie in other regions and own other kinds of a thing: a gap by income is not an effect of income alone.",
    ),
    not_tested=("what people in the pictures look like", "homes outside the data's four world regions"),
    data=DATA,
    cluster="place",
)
