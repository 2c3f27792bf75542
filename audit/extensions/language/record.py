"""Whether a model understands a language, and what it was checked by."""

from __future__ import annotations

from audit.records.base import record
from audit.types import Group


@record
class TextContrast:
    """Two texts compared with their English translations."""

    name: str
    texts: tuple[str, str]
    english: tuple[str, str]
    people: bool
    right: bool
    """Whether both together are closer to their own translations than to those of each other."""


@record
class ImageContrast:
    """Two prompts compared with images whose right answer is known."""

    name: str
    prompts: tuple[str, str]
    english_prompts: tuple[str, str]
    attribute: str
    """Empty: all images show the first."""
    images: int
    right: float
    """Share of right answers; with an attribute the mean of the shares of both groups. Chance: 1/2."""
    low: float
    """Lower bound of its 95 % interval."""
    english: float
    """The same with the English prompts."""
    passed: bool


@record
class LanguageCheck:
    """Whether a model understands a language."""

    question: str
    code: str
    language: str
    understood: bool
    needed: float
    """Share of the contrasts of texts, and of those about people, that must be right."""
    texts: tuple[TextContrast, ...]
    images: tuple[ImageContrast, ...]
    """Empty without images whose right answer is known."""
    withheld: Group
    """The questions of the probe that are not answered because the language is not understood."""
