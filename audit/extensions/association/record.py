"""Which group's images are nearer to which words or images. No verdict depends on it."""

from __future__ import annotations

from typing import Literal

from audit.analyses.records import ChanceBand
from audit.records.base import record
from audit.types import Note


@record
class AssociatedGroup:
    """A group compared with the rest of the gallery."""

    group: str
    n: int
    difference: float
    """Difference of means: how much nearer the group's images are than the others' to the first words than to the second, or to a concept.

    Cosine similarity.
    """
    effect_size: float | None
    """d: the same in standard deviations; None if all images are equally near."""
    chance: ChanceBand | None
    """Expected range of d under shuffled groups."""
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
    """Name of the words; a positive effect means nearer to these."""
    second: str
    """Empty for a single concept, which images may be near to or far from (C-ASC)."""
    left_out: tuple[tuple[str, int], ...]
    """Groups that are too small to compare, or unknown, with their numbers of images."""
    reason: Note | None
    """Why nothing is estimable; None if it is."""
    groups: tuple[AssociatedGroup, ...] = ()
    """Each compared with the rest; with two groups only the first."""
    draws: int = 0
    """Shuffles behind p; for an exact p the number of all arrangements, for the smallest group."""
    images: tuple[int, int] | None = None
    """Number of images in each named set, if images are compared with images (iEAT); None for words."""
    exact: bool = False
    """Whether every p comes from all arrangements of the groups."""
