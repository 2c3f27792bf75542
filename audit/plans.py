"""What a probe fixes before the run besides its measurements: pairs, rankings, specifications, published tables, what-ifs. Words, names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from audit.types import Claim, Measurement

Group = tuple[str, ...]
"""The levels of one group, in the order of the attributes that define it: ``("Black", "Female")``."""
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


@dataclass(frozen=True)
class PairedClaim:
    """Counterfactual images: same set, one attribute changed."""

    measurement: str
    attribute: str
    first: str
    second: str
    within: tuple[str, ...]
    """Attributes that identify a set together: images that agree on all of them differ only in `attribute`."""
    cluster: str
    """The attribute whose levels are independent units (several sets of one occupation are one drawing in variations)."""
    outcome: str | None = None
    """A name in `Measurement.outcomes`: is it given to one of the two alone? None: is one of the two alone answered right?"""


@dataclass(frozen=True)
class RankingPlan:
    """Queries, each of which puts all images in an order: whose images come first?"""

    question: str
    queries: Mapping[str, tuple[str, ...]]
    """query -> its prompts, whose normalised embeddings are averaged: ``{"doctor": ("a photo of a doctor",)}``."""
    by: Group
    """Attributes whose groups are compared, each by itself."""
    preset: str
    """Name and version of the prompts."""
    ks: tuple[int, ...] = ()
    """How many images are retrieved; none: a tenth of the gallery, at most 1,000."""
    target: Literal["population", "equal"] = "population"
    """What share of the first k a group should have: its share of the gallery, or the same as every other."""


@dataclass(frozen=True)
class AssociationPlan:
    """Two lists of words: whose images are nearer to the first than to the second?"""

    question: str
    words: Mapping[str, Group]
    """Two names, each with its prompts: ``{"career": ("a photo of an office", …), "family": ("a photo of a home", …)}``."""
    by: Group
    """Attributes; each group is compared with the rest."""
    preset: str
    """Name and version of the prompts."""


@dataclass(frozen=True)
class Specification:
    """One way to ask the same question."""

    preset: str
    variant: str
    measurement: Measurement


@dataclass(frozen=True)
class SpecificationPlan:
    """The same claim under every preset and label-set variant; `default` was chosen before the run."""

    question: str
    claim: Claim
    specifications: tuple[Specification, ...]
    default: int
    """Index of the default in `specifications`."""
    embedded_only: Group = ()
    """Presets that a generative model is not asked: each would cost it a pass over every image, and an encoder some lines of text."""


@dataclass(frozen=True)
class CellReference:
    """Points to one rate of a finding."""

    finding: str
    group: Group


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table: cells (fractions, None where blank) and our rates to compare with them."""

    label: str
    published: tuple[float | None, ...]
    ours: tuple[CellReference | None, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A published table, every cell, with a sentence on what is and is not comparable."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    source: str
    comparability: str
