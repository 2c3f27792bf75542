"""Words, or sets of images: whose images are nearer to which?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class AssociationPlan(AnalysisPlan):
    """Two lists of words, or two sets of images: whose images are nearer to the first than to the second?

    Or each list of words by itself, against all images.
    """

    words: Mapping[str, Group]
    """Two names, each with its prompts: ``{"career": ("a photo of an office", …), "family": ("a photo of a home", …)}``; or none."""
    by: Group
    """Attributes; each group is compared with the rest."""
    preset: str
    """Name and version of the prompts."""
    single: bool = False
    """Whether every name, of any number, is a concept by itself (C-ASC); the embeddings of its prompts are averaged."""
    images: Mapping[str, Mapping[str, Group]] = field(default_factory=dict)
    """Instead of words two names, each with which images (iEAT), those that have one of the values of every attribute.

    ``{"office": {"place": ("office", "shop")}, "home": {"place": ("home",)}}``. They are not among the images whose groups are compared.
    """
