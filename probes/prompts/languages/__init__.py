"""Words of probes in languages other than English: one TOML file per language, with the texts that show whether a model understands it.

Every word has the form that a native speaker would write, with its article. Where a language has gendered forms of an occupation, both
are listed, the masculine first: a prompt or a word list always has both, so that the grammar of a word does not stand for a gender. The
pairs of words that check understanding avoid words that look like their English translation, which a model could recognise by its letters
alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from audit.analyses.plans import LanguagePlan, PicturedContrast, WordContrast
from audit.types import Group
from probes.prompts import fill

ENGLISH = "en"
PHOTO = "a photo of {label}"
"""The English template."""


@dataclass(frozen=True)
class Language:
    """The words of one language."""

    code: str
    """ISO 639-1."""
    name: str
    """In English."""
    version: int
    forms: str
    """Which gendered forms the occupations have."""
    template: str
    """A caption of a photo, with ``{label}``."""
    named: str
    """A person with a name, with ``{label}``."""
    people: Mapping[str, str]
    """woman, man, person and dog, with their articles."""
    occupations: Mapping[str, Group]
    """English occupation -> its forms in the language, with their articles."""
    women: Group
    """Given names."""
    men: Group
    she: Group
    """Sentences with a pronoun; those of `he` differ in the pronoun, and in what agrees with it."""
    he: Group
    leadership: Group
    """Words of leadership other than occupations."""
    care: Group
    sentences: Group
    """The sentences of `ENGLISH_SENTENCES`, translated."""
    concepts: Group
    """Things unrelated to people and work."""
    contrasts: tuple[WordContrast, ...]
    """Pairs of words with their English translations, those about people first."""

    @property
    def preset(self) -> str:
        """Name and version of the texts, after those of a probe: ``"German v1"``."""
        return f"{self.name} v{self.version}"

    def photo(self, words: str) -> str:
        """A caption for a photo."""
        return fill(self.template, words)

    def called(self, names: Group) -> Group:
        """A person with each name."""
        return tuple(fill(self.named, name) for name in names)

    def forms_of(self, *occupations: str) -> Group:
        """All forms of some occupations."""
        return tuple(form for occupation in occupations for form in self.occupations[occupation])

    def check(self, *pictured: PicturedContrast) -> LanguagePlan:
        """The question whether a model understands the language, with contrasts to check on images."""
        return LanguagePlan(f"Does the model understand {self.name}?", self.code, self.name, self.contrasts, self.preset, pictured)

    def pictured(self, attribute: str, levels: tuple[str, str]) -> tuple[PicturedContrast, PicturedContrast]:
        """What images of people show: `levels` are the values of women and men in `attribute`; and a person, not a dog."""
        woman, man, person, dog = (self.photo(self.people[name]) for name in ("woman", "man", "person", "dog"))
        english = tuple(fill(PHOTO, f"a {name}") for name in ("woman", "man", "person", "dog"))
        return (
            PicturedContrast(WordContrast("a woman / a man", (woman, man), (english[0], english[1])), attribute, levels),
            PicturedContrast(WordContrast("a person / a dog", (person, dog), (english[2], english[3]))),
        )


@cache
def codes() -> Group:
    """The codes of all languages, English first."""
    listed = sorted(entry.name.removesuffix(".toml") for entry in files(__name__).iterdir() if entry.name.endswith(".toml"))
    return (ENGLISH, *listed)


@cache
def language(code: str) -> Language:
    """The words of a language other than English, by its code."""
    content = tomllib.loads(files(__name__).joinpath(f"{code}.toml").read_text("utf-8"))
    contrasts = content.pop("contrasts")
    pairs = [(kind == "people", pair) for kind in ("people", "things") for pair in contrasts[kind]]
    read = tuple(
        WordContrast(f"{first_english} / {second_english}", (first, second), (first_english, second_english), people)
        for people, (first, first_english, second, second_english) in pairs
    )
    listed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    forms = {english: tuple(words) for english, words in content["occupations"].items()}
    listed |= {"code": code, "occupations": forms, "contrasts": read}
    return Language(**listed)
