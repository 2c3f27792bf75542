"""Sets of images that differ in one attribute: how often do the answers differ?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class Choice:
    """Two answers of which an image gets the nearer one: what is asked of the images of one case, such as one scene."""

    first: tuple[str, ...]
    """Prompts, whose normalised embeddings are averaged."""
    second: tuple[str, ...]


@dataclass(frozen=True)
class CounterfactualSetsPlan(AnalysisPlan):
    """Sets of images that differ in one attribute: how often do the answers differ, and which way do scores shift?

    Asked are the answers to a measurement, or of each case the nearer of two answers.
    """

    attribute: str
    members: Group
    """Levels of the attribute, in the order in which they are shown: a set has one image of each."""
    within: Group
    """Attributes that identify a set together."""
    cluster: str
    """The attribute whose levels are independent units."""
    outcome: str
    """Whose probability is the score: a name in the measurement's outcomes, or what the first answers of all choices have in common."""
    measurement: str | None = None
    case: str | None = None
    """The attribute whose levels have choices of their own; images of other levels are not asked."""
    choices: Mapping[str, Choice] = field(default_factory=dict)
    """level of `case` -> its choice."""
    preset: str = ""
    """Name and version of the prompts of the choices."""
