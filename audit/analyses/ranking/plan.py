"""Queries that rank all images: whose images come first?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class RankingPlan(AnalysisPlan):
    """Queries, each of which ranks all images: whose images come first?"""

    queries: Mapping[str, tuple[str, ...]]
    """query -> its prompts, whose normalised embeddings are averaged: ``{"doctor": ("a photo of a doctor",)}``."""
    by: Group
    """Attributes whose groups are compared, one attribute at a time."""
    preset: str
    """Name and version of the prompts."""
    ks: tuple[int, ...] = ()
    """How many images are retrieved; empty: a tenth of the gallery, at most 1,000."""
    target: Literal["population", "equal"] = "population"
    """The share of the first k that a group should have: its share of the gallery, or the same share as every other group."""
