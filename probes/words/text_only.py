"""The text tower alone: which names, pronouns, dialects and languages a model places close to which words. No images are used.

Design: word association tests (Caliskan, Bryson and Narayanan 2017, arXiv 1608.07187), with random neutral concepts as a second null. The
sets of words and their sources are in `probes.prompts.associations`; sentences in other languages are this project's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from audit.analyses.plans import TextAssociationPlan
from audit.types import Probe
from probes.prompts.associations import BLACK, CLAUSES, CONCEPTS, DIALECT, MEN, SETS, VALENCE, WHITE, WOMEN, WORK
from probes.prompts.languages import language

ENGLISH = ("The child is playing.", "We are eating bread.", "The train is late.", "My mother sings.", "It rains.", "He is writing.")
PRESET = "text only v1"


NAMES_TO_WORK, PRONOUNS_TO_WORK = (
    "Are women's names nearer to words of leadership than men's?",
    "Is 'she' nearer to words of leadership than 'he'?",
)
LEADERS = ("company director", "bank manager", "politician", "judge", "engineer", "scientist")
CARERS = ("nurse", "childminder", "cleaner", "care worker")
"""Occupations whose translations are words of leadership and of care in other languages."""


def _called(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"a person called {name}" for name in names)


def _plan(question: str, targets: Mapping[str, tuple[str, ...]], words: Mapping[str, tuple[str, ...]]) -> TextAssociationPlan:
    return TextAssociationPlan(question, targets, words, CONCEPTS, f"{PRESET}, {SETS}")


def texts_in(code: str) -> Probe:
    """Return the probe with the names, pronouns and words of a language, and whether the language itself is nearer to pleasant words."""
    words = language(code)
    work = {
        "leadership": (*words.forms_of(*LEADERS), *words.leadership),
        "care": (*words.forms_of(*CARERS), *words.care),
    }
    preset = f"{PRESET}, {words.preset}"
    own = (
        TextAssociationPlan(
            NAMES_TO_WORK,
            {"women's names": words.called(words.women), "men's names": words.called(words.men)},
            work,
            words.concepts,
            preset,
        ),
        TextAssociationPlan(PRONOUNS_TO_WORK, {"she": words.she, "he": words.he}, work, words.concepts, preset),
        _plan(f"Is {words.name} nearer to pleasant words than English?", {words.name: words.sentences, "English": ENGLISH}, VALENCE),
    )
    limits = (
        *LIMITS,
        f"The names are frequent in one country where {words.name} is spoken. Gendered forms of the occupations: {words.forms}.",
        "The two sets of sentences differ in their language, and so in what the model was trained on in each.",
    )
    not_tested = ("images", f"other names, other words, and other varieties of {words.name}", "longer texts")
    return replace(PROBE, limits=limits, not_tested=not_tested, analyses=(words.check(), *own))


LIMITS = (
    "An association of texts is not an answer about a picture: it neither shows nor rules out what the model says of people.",
    "A name is no group: who bears it is known of the many, not of the one.",
    "d is large for small sets by chance, so it is shown with random neutral concepts and with the d that would be detected.",
)
PROBE = Probe(
    name="text_only",
    question="Which names, pronouns, dialects and languages does the text tower put near to which words?",
    load=None,
    measurements=(),
    source="Our own texts, after Caliskan, Bryson and Narayanan 2017 (arXiv 1608.07187)",
    licence="our own texts; no data",
    limits=(
        *LIMITS,
        "The names are frequent in the United States.",
        "The sentences in dialect show a few features that linguists describe; no speaker wrote them.",
    ),
    not_tested=("images", "other names and dialects, and other languages (--language)", "longer texts"),
    in_language=texts_in,
    analyses=(
        _plan(NAMES_TO_WORK, {"women's names": _called(WOMEN), "men's names": _called(MEN)}, WORK),
        _plan(
            PRONOUNS_TO_WORK,
            {"she": tuple(f"she {rest}" for rest in CLAUSES), "he": tuple(f"he {rest}" for rest in CLAUSES)},
            WORK,
        ),
        _plan(
            "Are names typical of Black people nearer to pleasant words than those of White people?",
            {"names typical of Black people": _called(BLACK), "names typical of White people": _called(WHITE)},
            VALENCE,
        ),
        _plan("Is African American English nearer to pleasant words than mainstream English?", DIALECT, VALENCE),
    ),
)
