"""Two sets of texts: which does the text tower put nearer to which words?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class TextAssociationPlan(AnalysisPlan):
    """Two sets of texts: does the text tower put the first nearer to some words than the second? No image is needed."""

    targets: Mapping[str, Group]
    """Two names, each with its texts: ``{"women": ("Mary", …), "men": ("James", …)}``."""
    words: Mapping[str, Group]
    """Two names, each with its texts: ``{"career": ("an office", …), "family": ("a home", …)}``."""
    concepts: Group
    """Texts that have nothing to do with either; as many as both sets of targets have, and more: random sets of them are the control."""
    preset: str
    """Name and version of the texts."""
