"""Two sets of texts: which is nearer to which words for the text tower?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class TextAssociationPlan(AnalysisPlan):
    """Two sets of texts: are the first nearer to some words than the second, for the text tower? No image is needed."""

    targets: Mapping[str, Group]
    """Two names, each with its texts: ``{"women": ("Mary", …), "men": ("James", …)}``."""
    words: Mapping[str, Group]
    """Two names, each with its texts: ``{"career": ("an office", …), "family": ("a home", …)}``."""
    concepts: Group
    """Texts unrelated to either, at least as many as in both target sets together: random sets of them are the control."""
    preset: str
    """Name and version of the texts."""
