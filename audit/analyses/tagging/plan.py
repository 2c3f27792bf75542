"""Labels above a threshold, like those of a vision service: whose images get which?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class TaggingPlan(AnalysisPlan):
    """A large label set, from which an image gets every label above a threshold; there is no true label."""

    labels: Mapping[str, Group]
    """label -> its prompts, whose normalised embeddings are averaged: ``{"nurse": ("a photo of a nurse",)}``."""
    by: Group
    """Attributes whose groups are compared, one attribute at a time; none: every attribute of the data."""
    preset: str
    """Name and version of the labels."""
    thresholds: tuple[float, ...] = (0.005, 0.04)
    """Probabilities that a label must exceed; Radford et al. 2021 (section 7.1) use .5 % and 4 %."""
