"""Whose images queries find first. No verdict depends on it."""

from __future__ import annotations

from typing import Literal

from audit.analyses.base.records import ChanceBand
from audit.records.base import record
from audit.types import Group, Note


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
