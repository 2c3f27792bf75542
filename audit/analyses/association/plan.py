"""Associations with words or with sets of images: which group's images are nearer to which?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class AssociationPlan(AnalysisPlan):
    """Two lists of words, or two sets of images: which group's images are nearer to the first than to the second?

    Or each list of words by itself, compared with all images.
    """

    words: Mapping[str, Group]
    """Two names with their prompts: ``{"career": ("a photo of an office", …), "family": ("a photo of a home", …)}``. May be empty."""
    by: Group
    """Attributes; each group is compared with the rest."""
    preset: str
    """Name and version of the prompts."""
    single: bool = False
    """Whether every name (then there may be any number) is a concept by itself (C-ASC); the embeddings of its prompts are averaged."""
    images: Mapping[str, Mapping[str, Group]] = field(default_factory=dict)
    """Used instead of words: two names, each with the attribute values that select its images (iEAT); all attributes must match.

    ``{"office": {"place": ("office", "shop")}, "home": {"place": ("home",)}}``. These images are not among those whose groups are compared.
    """
