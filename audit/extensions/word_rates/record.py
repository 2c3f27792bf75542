"""Which words are used about whom in texts about images. No verdict depends on it."""

from __future__ import annotations

from typing import Literal

from audit.analyses.records import ChanceBand
from audit.records.base import record
from audit.types import Group, Note


@record
class WordRate:
    """A word, and the share of each group's texts that use it; or another trait of the texts."""

    kind: Literal["word", "length", "empty", "refusal"]
    """For a length, means are numbers of words; for the others, shares of texts."""
    word: str
    """The word; empty for other kinds."""
    means: tuple[float, ...]
    """Mean for each group, in the order of `WordRates.groups`."""
    group: str
    """The group that differs most."""
    difference: float
    """The group's mean minus that of all others."""
    low: float
    """Interval of the difference, not adjusted."""
    high: float
    chance: ChanceBand
    """Expected range of the group's mean when groups are shuffled."""
    p: float
    """Probability of a group differing at least this much, for this word alone."""
    p_adjusted: float
    """For any word with any prompt (Westfall-Young), times the number of attributes."""
    verdict: Literal["signal", "no signal"]


@record
class WordRates:
    """Texts for one prompt, and the groups of one attribute."""

    question: str
    prompt: str
    """The prompt's short name."""
    attribute: str
    groups: Group
    """Groups compared, in display order."""
    sizes: tuple[int, ...]
    """Texts about each group: one per image."""
    left_out: tuple[tuple[str, int], ...]
    """Groups that are too small to compare, or unknown, with their numbers of images."""
    least: float
    """Minimum share of the texts that must use a word."""
    reason: Note | None
    """Why nothing is estimable; None if it is."""
    rates: tuple[WordRate, ...] = ()
    """Every column tested."""
    draws: int = 0
    """Shuffles behind p."""
