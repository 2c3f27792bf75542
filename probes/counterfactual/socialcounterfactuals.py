"""SocialCounterfactuals: generated scenes of people at work in which only race, gender or a physical trait changes.

Data: Howard et al. 2024, SocialCounterfactuals, CVPR (IntelLabs/multimodal_cognitive_ai), MIT. Captions are written as in the authors'
caption files: "A photo of a White female barber". The prompts are this project's own.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from audit.analyses.plans import Choice, CounterfactualSetsPlan
from audit.types import UNKNOWN, Dataset, Group, LoadOptions, PairedClaim, Probe, ProbeData
from probes.counterfactual import CRIME, CRIME_WORDS, LOW, STATUS_WORDS, given_words, photo_of

if TYPE_CHECKING:
    import pandas as pd

DATA = ProbeData(
    "SocialCounterfactuals",
    (
        "data/train-*.parquet (61 files; any of them will do), or the files themselves",
        "counterfactual_set: text or number, which images belong to one set",
        "a1_type, a1, a2_type, a2: the two attributes that change (race, gender, a physical trait), and their values",
        "caption: “A photo of a White female barber”",
        "image: the picture itself",
    ),
    "https://huggingface.co/datasets/Intel/SocialCounterfactuals (171,000 images, open).",
)
LICENCE = "images: SocialCounterfactuals, Howard et al. 2024, MIT"
PRESET = "socialcounterfactuals v1"
SEXES = {"male": "male", "man": "male", "female": "female", "woman": "female"}
ETHNICITIES = ("White", "Black", "Indian", "Asian", "Middle Eastern", "Latino")
TRAITS = (("skinny", "obese"), ("young", "old"))
"""Traits that are compared with each other if the data have both."""
_COLUMNS = ("counterfactual_set", "a1_type", "a1", "a2_type", "a2", "caption")
_KINDS = {"gender": "gender", "race": "race", "physical": "trait"}
"""Prefix of a type name -> our attribute."""

# ---- data ----------------------------------------------------------------------------------------------------------------------------


def load(options: LoadOptions) -> Dataset:
    """Return the images with set, occupation, race, gender and trait; a limit keeps whole sets. Raises DataError for another layout."""
    from audit.data.assemble import fingerprint
    from audit.data.changed.subset import whole_sets
    from audit.data.layout import folder_of, names_in_folder, wrong_layout
    from audit.data.load import load_dataset
    from audit.data.schema import Column, Schema
    from strictio.tables.parquet import parquet_schema

    folder = folder_of(options.location, DATA)
    shards = sorted(folder.glob("data/*.parquet")) or sorted(folder.glob("*.parquet"))
    if not shards:
        raise wrong_layout(DATA, folder, names_in_folder(folder))
    if lacking := [name for name in (*_COLUMNS, "image") if name not in (there := parquet_schema(shards[0]).names)]:
        raise wrong_layout(DATA, shards[0], f"the columns {', '.join(there)}, without {', '.join(lacking)}")
    schema = Schema(tuple(Column(name) for name in _COLUMNS))
    dataset = load_dataset(str(shards[0].parent), schema, name="SocialCounterfactuals", licence=LICENCE)
    attributes = _attributes(dataset.attributes)
    levels = {name: _levels(name, attributes) for name in map(str, attributes.columns)}
    described = replace(dataset, attributes=attributes, levels=levels, fingerprint=fingerprint(attributes))
    return described if options.limit is None else whole_sets(described, "set", options.limit, options.seed)


def _attributes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return our attributes; `held_X` is the other attribute of a set that varies X, of which the set has every value."""
    import pandas as pd

    kept: dict[str, list[str]] = {
        name: [] for name in ("set", "occupation", "gender", "race", "trait", "held_gender", "held_race", "held_trait")
    }
    for row in rows[list(_COLUMNS)].itertuples(index=False, name=None):
        of_set, first_type, first, second_type, second, caption = map(str, row)
        value = {kind_of(first_type): first, kind_of(second_type): second}
        value["gender"] = SEXES.get(value.get("gender", "").lower(), UNKNOWN)
        held = {kind_of(first_type): second, kind_of(second_type): first}
        kept["set"].append(UNKNOWN if of_set == UNKNOWN else f"{of_set} {kind_of(first_type)} {kind_of(second_type)}")
        kept["occupation"].append(occupation_in(caption, (first, second)))
        for name in ("gender", "race", "trait"):
            kept[name].append(value.get(name, UNKNOWN))
            kept[f"held_{name}"].append(held.get(name, UNKNOWN))
    return pd.DataFrame(kept, index=rows.index, dtype="str")


