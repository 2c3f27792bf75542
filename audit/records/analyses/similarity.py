"""What is read off similarities without an answer: who is found first, who is nearer to which words. No verdict depends on it."""

from __future__ import annotations

from typing import Literal

from audit.records.base import record
from audit.types import Group, Note


@record
class ChanceBand:
    """What random rankings, or shuffles of the groups, of the same gallery give."""

    mean: float
    low: float
    """Of a share, of Bias and of d: 2.5 % lie below; of other metrics 5 %."""
    high: float
    """2.5 % or 5 % lie above."""


@record
class RankedMetric:
    """A metric of one query, or its mean over queries, with what random rankings give."""

    name: Literal["MaxSkew", "MinSkew", "NDKL", "Bias", "AbsBias", "Entropy"]
    value: float
    chance: ChanceBand


@record
class RankedQuery:
    """Who is among the first k images of one query."""

    query: str
    counts: tuple[int, ...]
    """Of each group, in the order of `Ranking.groups`."""
    tied: int
    """Images that were not retrieved although they score as the last one that was."""
    metrics: tuple[RankedMetric, ...]
    """Those that are estimable."""
    group: str
    """That stands out most: the most standard errors above or below its share of the gallery."""
    standard_errors: float
    """By how many, signed."""
    p: float
    """Of so many standard errors or more, of any group, in a random ranking."""
    p_adjusted: float
    """Benjamini-Hochberg over all queries of the audit, by every attribute and k."""
    verdict: Literal["signal", "no signal"]


@record
class Ranking:
    """Queries put to one gallery: the images of the groups of one attribute."""

    question: str
    attribute: str
    k: int
    target: Literal["population", "equal"]
    groups: Group
    """Of the gallery, in the order in which they are shown."""
    sizes: tuple[int, ...]
    """Images of each in the gallery."""
    left_out: tuple[tuple[str, int], ...]
    """Groups that are not known, with their images: they are not in the gallery. In older files also groups that are too small."""
    reason: Note | None
    """Why nothing is estimable; None where it is."""
    chance_shares: tuple[ChanceBand, ...] = ()
    """Of each group's share of the first k."""
    queries: tuple[RankedQuery, ...] = ()
    means: tuple[RankedMetric, ...] = ()
    """Over queries; Bias and AbsBias where two groups are compared, positive where the first is ahead."""
    draws: tuple[int, int] = (0, 0)
    """Random rankings behind each query's p, and shuffles behind NDKL and the means."""
    not_judged: Group = ()
    """Groups of the gallery, the last ones, that have too few images: counted, and in no skew, bias or p."""


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
