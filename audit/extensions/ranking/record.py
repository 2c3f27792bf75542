"""Whose images queries retrieve first. No verdict depends on it."""

from __future__ import annotations

from typing import Literal

from audit.analyses.records import ChanceBand
from audit.records.base import record
from audit.types import Group, Note

MOST_RANKED = 1000
"""Positions of the order of a query's own gallery that NDKL covers, at most."""


@record
class RankedMetric:
    """A metric of one query, or its mean over queries, with its range under random rankings."""

    name: Literal["MaxSkew", "MinSkew", "NDKL", "Bias", "AbsBias", "Entropy"]
    value: float
    chance: ChanceBand
    sd: float | None = None
    """For a mean over queries that have a gallery each: the standard deviation over queries (n - 1)."""


@record
class RankedQuery:
    """The groups among the first k images of one query."""

    query: str
    counts: tuple[int, ...]
    """Images of each group, in the order of `Ranking.groups`."""
    tied: int
    """Images that were not retrieved although they tie with the last one that was."""
    metrics: tuple[RankedMetric, ...]
    """Only those that are estimable."""
    group: str
    """The group that deviates most: the most standard errors above or below its share of the gallery."""
    standard_errors: float
    """Its deviation, signed."""
    p: float
    """Probability of a deviation this large, in any group, in a random ranking."""
    p_adjusted: float
    """Benjamini-Hochberg over all queries of the audit, by every attribute and k."""
    verdict: Literal["signal", "no signal"]
    sizes: tuple[int, ...] = ()
    """Images of each group in the query's own gallery; empty: those of the ranking."""
    chance_shares: tuple[ChanceBand, ...] = ()
    """Expected range of each group's share of the first k in its own gallery; empty: that of the ranking."""


@record
class Ranking:
    """Queries on one gallery, the images of the groups of one attribute; or on a gallery for each query."""

    question: str
    attribute: str
    k: int
    target: Literal["population", "equal"]
    groups: Group
    """Groups of the gallery, in display order."""
    sizes: tuple[int, ...]
    """Images of each group in the gallery, or in all galleries together."""
    left_out: tuple[tuple[str, int], ...]
    """Unknown groups, with their numbers of images: they are not in the gallery."""
    reason: Note | None
    """Why nothing is estimable; None if it is."""
    chance_shares: tuple[ChanceBand, ...] = ()
    """Expected range of each group's share of the first k."""
    queries: tuple[RankedQuery, ...] = ()
    means: tuple[RankedMetric, ...] = ()
    """Over queries; Bias and AbsBias only if two groups are compared. Bias is positive if the first is ahead."""
    draws: tuple[int, int] = (0, 0)
    """Random rankings behind each query's p, and shuffles behind NDKL and the means."""
    not_judged: Group = ()
    """Groups of the gallery (the last ones) that have too few images: counted, but not used for skew, bias or p."""
    gallery: str | None = None
    """The attribute that names the query of each image: each query then ranks only its own images, NDKL covers their whole order (otherwise
    the first k), and the expected ranges of the metrics are those of its own gallery. None: all queries rank all images."""
    not_ranked: tuple[tuple[str, int], ...] = ()
    """Queries whose gallery shows fewer than two groups, or at most k images; with their numbers of images."""
