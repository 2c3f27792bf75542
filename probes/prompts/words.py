"""Word lists of probes: checks words, and returns prompts with the right article and a title with version, count and hash."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from audit.errors import UsageError
from audit.types import Group

Part = Literal["noun", "adjective", "phrase"]
_VOWELS = "aeiou"
_LIKE_A_CONSONANT = ("eu", "one", "unicorn", "uniform", "union", "unique", "universal", "university", "use", "usual", "utensil")
_SILENT_H = ("heir", "honest", "honour", "hour")


@dataclass(frozen=True)
class WordList:
    """Words by area, without duplicates in the whole list."""

    name: str
    version: int
    areas: Mapping[str, tuple[Part, Group]]
    """area -> part of speech, words without article."""

    @property
    def words(self) -> Group:
        """Every word, in the order of the areas."""
        return tuple(word for _, words in self.areas.values() for word in words)

    @property
    def title(self) -> str:
        """Name, version, number of words and the beginning of their hash: ``"moderation v1, 40 words, 1a2b3c4d"``."""
        text = "\n".join(f"{area}\t{part}\t{word}" for area, (part, words) in self.areas.items() for word in words)
        return f"{self.name} v{self.version}, {len(self.words)} words, {hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def prompts(self, *areas: str) -> dict[str, Group]:
        """Return word -> its only prompt, for some areas or all."""
        chosen = areas or tuple(self.areas)
        return {word: (word_prompt(word, self.areas[area][0]),) for area in chosen for word in self.areas[area][1]}

    def outcomes(self) -> dict[str, Group]:
        """Return area -> words."""
        return {area: words for area, (_, words) in self.areas.items()}


def word_list(name: str, version: int, areas: Mapping[str, tuple[Part, str]]) -> WordList:
    """Return a list from comma-separated words by area; outer spaces are removed, and characters are composed (NFC).

    Raises UsageError for empty entries, and for duplicates in any area, ignoring case.

    Examples
    --------
    >>> word_list("made up", 1, {"work": ("noun", "nurse,  engineer ")}).prompts()
    {'nurse': ('a photo of a nurse',), 'engineer': ('a photo of an engineer',)}
    """
    read: dict[str, tuple[Part, Group]] = {}
    seen: dict[str, str] = {}
    for area, (part, text) in areas.items():
        words = tuple(unicodedata.normalize("NFC", " ".join(word.split())) for word in text.split(","))
        for word in words:
            if not word:
                raise UsageError(f"an empty entry in the word list {name!r}", where=area, fix="delete it")
            if word.casefold() in seen:
                first = seen[word.casefold()]
                raise UsageError(f"{word!r} stands twice in the word list {name!r}", where=f"{first}, {area}", fix="keep it in one place")
            seen[word.casefold()] = area
        read[area] = (part, words)
    return WordList(name, version, read)


def word_prompt(word: str, part: Part) -> str:
    """Return the prompt of a word: nouns and adjectives get an article, phrases stay unchanged.

    Examples
    --------
    >>> word_prompt("honest", "adjective"), word_prompt("union leader", "noun"), word_prompt("brown hair", "phrase")
    ('a photo of an honest person', 'a photo of a union leader', 'a photo of brown hair')
    """
    if part == "phrase":
        return f"a photo of {word}"
    return f"a photo of {indefinite(word)} {word}{' person' if part == 'adjective' else ''}"


def indefinite(word: str) -> str:
    """Return the indefinite article for the initial sound of a word.

    Examples
    --------
    >>> [indefinite(word) for word in ("usher", "user", "unhealthy", "uniform", "heir", "hair")]
    ['an', 'a', 'an', 'a', 'an', 'a']
    """
    start = word.casefold()
    if start.startswith(_SILENT_H):
        return "an"
    return "an" if start[0] in _VOWELS and not start.startswith(_LIKE_A_CONSONANT) else "a"
