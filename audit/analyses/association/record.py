"""Whose images are nearer to which words, or to which images. No verdict depends on it."""

from __future__ import annotations

from typing import Literal

from audit.analyses.base.records import ChanceBand
from audit.records.base import record
from audit.types import Note


@record
class AssociatedGroup:
    """A group against the rest of the gallery."""

    group: str
    n: int
    difference: float
    """Of means: how much nearer than the others' the group's images are to the first words than to the second, or to one concept.

    In cosine.
    """
    effect_size: float | None
    """d: the same in standard deviations; None where all images are as near."""
    chance: ChanceBand | None
    """Of d, when groups are shuffled."""
    p: float
    p_adjusted: float
    """Benjamini-Hochberg over all associations of the audit."""
    verdict: Literal["signal", "no signal"]


@record
class AssociationTest:
    """Two lists of words, or one concept, and the images of the groups of one attribute."""

    question: str
    attribute: str
    first: str
    """Name of the words that a positive effect is nearer to."""
    second: str
    """Empty of a concept, which the images are near to or far from (C-ASC)."""
    left_out: tuple[tuple[str, int], ...]
    """Groups too small to be compared, or not known, with their images."""
    reason: Note | None
    """Why nothing is estimable; None where it is."""
    groups: tuple[AssociatedGroup, ...] = ()
    """Each against the rest; of two groups the first."""
    draws: int = 0
    """Shuffles behind p; of an exact one all arrangements, of the smallest group."""
    images: tuple[int, int] | None = None
    """How many images each name stands for, where images are compared with images (iEAT); None: words."""
    exact: bool = False
    """Whether every arrangement of the groups was tried for every p."""
