"""Does a model understand a language? A precondition of every question in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from audit.plans import AnalysisPlan


@dataclass(frozen=True)
class WordContrast:
    """Two texts that a model must distinguish, in a language and in English."""

    name: str
    """In English: ``"a doctor / a dog"``."""
    texts: tuple[str, str]
    english: tuple[str, str]
    """Their translations, in the same order."""
    people: bool = False
    """Whether it is about a woman and a man, or other words with a gender."""


@dataclass(frozen=True)
class PicturedContrast:
    """A contrast whose right answer for every image is known."""

    contrast: WordContrast
    attribute: str = ""
    """The attribute that says which of the two texts is right; empty: the first is right for every image."""
    levels: tuple[str, str] = ("", "")
    """Its values for the first and for the second text."""


@dataclass(frozen=True)
class LanguagePlan(AnalysisPlan):
    """Does the model understand a language? If not, no other question of the probe is answered."""

    code: str
    """ISO 639-1."""
    language: str
    """In English."""
    contrasts: tuple[WordContrast, ...]
    """Compared with their translations, as texts."""
    preset: str
    """Name and version of the texts."""
    pictured: tuple[PicturedContrast, ...] = ()
    """Compared with images, by models that read them, if the data have the attribute."""

    def without_inference(self) -> LanguagePlan:
        """The same without contrasts that ask which group a person belongs to."""
        return replace(self, pictured=tuple(one for one in self.pictured if not one.attribute))
