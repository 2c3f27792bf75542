"""What is asked of texts: of those that a generative model writes, and of a text tower alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from audit.plans.base import AnalysisPlan, Group


@dataclass(frozen=True)
class WordRatePlan(AnalysisPlan):
    """Prompts after each of which a generative model writes about every image: which words does it use about whom?"""

    prompts: Mapping[str, str]
    """Short name -> the prompt, word for word: ``{"caption": "Describe this picture in one sentence."}``."""
    by: Group
    """Attributes whose groups are compared, each by itself."""
    preset: str
    """Name and version of the prompts."""
    least: float = 0.02
    """Words that a smaller share of the texts use are left out: names, misspellings, and what no test could tell apart."""


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