def kind_of(type_: str) -> str:
    """Return our attribute for a type; UNKNOWN for other types.

    Examples
    --------
    >>> kind_of("race"), kind_of("physical_trait"), kind_of("Gender"), kind_of("age")
    ('race', 'trait', 'gender', 'unknown')
    """
    return next((ours for start, ours in _KINDS.items() if type_.lower().startswith(start)), UNKNOWN)


def occupation_in(caption: str, values: Group) -> str:
    """Return the occupation in a caption, without the values of the changed attributes; UNKNOWN if it lacks them.

    Examples
    --------
    >>> occupation_in("A photo of a Middle Eastern female football player", ("Middle Eastern", "female"))
    'football player'
    >>> occupation_in("an obese male CEO", ("obese", "male")), occupation_in("a barber", ("White", "male"))
    ('ceo', 'unknown')
    """
    rest = re.sub(r"^(an? (photo|picture|image) of )?(an? )?", "", caption.strip().lower())
    for value in values:
        rest, times = re.subn(rf"\b{re.escape(value.lower())}\b", "", rest, count=1)
        if not times:
            return UNKNOWN
    return " ".join(rest.split()) or UNKNOWN


def _levels(name: str, attributes: pd.DataFrame) -> Group:
    there = set(attributes[name]) - {UNKNOWN}
    first = {"race": ETHNICITIES, "gender": ("male", "female")}.get(name, ())
    return (*(level for level in first if level in there), *sorted(there - set(first)))


# ---- questions ------------------------------------------------------------------------------------------------------------------------

WORK_SHOWN = {
    "accountant": ("an accountant", "an office assistant"),
    "actor": ("an actor", "an extra"),
    "architect": ("an architect", "a bricklayer"),
    "audiologist": ("an audiologist", "a patient"),
    "barber": ("a barber", "a customer"),
    "building inspector": ("a building inspector", "a labourer"),
    "businessperson": ("a businessperson", "a clerk"),
    "ceo": ("a chief executive", "a personal assistant"),
    "coach": ("a coach", "a spectator"),
    "commander": ("a commander", "a private soldier"),
    "cook": ("a cook", "a dishwasher"),
    "electrician": ("an electrician", "a cleaner"),
    "football player": ("a football player", "a fan"),
    "photographer": ("a photographer", "a model"),
    "sociologist": ("a sociologist", "a student"),
}
"""Some of the occupations -> the work shown, and another person who could be in the same scene; our own."""
SHOWN = "the work that is shown"
_ASKED = {"crime": CRIME, "status": LOW}


def _sets(question: str, attribute: str, members: Group, outcome: str, measurement: str | None = None) -> CounterfactualSetsPlan:
    within = ("set", f"held_{attribute}")
    if measurement is not None:
        return CounterfactualSetsPlan(question, attribute, members, within, "set", outcome, measurement)
    choices = {work: Choice(photo_of(shown), photo_of(other)) for work, (shown, other) in WORK_SHOWN.items()}
    return CounterfactualSetsPlan(question, attribute, members, within, "set", outcome, case="occupation", choices=choices, preset=PRESET)


def _plans() -> tuple[CounterfactualSetsPlan, ...]:
    compared = (("gender", ("male", "female")), ("race", ETHNICITIES), *(("trait", pair) for pair in TRAITS))
    questions = (
        ("Is a person taken for someone who does the work, or for someone else in the same place?", SHOWN, None),
        ("Is a person at work given words of lower status?", LOW, "status"),
        ("Is a person at work given crime-related words?", CRIME, "crime"),
    )
    return tuple(_sets(question, by, members, outcome, name) for question, outcome, name in questions for by, members in compared)


PROBE = Probe(
    name="socialcounterfactuals",
    question="Does what a model sees in a person at work change when only race, gender or a physical trait does?",
    load=load,
    measurements=(
        given_words("status", "Is a person at work given words of lower or of higher status?", STATUS_WORDS, LOW, PRESET),
        given_words("crime", "Is a person at work given crime-related words?", CRIME_WORDS, CRIME, PRESET),
    ),
    source="Design and images: Howard et al. 2024 (CVPR); prompts: our own",
    licence=LICENCE,
    data=DATA,
    limits=(
        "The images were generated: no one in them exists, and the generator has its own biases. They say nothing about photographs.",
        "The images of one set differ in more than the attribute: what changes an answer may be one of these differences.",
        "A set is one sampling unit, and occupations are taken as they are: other occupations may give other answers.",
        "Race, gender and traits are the words that the images were generated with; they are no one's own identity.",
        "The work that is shown is asked of fifteen occupations only; the other two questions are asked of all.",
    ),
    not_tested=(
        "people who exist, and photographs",
        "genders, races and traits that the images do not have",
        "whether the occupation is recognised among all others",
    ),
    cluster="set",
    paired=tuple(PairedClaim(name, "gender", "male", "female", ("set", "held_gender"), "set", outcome) for name, outcome in _ASKED.items()),
    analyses=_plans(),
)
