"""Which words are used about whom, in texts that were written about images. No verdict depends on it."""

from __future__ import annotations

from typing import Literal

from audit.analyses.base.records import ChanceBand
from audit.records.base import record
from audit.types import Group, Note


@record
class WordRate:
    """A word, and the share of each group's texts that use it; or another trait of the texts."""

    kind: Literal["word", "length", "empty", "refusal"]
    """Of a length the means are numbers of words; of the others shares of texts."""
    word: str
    """Empty unless it is one."""
    means: tuple[float, ...]
    """Of each group, in the order of `WordRates.groups`."""
    group: str
    """That stands out most."""
    difference: float
    """The group's mean less that of all others."""
    low: float
    """Interval of the difference, not adjusted."""
    high: float
    chance: ChanceBand
    """Of the group's mean, when groups are shuffled."""
    p: float
    """Of a group that stands out so far or farther, in this word alone."""
    p_adjusted: float
    """In any word after any prompt (Westfall-Young), times the number of attributes."""
    verdict: Literal["signal", "no signal"]


@record
class WordRates:
    """Texts after one prompt, and the groups of one attribute."""

    question: str
    prompt: str
    """Its short name."""
    attribute: str
    groups: Group
    """That are compared, in the order in which they are shown."""
    sizes: tuple[int, ...]
    """Texts about each: one an image."""
    left_out: tuple[tuple[str, int], ...]
    """Groups too small to be compared, or not known, with their images."""
    least: float
    """Share of the texts that a word is at least in."""
    reason: Note | None
    """Why nothing is estimable; None where it is."""
    rates: tuple[WordRate, ...] = ()
    """Everything that was looked at."""
    draws: int = 0
    """Shuffles behind p."""
