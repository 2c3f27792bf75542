"""The inputs of an audit: prompts, model and data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from audit.records.base import record
from audit.types import Exclusion, Group, Note

ImageDependence = Literal["looks", "constant", "unclear", "order", "no better", "varies", "undecided"]
"""Whether the answers depend on the images. `looks`: they agree with the labels more often than the best constant answer. With the other
codes, accuracy says nothing about groups: every image, or every question if rows have their own, gets one answer (`constant`); nearly every
image is "unclear"; nearly every image gets one answer, and another one in another order of the options (`order`); we found no evidence
that they agree more often than the best constant answer, and they do not follow the labels (`no better`) or do (`varies`). If so few images
leave open whether they agree far more often (`undecided`), accuracy is not called equivalent, and nothing else changes."""


RECOGNISED_RECALL = 0.1
"""Answers that follow the truth recognise something if their recall, averaged over the true answers, exceeds a guess by this much."""


@record
class AgainstConstant:
    """Agreement of the answers with the labels, compared with that of the best constant answer, on the same images."""

    n: int
    """Images whose true answer is known."""
    accuracy: float
    constant: str
    """The most frequent true answer."""
    constant_accuracy: float
    only_answers: int
    """Images for which only the model's answers are right."""
    only_constant: int
    p: float
    """Exact McNemar test; if images come in clusters, whole clusters change sign together."""
    follows_truth_p: float | None
    """Of "the most frequent answer is equally frequent for all true answers" (permutation test; if images come in
    clusters, pairs of true answers, Bonferroni); None if accuracy is better, or there are too few clusters."""
    low: float | None = None
    high: float | None = None
    """Agresti-Min interval of accuracy minus that of the constant answer; None in files of earlier versions, as is the next field."""
    recall_above_guess: float | None = None
    """Mean recall over the true answers, minus one over their number, which a constant answer or a coin toss gets. Finding half of the
    women among 99 times as many men is 24 points, although "Male" for everyone is right more often."""


@record
class Responsiveness:
    """Whether the answers to a measurement depend on the images."""

    code: ImageDependence | None
    """None if it cannot be determined: without true answers, or with a single one that is not one role among others."""
    n: int
    """Number of images with an answer."""
    commonest: str
    commonest_share: float
    unclear: float | None
    """Share of the answer "unclear"; None if it is not an option."""
    same_in_another_order: float | None
    """Share of images whose answer stays the same when the options are shuffled; None if they were not."""
    against_constant: AgainstConstant | None


def recognises_nothing(records: Iterable[Responsiveness | None]) -> bool:
    """Whether answers can be checked in some measurements and fail in all of them: no better than one answer for every image, or a guess.

    False if each of them has one answer for all images: then that is the message for readers.
    """
    checked = {
        _recognised(record)
        for record in records
        if record and (record.against_constant or record.code in ("looks", "no better", "undecided"))
    }
    return bool(checked & {"no better", "varies"}) and not checked & {"looks", "undecided", None}


def _recognised(record: Responsiveness) -> ImageDependence | None:
    """The look of a measurement; "looks" if answers follow the truth and recognise the true answers better than a guess."""
    against = record.against_constant
    recall = None if against is None else against.recall_above_guess
    return "looks" if record.code == "varies" and recall is not None and recall >= RECOGNISED_RECALL else record.code


@record
class RowTexts:
    """The questions and options of rows, if they differ between rows."""

    rows: int
    """Number of rows that have options."""
    questions: int
    """Number of distinct questions; 0 if only the options differ."""
    options: int
    """Number of distinct options."""
    private: bool
    """Whether they name people: then no example is kept."""
    labels: Group
    """The roles of the options."""
    examples: tuple[Group, ...]
    """A few: the question (empty if the rows have none), then the options in the order of `labels`."""


