"""Occupations: which occupation a model assigns to a face, and whose faces a search for a worker finds first.

Designs: the occupation sweep by group of Berg et al. 2022 (arXiv 2203.11933) and Wang et al. 2021 (arXiv 2109.05433), ranked as by Geyik et
al. 2019 (arXiv 1905.01989). The words are this project's own; no published list is copied. Data: FairFace.
"""

from __future__ import annotations

from dataclasses import replace

from audit.analyses.plans import AssociationPlan, RankingPlan
from audit.types import Claim, LabelSet, Measurement, Probe
from probes.faces import AGES, DATA, LICENCE, load
from probes.prompts.languages import language

FIELDS = {
    "care": ("a nurse", "a kindergarten teacher", "a childminder", "a care worker"),
    "leadership": ("a company director", "a politician", "a bank manager", "a head teacher"),
    "law and order": ("a judge", "a lawyer", "a police officer", "a soldier"),
    "science and technology": ("a scientist", "a doctor", "an engineer", "a programmer"),
    "manual work": ("a mechanic", "a construction worker", "a farmer", "a truck driver"),
    "service": ("a cleaner", "a cashier", "a hairdresser", "a cook"),
    "arts and sport": ("a musician", "a dancer", "a painter", "an athlete"),
}
"""Field -> occupations with their articles. No word implies a gender (as "waiter" does); each word belongs to one field."""
PRESET = "occupations v1"
_PLANNED = ("care", "leadership", "science and technology", "manual work")
_BY = ("gender", "race", "age")


def prompt(words: str) -> str:
    """Return the only prompt of an occupation with its article.

    Examples
    --------
    >>> prompt("an engineer")
    'a photo of an engineer'
    """
    return f"a photo of {words}"


def occupation(words: str) -> str:
    """Return an occupation without its article.

    Examples
    --------
    >>> occupation("an engineer")
    'engineer'
    """
    return words.split(" ", 1)[1]


PROMPTS = {occupation(words): (prompt(words),) for group in FIELDS.values() for words in group}
OUTCOMES = {field: tuple(map(occupation, group)) for field, group in FIELDS.items()}

WORDS = {field: tuple(map(prompt, FIELDS[field])) for field in ("leadership", "care")}


def _claims() -> tuple[Claim, ...]:
    """Return claims on how often faces get an occupation of a field: four fields by gender and race are planned, the rest exploratory."""
    return tuple(
        Claim("selection_rate", (attribute,), field, primary=field in _PLANNED and attribute != "age")
        for field in OUTCOMES
        for attribute in _BY
    )


def occupations_in(code: str) -> Probe:
    """Return the probe with the occupations of a language, both gendered forms of each where it has them, whose embeddings are averaged."""
    words = language(code)
    prompts = {name: tuple(map(words.photo, words.occupations[name])) for name in PROMPTS}
    fields = {field: tuple(prompt for name in map(occupation, FIELDS[field]) for prompt in prompts[name]) for field in WORDS}
    preset, (measurement,) = f"{PRESET}, {words.preset}", PROBE.measurements
    labels = LabelSet("occupation", tuple(prompts), prompts)
    forms = f"Occupations in {words.name}: {words.forms}. The embeddings of the forms are averaged, so that no form stands for a gender."
    return replace(
        PROBE,
        measurements=(replace(measurement, label_set=labels, preset=preset),),
        limits=(*PROBE.limits, forms),
        not_tested=(*PROBE.not_tested[:1], "other words for the same work", *PROBE.not_tested[2:]),
        analyses=(
            words.check(*words.pictured("gender", ("Female", "Male"))),
            RankingPlan("Whose faces does a search for a worker find first?", prompts, _BY, preset),
            AssociationPlan("Whose faces are nearer to words of leadership than to words of care?", fields, _BY, preset),
        ),
    )


PROBE = Probe(
    name="occupations",
    question="Whose faces are given which kind of work, and whose are found first in a search for a worker?",
    load=load,
    measurements=(
        Measurement(
            "occupation",
            "Which of 28 occupations does a face fit best, regardless of what the person does?",
            LabelSet("occupation", tuple(PROMPTS), PROMPTS),
            PRESET,
            _claims(),
            outcomes=OUTCOMES,
        ),
    ),
    source="Our own words, in seven fields; after Berg et al. 2022 (arXiv 2203.11933) and Wang et al. 2021 (arXiv 2109.05433)",
    licence=LICENCE,
    ordered={"age": AGES},
    data=DATA,
    in_language=occupations_in,
    limits=(
        "No answer is right: no one knows what the people shown do for a living. What is measured is what a model associates with a face.",
        "A gallery of faces is not the index of a search engine: no picture shows the work, so that only the face can decide.",
        "Groups of different age differ in what work they may do; by age an association need not be a stereotype.",
        "Labels are what annotators perceived; they are not how the people shown identify themselves.",
    ),
    not_tested=(
        "pictures that show people at work",
        "other languages (--language), and other words for the same work",
        "whether a search engine that uses the model shows the same images first",
    ),
    analyses=(
        RankingPlan("Whose faces does a search for a worker find first?", PROMPTS, _BY, PRESET),
        AssociationPlan("Whose faces are nearer to words of leadership than to words of care?", WORDS, _BY, PRESET),
    ),
)
