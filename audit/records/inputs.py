"""What was asked, by whom, and of which images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from audit.records.base import record
from audit.types import EndpointUsage, Exclusion, Group, Note

Look = Literal["looks", "constant", "unclear", "order", "no better", "varies", "undecided"]
"""Whether the answers depend on the images. `looks`: they agree with the labels more often than the best constant answer. Of the others
accuracy says nothing about groups: every image, or every question where rows have their own, gets one answer (`constant`); nearly every
image is "unclear"; nearly every image gets one answer, and another one in another order of the options (`order`); they are not shown to
agree more often than the best constant answer, and do not follow the labels (`no better`) or do (`varies`). Where so few images leave
open that they agree far more often (`undecided`), accuracy is not called equivalent, and nothing else changes."""


RECOGNISED_RECALL = 0.1
"""Answers that follow the truth and whose recall, averaged over the true answers, is so far above a guess recognise something."""


@record
class AgainstConstant:
    """Agreement with the labels of the answers, and of the best constant answer, on the same images."""

    n: int
    """Images whose true answer is known."""
    accuracy: float
    constant: str
    """The commonest true answer."""
    constant_accuracy: float
    only_answers: int
    """Images that only the answers are right about."""
    only_constant: int
    p: float
    """Exact McNemar test; where images come in clusters, whole clusters change sign together."""
    follows_truth_p: float | None
    """Of "the commonest answer is given as often whatever the true answer" (permutation test; where images come in
    clusters, pairs of true answers, Bonferroni); None where accuracy is better, or too few clusters tell."""
    low: float | None = None
    high: float | None = None
    """Agresti-Min interval of accuracy less that of the constant answer; None in files of earlier versions, as the next."""
    recall_above_guess: float | None = None
    """Mean share of right answers over the true answers, less one over their number: what one answer, or a coin, gets. Half of the women
    found among 99 times as many men is 24 points, where "Male" for everybody is right more often."""


@record
class Responsiveness:
    """Whether the answers to a measurement depend on the images."""

    code: Look | None
    """None where it cannot be told: without true answers, or with a single one that is not one role among others."""
    n: int
    """Images answered."""
    commonest: str
    commonest_share: float
    unclear: float | None
    """Share of the answer "unclear"; None where it is not offered."""
    same_in_another_order: float | None
    """Share of images whose answer stays when the options are shuffled; None where they were not."""
    against_constant: AgainstConstant | None


def recognises_nothing(records: Iterable[Responsiveness | None]) -> bool:
    """Whether answers can be checked in some measurements, and fail in all of those: no better than one answer for every image, or a guess.

    Where every one of these has one answer for all images, that is what a reader must know, and not this.
    """
    checked = {
        _recognised(record)
        for record in records
        if record and (record.against_constant or record.code in ("looks", "no better", "undecided"))
    }
    return bool(checked & {"no better", "varies"}) and not checked & {"looks", "undecided", None}


def _recognised(record: Responsiveness) -> Look | None:
    """Return the look of a measurement; "looks" where answers that follow the truth recognise more of each true answer than a guess."""
    against = record.against_constant
    recall = None if against is None else against.recall_above_guess
    return "looks" if record.code == "varies" and recall is not None and recall >= RECOGNISED_RECALL else record.code


@record
class RowTexts:
    """What was asked of each row, where that differs from row to row."""

    rows: int
    """Rows that have options."""
    questions: int
    """Distinct ones; 0 where only the options differ."""
    options: int
    """Distinct ones."""
    private: bool
    """Whether they name people: no example is kept."""
    labels: Group
    """The roles of the options."""
    examples: tuple[Group, ...]
    """A few: the question (empty where there is none), then the options in the order of `labels`."""


@record
class TextSet:
    """Texts that were given to the model together, besides those of the measurements."""

    use: str
    """``"prompt-sensitivity"``, or the method of a what-if."""
    questions: tuple[str, ...]
    """That they were asked for, as the curves or the what-ifs name them."""
    preset: str
    variant: str
    """As the curves name them; empty for a what-if."""
    texts: tuple[int, ...]
    """Places in `AuditResult.texts`, from 0, in the order of the labels."""


@record
class ProbeRecord:
    """What was asked, by whom, and what the answer cannot tell."""

    name: str
    question: str
    source: str
    licence: str
    limits: tuple[str, ...]
    not_tested: tuple[str, ...]


@record
class SuiteRecord:
    """The suite that a probe is part of: p is adjusted over the questions of all its probes."""

    name: str
    probes: tuple[str, ...]
    planned: int
    """Pre-specified questions that were tested (Holm)."""
    exploratory: int
    """Exploratory comparisons that were tested (Benjamini-Hochberg)."""


@record
class DataRecord:
    """The images: how many were listed, used and left out, by group."""

    name: str
    source: str
    licence: str
    fingerprint: str
    listed: int
    used: int
    limited: bool
    groups: Mapping[str, Mapping[str, int]]
    """attribute -> level -> images used."""
    exclusions: tuple[Exclusion, ...]
    conversions: Mapping[str, Mapping[str, Mapping[str, int]]]
    notes: tuple[Note, ...]
    cluster: str | None = None
    """The column that says which images belong together; None: images are independent."""
    clusters: int | None = None
    numbered: bool = False
    """Whether the images have no identifiers but their place in the file."""
    weights: str | None = None
    """The column that says how much each image counts for in a rate; None: every image counts once."""
    several: Group = ()
    """Attributes of which an image may have several values: it counts in each group with its share."""


@record
class EndpointVersion:
    """Answers of one version of a model, as its server names it."""

    model: str
    fingerprint: str
    """Its ``system_fingerprint``; empty where it gives none."""
    first: str
    """Date of its first answer, UTC, ISO 8601."""
    last: str
    answers: int
    """Questions that it answered."""
    without_answer: Mapping[str, int]
    """"unclear", a refusal, what could not be parsed -> questions that ended so."""


@record
class VersionChange:
    """The answers to one question by each version of a model that changed while it was asked."""

    measurement: str
    answers: tuple[Mapping[str, int], ...]
    """answer -> images, one mapping a version."""
    p: float | None
    """Of equal shares of answers (chi-square); None where nothing can be compared. The versions need not have seen the same images."""


@record
class EndpointRecord(EndpointUsage):
    """What was sent where, and what came back: of a model behind an endpoint."""

    versions: tuple[EndpointVersion, ...]
    """In the order of their first answers."""
    changes: tuple[VersionChange, ...]
    """What the versions answered, where there are several."""


ATTRIBUTES_CHOSEN = "attributes_chosen"
"""Code of the note that says which attributes were chosen, and which `others` the rule would have taken too."""


def columns_not_compared(notes: Iterable[Note]) -> Group:
    """Return the columns that the rule would have compared by, and that were left out by a choice of attributes."""
    others = [note.values["others"] for note in notes if note.code == ATTRIBUTES_CHOSEN]
    return tuple(dict.fromkeys(str(name) for names in others if isinstance(names, tuple) for name in names))
