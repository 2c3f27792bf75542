"""Labels above a threshold, as a vision service gives them: whose images get which?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class TaggingPlan(AnalysisPlan):
    """A large label set, of which an image gets every label above a threshold; none is the right one."""

    labels: Mapping[str, Group]
    """label -> its prompts, whose normalised embeddings are averaged: ``{"nurse": ("a photo of a nurse",)}``."""
    by: Group
    """Attributes whose groups are compared, each by itself; none: every attribute of the data."""
    preset: str
    """Name and version of the words."""
    thresholds: tuple[float, ...] = (0.005, 0.04)
    """Probabilities that a label must exceed: those of Radford et al. 2021 (section 7.1) are .5 % and 4 %."""
