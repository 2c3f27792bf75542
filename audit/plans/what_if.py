"""What-ifs: a question asked again with the model changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from audit.plans.base import Group

Pairs = tuple[tuple[str, str], ...]
Combined = Mapping[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Direction:
    """An attribute in words: pairs of prompts that differ in it and in nothing else."""

    pairs: Pairs
    """They span what is taken away: ("a photo of a man", "a photo of a woman")."""
    same: Pairs = ()
    """Pairs that should mean the same: ("a photo of a male doctor", "a photo of a female doctor")."""


@dataclass(frozen=True)
class RightAnswer:
    """The right answer of each image, where a measurement states none: no what-if is shown without what it costs."""

    attributes: tuple[str, ...]
    answers: Mapping[tuple[str, ...], str]
    """Levels of the attributes -> the label that fits them; an image of other levels is not scored."""
    sentence: str
    """What is then counted as right."""


@dataclass(frozen=True)
class WhatIfPlan:
    """One question to be asked again with the model changed, where `--what-if` asks for it. Everything here is chosen before the run."""

    question: str
    finding: str
    """Id of a finding by one attribute. The changes are shown on the same claim by every other attribute too."""
    neutral: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Label that accuses nobody -> its prompts; the first is the default."""
    combined: Combined = field(default_factory=dict)
    """(answer, level, level, ...) -> prompts that name other attributes too; their probabilities are summed over the answer."""
    direction: Direction | None = None
    """Of the finding's attribute."""
    right: RightAnswer | None = None
    cluster: str | None = None
    """The attribute whose images belong together and stay in one half; None: only equal images do."""
    query: str | None = None
    """A label whose prompts are searched for, so that the order of what is found may be changed."""

    def texts(self) -> dict[str, Group]:
        """Return every prompt that is not asked anyway, by the method that needs it."""
        directions, same = (self.direction.pairs, self.direction.same) if self.direction else ((), ())
        needed: dict[str, Iterable[Group]] = {
            "neutral-label": self.neutral.values(),
            "combined-prompts": self.combined.values(),
            "projection": directions,
            "calibrated-projection": same,
        }
        return {method: tuple(text for texts in groups for text in texts) for method, groups in needed.items()}
