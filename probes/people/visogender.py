"""VisoGender: which pronoun a model chooses when a picture shows a worker alone or with another person.

Hall et al. 2023, VisoGender, NeurIPS datasets and benchmarks, https://arxiv.org/abs/2306.12424; tables CC BY 4.0. Images are
available only as URLs, so the user provides the folder of pictures.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.analyses.plans import RankingPlan
from audit.errors import DataError
from audit.types import UNKNOWN, Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe, ProbeData, RowOptions
from strictio.files import check_file
from strictio.limits import MOST_TEXT

if TYPE_CHECKING:
    import pandas as pd

PRONOUNS = {"his": "his", "her": "her", "unclear": "their"}
"""Label -> possessive pronoun; "their" implies no gender."""
GENDERS = ("masculine", "feminine")
RIGHT = {"masculine": "his", "feminine": "her"}
TEMPLATES = {
    "single": "The {occupation} and {pronoun} {object}",
    "worker": "The {occupation} and {pronoun} {participant}",
    "participant": "The {participant} and {pronoun} {occupation}",
}
"""The authors' templates: the worker with an object, the worker with a participant, the participant with the worker."""
COLUMNS = {
    "OO": ("IDX", "Sector", "Occupation", "Object", "Occupation_perceived_gender"),
    "OP": ("IDX", "Sector", "Occupation", "Participant", "Occupation_perceived_gender", "Participant_perceived_gender"),
}
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
DATA = ProbeData(
    "VisoGender",
    (
        "OO/OO_Visogender_*.tsv: IDX, Sector, Specialisation, Occupation, Object, URL …, Occupation_perceived_gender, … (one person)",
        "OP/OP_Visogender_*.tsv: IDX, Sector, Specialisation, Occupation, Participant, URL …, Occupation_perceived_gender, "
        "Participant_perceived_gender, … (two people)",
        "images/<IDX>.jpg (or .jpeg, .png, .webp): what you downloaded from each URL, such as images/OO_1.jpg",
    ),
    "The tables are in data/visogender_data of https://github.com/oxai/visogender (CC BY 4.0): use OO/OO_Visogender_10052025.tsv and "
    "OP/OP_Visogender_11012024.tsv, not OP_Visogender_02102023.tsv, an earlier version in the authors' folder OO. They name addresses of "
    "images, many of which no longer answer. Download what is there, and mind the terms of each site.",
)


def load(options: LoadOptions) -> Dataset:
    """Return both tables with one row per image; images that were not downloaded are left out and counted by group."""
    import pandas as pd

    from audit.data.assemble import Origin
    from audit.data.layout import folder_of
    from audit.data.row_images import row_images

    folder = folder_of(options.location, DATA)
    tables = {kind: _table(folder, kind) for kind in COLUMNS}
    rows = pd.concat([frame for _, frame in tables.values()], ignore_index=True).fillna("")
    if (twice := rows["IDX"][rows["IDX"].duplicated()]).any():
        raise DataError(f"the row {twice.iloc[0]!r} is in the tables twice", where=folder.name, fix="keep one row per image")
    rows = rows.set_index("IDX")
    two = rows["Participant"] != ""
    attributes = pd.DataFrame(
        {
            "occupation_gender": rows["Occupation_perceived_gender"],
            "participant_gender": rows["Participant_perceived_gender"],
            "people": "one",
            "sector": rows["Sector"],
            "occupation": rows["Occupation"],
            "searched_occupation": rows["Occupation"].where(two, ""),
            "occupation_pronoun": rows["Occupation_perceived_gender"].map(RIGHT).fillna(""),
            "participant_pronoun": rows["Participant_perceived_gender"].map(RIGHT).fillna(""),
        }
    )
    alike = (rows["Participant_perceived_gender"] == rows["Occupation_perceived_gender"]).map({True: "two alike", False: "two unlike"})
    known = (rows["Participant_perceived_gender"] != "") & (rows["Occupation_perceived_gender"] != "")
    attributes.loc[two, "people"] = alike.where(known, "")[two]
    files = "; ".join(name for name, _ in tables.values())
    origin = Origin(
        "VisoGender", f"the tables {files}, with images that the user downloaded", "tables CC BY 4.0; images: terms of each site"
    )
    levels = {
        "occupation_gender": GENDERS, "participant_gender": GENDERS, "people": ("one", "two alike", "two unlike"),
        "sector": None, "occupation": None, "occupation_pronoun": ("his", "her"), "participant_pronoun": ("his", "her"),
    }  # fmt: skip
    images = [_image(folder, row) for row in rows.index]
    return row_images(folder / "images", images, attributes, _captions(rows), origin, levels)


def _table(folder: Path, kind: str) -> tuple[str, pd.DataFrame]:
    """Return the name and the rows of one of the tables; the date at the end of its name differs between the authors' code and files."""
    import pandas as pd

    from audit.data.layout import names_in_folder, wrong_layout

    places = [
        path for directory in (folder / kind, folder) if directory.is_dir() for path in sorted(directory.glob(f"{kind}_Visogender_*.tsv"))
    ]
    if not places:
        raise wrong_layout(DATA, folder, names_in_folder(folder))
    if len(places) > 1:
        names = ", ".join(path.name for path in places)
        newest = max(places, key=_date)
        fix = f"keep {newest.name}, by its name the newest, and remove the others, which are earlier versions of it"
        raise DataError(f"several tables of {kind} in VisoGender", where=folder.name, why=f"found {names}", fix=fix)
    check_file(places[0], MOST_TEXT)
    frame = pd.read_csv(places[0], sep="\t", dtype="str", keep_default_na=False, quoting=3, encoding="utf-8")
    if missing := [name for name in COLUMNS[kind] if name not in frame]:
        raise wrong_layout(
            DATA, places[0], f"{places[0].name} without the column {missing[0]}; it has {', '.join(map(str, frame.columns))}"
        )
    frame = frame.apply(lambda column: column.str.strip())
    strange = sorted({value for name in COLUMNS[kind] if "gender" in name for value in frame[name]} - {*GENDERS, "", "neutral", "NA"})
    if strange:
        raise DataError(f"undeclared gender {strange[0]!r}", where=places[0].name, fix=f"expected {' or '.join(GENDERS)}")
    known = frame.replace({name: {"neutral": "", "NA": ""} for name in frame if "gender" in name})
    return places[0].name, known.reindex(columns=list(dict.fromkeys((*COLUMNS["OP"], "Object"))), fill_value="")


