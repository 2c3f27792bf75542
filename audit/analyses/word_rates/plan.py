"""Texts that a generative model writes: which words does it use about whom?"""

from __future__ import annotations

from dataclasses import dataclass

from audit.plans import WritingPlan


@dataclass(frozen=True)
class WordRatePlan(WritingPlan):
    """Prompts for each of which a generative model writes about every image: which words does it use about whom?"""

    preset: str
    """Name and version of the prompts."""
    least: float = 0.02
    """Words that a smaller share of the texts use are left out: names, misspellings, and words too rare for a test."""
