"""CelebA: is hair colour recognised equally well for men and women? The classic spurious attribute: the data have few blond men.

Data: Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015; the layout is torchvision's. Question: Sagawa et al. 2020
(arXiv 1911.08731).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe, ProbeData
from strictio.files import read_text

if TYPE_CHECKING:
    from audit.data.schema import Cells

PRESET = "celeba v1"
LICENCE = "CelebA: Liu et al., ICCV 2015; non-commercial research only"
DATA = ProbeData(
    "CelebA",
    (
        "list_attr_celeba.txt: a line with the number of images, a line with 40 names, then image and 40 times -1 or 1",
        "list_eval_partition.txt: image and 0 (train), 1 (validation) or 2 (test)",
        "identity_CelebA.txt: image and the number of the person (without it, images of one person count as independent)",
        "img_align_celeba/: the aligned and cropped images",
    ),
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html; torchvision.datasets.CelebA(…, download=True) lays it out so, in a folder celeba.",
)
SHOWN = {"Blond_Hair": ("blond", "not blond"), "Eyeglasses": ("glasses", "no glasses"), "Smiling": ("smiling", "not smiling")}
"""Attribute of the data -> answers for the values 1 and -1."""
_PEOPLE = {"Male": ("man", "woman"), "Young": ("young", "older")}
_TEST = "2"


def load(options: LoadOptions) -> Dataset:
    """Return the test part of CelebA: hair, glasses, smile, and the perceived gender and age; images of one person are a cluster."""
    from audit.data.assemble import Origin
    from audit.data.layout import folder_of, names_in_folder, wrong_layout
    from audit.data.schema import Column, Schema
    from audit.data.table import with_files

    folder = folder_of(options.location, DATA)
    if not (folder / "list_attr_celeba.txt").is_file() and (folder / "celeba").is_dir():
        folder /= "celeba"  # torchvision's root
    if missing := [line.split(":")[0] for line in DATA.layout[:2] if not (folder / line.split(":")[0]).is_file()]:
        raise wrong_layout(DATA, folder, f"no {' and no '.join(missing)} among {', '.join(names_in_folder(folder)[:8]) or 'nothing'}")
    names = {**_PEOPLE, **SHOWN}
    columns = tuple(Column(_name(name), values) for name, values in names.items())
    origin = Origin("CelebA (test)", "CelebA's own files, the test part", LICENCE)
    return with_files(_cells(folder), folder / "img_align_celeba", Schema((*columns, Column("person", optional=True))), origin)


def _name(attribute: str) -> str:
    return {"Male": "gender", "Young": "age"}.get(attribute, attribute.lower())


def _cells(folder: Path) -> Cells:
    """The rows of the test part."""
    from audit.data.layout import wrong_layout
    from audit.data.schema import Cells

    rows = [line.split() for line in read_text(folder / "list_attr_celeba.txt").splitlines()]
    header = rows[1] if len(rows) > 1 else []
    shown = {**_PEOPLE, **SHOWN}
    if lacking := [name for name in shown if name not in header]:
        raise wrong_layout(DATA, folder / "list_attr_celeba.txt", f"no attribute {lacking[0]} in its second line")
    part, people = _second(folder / "list_eval_partition.txt"), folder / "identity_CelebA.txt"
    person = _second(people) if people.is_file() else None
    places = [header.index(name) + 1 for name in shown]
    columns: dict[str, list[str]] = {"image": [], **{_name(name): [] for name in shown}, **({} if person is None else {"person": []})}
    numbers = []
    for number, row in enumerate(rows[2:], 3):
        if len(row) != len(header) + 1 or not {*row[1:]} <= {"-1", "1"}:
            problem = f"line {number} does not hold an image and {len(header)} times -1 or 1"
            raise wrong_layout(DATA, folder / "list_attr_celeba.txt", problem)
        if part.get(row[0]) == _TEST:
            numbers.append(number)
            columns["image"].append(row[0])
            if person is not None:
                columns["person"].append(person.get(row[0], ""))
            for (name, values), column in zip(shown.items(), places, strict=True):
                columns[_name(name)].append(values[row[column] == "-1"])
    return Cells(columns, numbers, "list_attr_celeba.txt")


def _second(path: Path) -> dict[str, str]:
    """Image -> the value in the second column."""
    return {row[0]: row[1] for line in read_text(path).splitlines() if len(row := line.split()) > 1}


def _asked(name: str, question: str, prompts: dict[str, str], *, primary: bool) -> Measurement:
    yes, no = SHOWN[name]
    labels = LabelSet(name.lower(), (yes, no), {yes: (prompts[yes],), no: (prompts[no],)})
    claims = (
        Claim("accuracy", ("gender",), primary=primary),
        Claim("true_positive_rate", ("gender",), yes, primary=primary),
        Claim("true_positive_rate", ("age",), yes, primary=False),
        Claim("false_positive_rate", ("gender",), yes, primary=False),
    )
    return Measurement(name.lower(), question, labels, PRESET, claims, truth=name.lower(), outcomes={yes: (yes,)})


def with_known_people(dataset: Dataset) -> Probe:
    """Return the probe; without the file of identities, each image is a sampling unit, and a limit says what that does."""
    return PROBE if "person" in dataset.attributes else replace(PROBE, cluster=None, limits=(NO_IDENTITIES, *PROBE.limits))


NO_IDENTITIES = (
    "The file identity_CelebA.txt is missing, so images of one person count as independent: intervals are too narrow, and p values too "
    "small. The test part has about 20 images per person; if answers about one person's images correlate at 0.1, the intervals should be "
    "about 1.7 times as wide."  # sqrt(1 + 19 x 0.1)
)

PROBE = Probe(
    name="celeba",
    question="Are hair colour, glasses and a smile told as well of men as of women?",
    load=load,
    measurements=(
        _asked(
            "Blond_Hair",
            "Is blond hair seen as well on men as on women?",
            {"blond": "a photo of a person with blond hair", "not blond": "a photo of a person with dark hair"},
            primary=True,
        ),
        _asked(
            "Eyeglasses",
            "Are glasses seen as well on men as on women?",
            {"glasses": "a photo of a person wearing glasses", "no glasses": "a photo of a person without glasses"},
            primary=False,
        ),
        _asked(
            "Smiling",
            "Is a smile seen as well on men as on women?",
            {"smiling": "a photo of a smiling person", "not smiling": "a photo of a person with a serious face"},
            primary=False,
        ),
    ),
    source="Sagawa et al. 2020 (arXiv 1911.08731): blond hair by gender; prompts are our own",
    licence=LICENCE,
    limits=(
        "The images show celebrities; gender and age are labels that annotators gave, in two values each.",
        "Fewer than 2 % of the men in the data are blond: their rate rests on few images, and on fewer people.",
        "Not blond is asked as dark hair: grey hair and bald heads count as not blond too.",
    ),
    not_tested=("race and skin tone: the data do not say", "people who are not celebrities"),
    data=DATA,
    cluster="person",
    fitted=with_known_people,
)