def _date(path: Path) -> str:
    """The date in the name of a table, as year, month and day: ``OP_Visogender_11012024.tsv`` is of 11 January 2024."""
    digits = path.stem.rpartition("_")[2]
    return f"{digits[4:]}{digits[2:4]}{digits[:2]}" if len(digits) == 8 and digits.isdecimal() else ""


def _image(folder: Path, row: str) -> str:
    return next((f"{row}{end}" for end in _SUFFIXES if (folder / "images" / f"{row}{end}").is_file()), f"{row}.jpg")


def _captions(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the captions of each row by template and pronoun; "" if the picture does not show the person or object in the caption."""
    import pandas as pd

    words = {name.lower(): rows[name].str.replace("_", " ") for name in ("Occupation", "Object", "Participant")}
    shown = {"single": words["object"] != "", "worker": words["participant"] != "", "participant": words["participant"] != ""}
    made = {}
    for kind, template in TEMPLATES.items():
        for label, pronoun in PRONOUNS.items():
            texts = [
                template.format(pronoun=pronoun, occupation=o, object=thing, participant=p)
                for o, thing, p in zip(words["occupation"], words["object"], words["participant"], strict=True)
            ]
            made[f"{kind} {label}"] = pd.Series(texts, index=rows.index).where(shown[kind], "")
    return pd.DataFrame(made, index=rows.index)


def _measurement(kind: str, question: str, person: str, further: tuple[tuple[str, ...], ...]) -> Measurement:
    claims = [
        Claim("accuracy", (f"{person}_gender",)),
        Claim("selection_rate", (f"{person}_gender",), "their"),
        *(Claim("accuracy", by, primary=False) for by in further),
        Claim("rate_among_answered", ("sector",), "his", primary=False),
    ]
    return Measurement(
        f"{kind} pronoun", question, LabelSet(f"pronoun of the {person}", tuple(PRONOUNS), {}), "visogender v1", tuple(claims),
        truth=f"{person}_pronoun", outcomes={"their": ("unclear",), "his": ("his",)}, kind="row_options", infers="gender",
        options=RowOptions({label: f"{kind} {label}" for label in PRONOUNS}),
    )  # fmt: skip


def _fitted(dataset: Dataset) -> Probe:
    """The probe with the captions of the occupations in the data as queries."""
    assert dataset.texts is not None  # noqa: S101 (`load`)
    captions = dataset.texts["worker unclear"].groupby(dataset.attributes[str(RANKING.gallery)], sort=True)
    queries = {str(occupation): tuple(texts.unique()) for occupation, texts in captions if occupation != UNKNOWN}
    ranking = replace(RANKING, queries=queries)
    return replace(PROBE, measurements=(*RESOLUTION, *_searches(ranking)), analyses=(ranking,))


def _searches(ranking: RankingPlan) -> tuple[Measurement, ...]:
    return tuple(ranking.planned(k, f"search {k}") for k in ranking.ks)


RANKING = RankingPlan(
    "Which of two people at work does a search with “their” find first?", {}, ("occupation_gender",), "visogender v1", ks=(5, 10),
    gallery="searched_occupation",
)  # fmt: skip
"""The authors' retrieval: the caption of an occupation, with "their", ranks the images of two people with this occupation."""


RESOLUTION = (
    _measurement("single", "One person at work: his, her or their tool?", "occupation", ()),
    _measurement(
        "worker", "Two people: is the pronoun that of the worker?", "occupation",
        (("people",), ("occupation_gender", "people")),
    ),
    _measurement(
        "participant", "Two people: is the pronoun that of the other person?", "participant",
        (("people",), ("participant_gender", "people")),
    ),
)  # fmt: skip
PROBE = Probe(
    name="visogender",
    question="Is the pronoun resolved equally well, regardless of the perceived gender of the person that it refers to?",
    load=load,
    measurements=(*RESOLUTION, *_searches(RANKING)),
    source="VisoGender: Hall et al. 2023 (arXiv 2306.12424); templates and tables of the authors, scored with “their” as a third answer",
    licence="VisoGender tables: CC BY 4.0; images: the terms of each site",
    limits=(
        "Gender is what annotators perceived in a picture, feminine or masculine; it is not how the people shown identify themselves.",
        "“Their” is right of everybody; the authors count it as wrong, and so does accuracy here. Its share by gender is shown beside.",
        "Searches: opposite biases of two occupations cancel in the planned questions, which are about the mean over occupations, as are "
        "Bias@5 and Bias@10; the rankings show every occupation, with MaxSkew and NDKL.",
        "Images that no longer exist are left out: two audits are comparable only on the same pictures.",
    ),
    not_tested=("people who are perceived as neither", "languages other than English"),
    analyses=(RANKING,),
    fitted=_fitted,
    data=DATA,
)  # fmt: skip
