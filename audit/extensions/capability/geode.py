"""GeoDE: forty kinds of objects, photographed by people in six world regions. Where are they recognised worst?

Data: Ramaswamy et al., GeoDE: a Geographically Diverse Evaluation Dataset for Object Recognition, NeurIPS 2023 (arXiv 2301.02560).
"""

from __future__ import annotations

from dataclasses import replace

from audit.analyses.plans import FewShotPlan
from audit.extensions.capability.objects import PRESET, object_labels
from audit.types import Claim, Dataset, LoadOptions, Measurement, Probe, ProbeData

LICENCE = "GeoDE: Ramaswamy et al., NeurIPS 2023; CC BY"
DATA = ProbeData(
    "GeoDE",
    (
        "index.csv: object, ip_country, file_path (and region, where it is there)",
        "images/: what file_path names, relative to this folder or to images/",
    ),
    "https://geodiverse-data-collection.cs.princeton.edu; unpack it, and name the folder of index.csv.",
)
OBJECTS = (
    "bag", "hand soap", "dustbin", "toothbrush", "toothpaste toothpowder", "hairbrush comb", "chair", "hat", "light fixture",
    "light switch", "plate of food", "spices", "stove", "cooking pot", "cleaning equipment", "lighter", "medicine", "candle", "toy", "jug",
    "streetlight lantern", "front door", "tree", "house", "backyard", "truck", "waste container", "car", "fence", "road sign", "dog",
    "wheelbarrow", "religious building", "stall", "boat", "monument", "flag", "bus", "storefront", "bicycle",
)  # fmt: skip
REGIONS = {
    "Africa": ("Angola", "Egypt", "Nigeria", "South Africa"),
    "Americas": ("Argentina", "Brazil", "Colombia", "Mexico"),
    "EastAsia": ("China", "Hong Kong", "Japan", "South Korea"),
    "Europe": ("Italy", "Romania", "Spain", "United Kingdom"),
    "SouthEastAsia": ("Indonesia", "Malaysia", "Philippines", "Thailand"),
    "WestAsia": ("Jordan", "Saudi Arabia", "Turkey", "United Arab Emirates"),
}
"""Region -> the countries where the authors recruited participants."""
WORDS = {"toothpaste toothpowder": "toothpaste or toothpowder", "hairbrush comb": "hairbrush or comb", "streetlight lantern": "streetlight"}
"""Labels of two words -> their names in a prompt."""
_MASS = ("hand soap", "spices", "cleaning equipment", "medicine", "toothpaste toothpowder")
_LABELS = object_labels("objects", OBJECTS)
_PROMPTS = {
    label: (f"a photo of {WORDS.get(label, label)}",) if label in _MASS else (prompt.replace(label, WORDS.get(label, label)),)
    for label, (prompt,) in _LABELS.prompts.items()
}


def load(options: LoadOptions) -> Dataset:
    """Return GeoDE with the attributes object, region and country; the region is unknown for countries outside `REGIONS`."""
    from audit.data.assemble import Origin
    from audit.data.layout import folder_of, names_in_folder, wrong_layout
    from audit.data.schema import Cells, Column, Schema
    from audit.data.table import read_cells, with_files

    folder = folder_of(options.location, DATA)
    table = folder / "index.csv"
    if not table.is_file():
        raise wrong_layout(DATA, folder, names_in_folder(folder))
    cells = read_cells(table)
    if lacking := [name for name in ("object", "ip_country", "file_path") if name not in cells.columns]:
        raise wrong_layout(DATA, table, f"no column {lacking[0]}, but {', '.join(cells.columns)}")
    country = [_spaced(name) for name in cells.columns["ip_country"]]
    known = {name: region for region, names in REGIONS.items() for name in names}
    region = cells.columns.get("region") or [known.get(name, "") for name in country]
    columns = {
        "file_path": cells.columns["file_path"],
        "object": list(map(_spaced, cells.columns["object"])),
        "region": region,
        "country": country,
    }
    schema = Schema((Column("object", OBJECTS), Column("region", tuple(REGIONS)), Column("country")), image_columns=("file_path",))
    first = next((name for name in columns["file_path"] if name), "")
    root = folder if (folder / first).is_file() or not (folder / "images").is_dir() else folder / "images"
    origin = Origin("GeoDE", "GeoDE's own files (index.csv)", LICENCE)
    return with_files(Cells(columns, cells.numbers, cells.place, cells.unit), folder, schema, origin, image_root=root)


def _spaced(text: str) -> str:
    return text.replace("_", " ").strip()


def _asked(name: str, kind: str, question: str, *, primary: bool) -> Measurement:
    claims = (Claim("accuracy", ("region",), primary=primary), Claim("accuracy", ("country",), primary=False))
    return Measurement(name, question, replace(_LABELS, prompts=_PROMPTS), PRESET, claims, truth="object", kind=kind)


PROBE = Probe(
    name="geode",
    question="Are everyday objects recognised as well in every region of the world?",
    load=load,
    measurements=(
        _asked("object", "zero_shot", "Is the object recognised as often in every region?", primary=True),
        _asked("object_top_5", "top_five", "Is the object among the best five labels as often in every region?", primary=False),
    ),
    source="Ramaswamy et al. 2023 (arXiv 2301.02560): objects by region; prompts are our own",
    licence=LICENCE,
    limits=(
        "Photographs were taken on request by people who chose to take part: they are not a sample of a region's objects.",
        "Regions differ in which kinds of an object are common: a gap says what is recognised less often, not why.",
        "Two labels name two things each (toothpaste or toothpowder; hairbrush or comb); their prompts name both.",
        "Photographs of one person are not marked as such: images count as independent, and intervals are somewhat too narrow.",
    ),
    not_tested=("regions without data: Australia, Central and South Asia", "people: the photographs show objects"),
    data=DATA,
    analyses=(FewShotPlan("Do a few photographs of each object help every region as much?", "object", ("region",), draws=3),),
)