@record
class TextSet:
    """Texts given to the model as a set, besides those of the measurements."""

    use: str
    """``"prompt-sensitivity"``, or the method of a what-if."""
    questions: tuple[str, ...]
    """The questions they are for, as named by the curves or the what-ifs."""
    preset: str
    variant: str
    """As named by the curves; empty for a what-if."""
    texts: tuple[int, ...]
    """Indices into `AuditResult.texts`, from 0, in the order of the labels."""


@record
class ProbeSource:
    """Where a probe is from."""

    origin: Literal["program", "file", "python"]
    """`program`: it comes with the program; `file`: a Python file of the person who ran the audit; `python`: an object of theirs."""
    file: str | None = None
    """Name of its Python file."""
    sha256: str | None = None
    """Of that file."""


@record
class ProbeRecord:
    """The probe: its question, its author, and what the result cannot tell."""

    name: str
    question: str
    source: str
    licence: str
    limits: tuple[str, ...]
    not_tested: tuple[str, ...]
    made: ProbeSource | None = None
    """None for default claims."""


@record
class SuiteRecord:
    """The suite that a probe is part of: p is adjusted over the questions of all its probes."""

    name: str
    probes: tuple[str, ...]
    planned: int
    """Number of planned questions tested (Holm)."""
    exploratory: int
    """Number of exploratory comparisons tested (Benjamini-Hochberg)."""


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
    """Whether the images are identified only by their position in the file."""
    weights: str | None = None
    """The column with the weight of each image in a rate; None: every image counts once."""
    several: Group = ()
    """Attributes that may have several values per image: it counts in each group with its share."""


ANSWERS_OF_A_SCORE = "answers_of_a_score"
"""Code of the note that says above which score a label is the answer, if a file has no column of answers."""
ATTRIBUTES_CHOSEN = "attributes_chosen"
"""Code of the note that says which attributes were chosen, and which `others` would have been included by default."""

ATTRIBUTES_OF_PROBE_CHOSEN = "attributes_of_probe_chosen"
"""Code of the note that says by which attributes a probe's questions are asked, in place of its own."""
CLUSTER_CHOSEN, WEIGHTS_CHOSEN = "cluster_chosen", "weights_chosen"
"""Codes of the notes that say which column of clusters, or of weights, the person who ran the audit chose."""


def units_chosen(cluster: str | None, weights: str | None) -> tuple[Note, ...]:
    """The notes about a chosen column of clusters and of weights."""
    chosen = ((CLUSTER_CHOSEN, cluster), (WEIGHTS_CHOSEN, weights))
    return tuple(Note(code, {"column": column}) for code, column in chosen if column is not None)


UNDECLARED_UNITS = "undeclared_units"
"""Code of the note that names `columns` whose values repeat and may be the sampling units, with the number of their `values` among `rows`,
if neither a cluster was named nor the rows were declared independent."""
DECLARED_INDEPENDENT = "declared_independent"
"""Code of the note with the same values, if the rows were declared independent."""
CLASSES_NOT_COMPARED = "classes_not_compared"
"""Code of the note that accuracy is compared over so many `classes` that none has a question of its own: a gap in one may be lost in it."""


def columns_not_compared(notes: Iterable[Note]) -> Group:
    """The columns that would be compared by default, but were left out by a choice of attributes."""
    others = [note.values["others"] for note in notes if note.code == ATTRIBUTES_CHOSEN]
    return tuple(dict.fromkeys(str(name) for names in others if isinstance(names, tuple) for name in names))


def classes_not_compared(notes: Iterable[Note]) -> int:
    """The number of classes that are compared only together; 0 if each has a question of its own."""
    return max((int(str(note.values["classes"])) for note in notes if note.code == CLASSES_NOT_COMPARED), default=0)


def undeclared_units(notes: Iterable[Note]) -> Group:
    """The columns that may say which rows belong together, of which the audit was told nothing."""
    columns = [note.values["columns"] for note in notes if note.code == UNDECLARED_UNITS]
    return tuple(dict.fromkeys(str(name) for names in columns if isinstance(names, tuple) for name in names))
