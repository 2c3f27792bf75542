"""Sets of images that differ in one attribute: how often do the answers differ?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class Choice:
    """Two answers for the images of one case, such as one scene; an image gets the nearer one."""

    first: tuple[str, ...]
    """Prompts, whose normalised embeddings are averaged."""
    second: tuple[str, ...]


@dataclass(frozen=True)
class CounterfactualSetsPlan(AnalysisPlan):
    """Sets of images that differ in one attribute: how often do the answers differ, and in which direction do scores shift?

    The answers are those of a measurement, or for each case the nearer of two answers.
    """

    attribute: str
    members: Group
    """Levels of the attribute, in display order: a set has one image of each."""
    within: Group
    """Attributes that together identify a set."""
    cluster: str
    """The attribute whose levels are independent units."""
    outcome: str
    """The outcome whose probability is the score: a name in the measurement's outcomes, or what the first answers of all choices share."""
    measurement: str | None = None
    case: str | None = None
    """The attribute whose levels have their own choices; images of other levels are skipped."""
    choices: Mapping[str, Choice] = field(default_factory=dict)
    """level of `case` -> its choice."""
    preset: str = ""
    """Name and version of the prompts of the choices."""
