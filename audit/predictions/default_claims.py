"""The default claims for predictions without a probe; the report describes them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.encoder import Value
from audit.errors import DataError, UsageError, nearest
from audit.predictions.answers import distinct
from audit.predictions.join import PairColumns, paired_claims
from audit.predictions.rows import MeasurementAnswers
from audit.predictions.units import copies, disagreeing, judged_again
from audit.records.inputs import CLASSES_NOT_COMPARED
from audit.types import UNKNOWN, Better, Claim, Dataset, EffectClaim, Group, LabelSet, Measurement, Note, Predictions, Probe

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from jaxtyping import Bool, Int

LOG = logging.getLogger("audit")
MAX_GROUPS = 150
"""An intersection with more groups gets no default claims."""
MAX_ASKED = 30
"""With more labels, only outcomes that were named get claims."""
DEFAULT_CLAIMS = "Default claims"
"""Beginning of the source of a probe with default claims."""
_NAMED = 10
"""Number of rows listed if a column contradicts another one."""


@dataclass(frozen=True)
class Outcome:
    """Labels that count as one outcome, and whether it is good to get."""

    name: str
    labels: Group
    better: Better | None = None


@dataclass(frozen=True)
class DefaultClaims:
    """Options for the default claims."""

    outcomes: tuple[Outcome, ...] = ()
    depth: int = 2
    """Maximum number of attributes that a default intersection combines."""
    pairs: tuple[PairColumns, ...] = ()
    beside: Group = ()
    """Columns by which no claim slices: those that identify pairs of rows."""
    cluster: str | None = None
    scores: Group = ()
    """Labels whose scores are compared as planned questions."""
    ordered: Mapping[str, Group] = field(default_factory=dict)
    """Attributes whose levels are ordered, with all levels from the lowest to the highest; without levels as in the file."""


def parse_outcome(text: str) -> Outcome:
    """Parse ``--outcome NAME[:high|:low]=LABEL,LABEL``.

    Examples
    --------
    >>> parse_outcome("crime:low=thief,criminal")
    Outcome(name='crime', labels=('thief', 'criminal'), better='low')
    >>> parse_outcome("hired=yes").better is None
    True
    """
    name, equals, labels = text.partition("=")
    stem, colon, direction = name.rpartition(":")
    better: Better | None = None
    if colon and direction not in ("high", "low"):
        raise UsageError(
            f"--outcome {text!r}: unknown direction {direction!r}",
            fix=f"{stem}:low={labels} where it is bad to get, {stem}:high={labels} where it is good; a name has no colon",
        )
    if colon:
        name, better = stem, "high" if direction == "high" else "low"
    answers = tuple(dict.fromkeys(label.strip() for label in labels.split(",") if label.strip()))
    if not equals or not name.strip() or not answers:
        raise UsageError(f"malformed --outcome {text!r}", fix="--outcome NAME=label,label or --outcome NAME:low=label,label")
    return Outcome(name.strip(), answers, better)


def default_claims(together: Sequence[MeasurementAnswers], asking: DefaultClaims, source: str) -> tuple[Probe, list[Note]]:
    """A probe with the default claims, and notes about what they omit."""
    made = [_measurement(answers, _own(asking, answers), source) for answers in together]
    paired = [
        claim
        for (measurement, _), answers in zip(made, together, strict=True)
        for claim in paired_claims(asking.pairs, measurement.name, _paired_outcomes(answers, asking), answers.predictions, asking.cluster)
    ]
    probe = Probe(
        name="predictions",
        question="Are the answers equally right, and equally frequent, in every group?",
        load=_nothing_to_load,
        measurements=tuple(measurement for measurement, _ in made),
        source=_rule(asking, tagged=any(answers.tags is not None for answers in together)),
        licence="not stated",
        limits=(
            "The file does not say which model answered, which images it saw or how it was prompted.",
            "The groups are what the columns say; they are not how the people shown identify themselves.",
            "The questions were generated automatically from the columns.",
        ),
        not_tested=("prompts, and everything else that is not a column of the file",),
        paired=tuple(paired),
    )
    notes = [note for _, of_one in made for note in of_one]
    if asking.pairs and not asking.cluster:
        units = ", ".join(dict.fromkeys(pair.within[0] for pair in asking.pairs))
        LOG.info("pairs of one %s count as one sampling unit, and those of two as independent: if they are not, --cluster COLUMN", units)
        notes.append(Note("pairs_without_cluster", {"columns": units}))
    return probe, distinct(notes)


def with_outcomes_of_tags(together: Sequence[MeasurementAnswers], asking: DefaultClaims, source: str) -> tuple[MeasurementAnswers, ...]:
    """The answers and, where rows have several labels, one question per outcome: whether a row has any of its labels.

    Raises UsageError for a label that no row has, or an outcome with the name of another question.
    """
    tagged = [answers for answers in together if answers.tags is not None]
    return (*together, *(_any_of(answers, outcome, source) for answers in tagged for outcome in asking.outcomes))


def _any_of(answers: MeasurementAnswers, outcome: Outcome, source: str) -> MeasurementAnswers:
    tags = answers.tags
    assert tags is not None  # noqa: S101  (checked by the caller)
    if outcome.name == answers.measurement:
        raise UsageError(f"--outcome {outcome.name!r} has the name of another question", fix="choose another name")
    _check_occurs(outcome, tags.labels, source)
    has_any = tags.kept[:, [tags.labels.index(label) for label in outcome.labels]].any(axis=1)
    labels = (f"not {outcome.name}", outcome.name)
    predictions = replace(answers.predictions, labels=labels, answers=labels, y_pred=np.array(labels, object)[has_any.astype(int)])
    return replace(answers, measurement=outcome.name, predictions=predictions, tags=None, any_of=True)


def _own(asking: DefaultClaims, answers: MeasurementAnswers) -> DefaultClaims:
    """The options for one question: with several labels per row, an outcome is a question of its own."""
    if answers.tags is not None:
        return replace(asking, outcomes=())
    if not answers.any_of:
        return asking
    better = next(outcome.better for outcome in asking.outcomes if outcome.name == answers.measurement)
    return replace(asking, outcomes=(Outcome(answers.measurement, (answers.measurement,), better),))


def _check_occurs(outcome: Outcome, known: Sequence[str], source: str) -> None:
    if absent := [label for label in outcome.labels if label not in known]:
        raise UsageError(
            f"the label {absent[0]!r} of --outcome {outcome.name!r} never occurs in {source}",
            why="a misspelt label would be a rate of 0",
            fix=f"{nearest(absent[0], known)}; leave out what was never answered: it changes no rate",
        )


def _rule(asking: DefaultClaims, *, tagged: bool = False) -> str:
    rates = (
        f"{'whether an image has any label, and ' * tagged}the selection rate of "
        f"{', '.join(repr(outcome.name) for outcome in asking.outcomes)}"
        if asking.outcomes
        else "the selection rate of each label (of two the last; exploratory if the truth is known; not by an attribute that equals it)"
    )
    depth = f"intersections of up to {asking.depth} attributes, " if asking.depth > 1 else ""
    errors = (
        "each outcome's true and false positive rate"
        if asking.outcomes
        else "with two true labels the true and false positive rate of the last (the recall of each if a third answer occurs), "
        f"with more the recall of each (of at most {MAX_ASKED})"
    )
    return (
        f"{DEFAULT_CLAIMS}: for each attribute the accuracy if y_true is given, {errors}, and {rates}; {depth}"
        "rates given the truth are tested if two groups have such images."
    )


def _nothing_to_load(_: object) -> Dataset:
    raise UsageError("external predictions have no images to load", fix="--predictions FILE")


def _measurement(answers: MeasurementAnswers, asking: DefaultClaims, source: str) -> tuple[Measurement, list[Note]]:
    predictions = answers.predictions
    outcomes = asking.outcomes or _label_outcomes(predictions)
    for outcome in outcomes:
        _check_occurs(outcome, predictions.answers, source)
    if not outcomes and predictions.y_true is None:
        if len(predictions.labels) < 2:
            raise DataError(
                f"every answer to {answers.measurement!r} in {source} is {predictions.labels[0]!r}",
                why="without true answers, groups cannot differ",
                fix="give y_true where the truth is known",
            )
        raise UsageError(
            f"{source} has {len(predictions.labels)} labels and no y_true",
            why=f"by default, labels are tested one by one only up to {MAX_ASKED}",
            fix="name the labels to test: --outcome NAME=label,label",
        )
    attributes = predictions.attributes.drop(columns=list(asking.beside))
    same = copies(attributes, predictions.images_of_rows)
    single = tuple((str(name),) for name in attributes.columns)
    crossed, left_out = _intersections(attributes.drop(columns=list(same)), asking.depth)
    again = _judging_again(predictions, attributes)
    left_out += [*_copied(same, answers), *_contradicting_truth(answers, attributes), *again.values()]
    claims = [Claim("accuracy", by, primary=by in single) for by in (*single, *crossed) if predictions.y_true is not None]
    claims += [
        claim
        for outcome in outcomes
        for claim in _outcome_claims(outcome, replace(predictions, attributes=attributes), asking, single, crossed)
    ]
    rates = _error_rates(predictions, asking.outcomes)
    left_out += [] if rates else _classes_not_compared(predictions)
    claims += _error_claims(rates, predictions.y_true, attributes, predictions.images_of_rows)
    claims = [replace(claim, primary=claim.primary and not {*claim.by} & {*same, *_not_planned(claim, again)}) for claim in claims]
    question = "Are the answers equally right, and equally frequent, in every group?"
    labels = LabelSet(answers.measurement, predictions.labels, dict.fromkeys(predictions.labels, ()))
    truth = None if predictions.y_true is None else "y_true"
    named = {outcome.name: outcome.labels for outcome in (*outcomes, *(rate.outcome for rate in rates))}
    scores = tuple(_score_claims(claims, named, predictions, asking))
    return Measurement(answers.measurement, question, labels, "external predictions", tuple(claims), truth, named, effects=scores), left_out


def _score_claims(
    claims: Sequence[Claim], outcomes: Mapping[str, Group], predictions: Predictions, asking: DefaultClaims
) -> Iterator[EffectClaim]:
    """A question about the scores of each named label and each attribute; without truth, an exploratory one for each planned rate."""
    attributes = dict.fromkeys(claim.by[0] for claim in claims if len(claim.by) == 1)
    if predictions.scores.shape[1]:
        yield from (EffectClaim("superiority", name, label) for label in asking.scores for name in attributes)
    if predictions.y_true is None and predictions.scores.shape[1]:
        planned = [(outcomes[claim.outcome], claim.by) for claim in claims if claim.primary and claim.outcome]
        for labels, by in planned:
            if len(labels) == len(by) == 1 and labels[0] not in asking.scores:
                yield EffectClaim("superiority", by[0], labels[0], primary=False)


def _paired_outcomes(answers: MeasurementAnswers, asking: DefaultClaims) -> list[str]:
    return [outcome.name for outcome in asking.outcomes or _label_outcomes(answers.predictions)]


def _label_outcomes(predictions: Predictions) -> tuple[Outcome, ...]:
    """Each label as an outcome; with two labels only the last, since the other's rate is its complement."""
    labels = predictions.labels
    if len(labels) == 2:
        return (Outcome(labels[1], labels[1:]),)
    return tuple(Outcome(label, (label,)) for label in labels) if 2 < len(labels) <= MAX_ASKED else ()


def _intersections(attributes: pd.DataFrame, depth: int) -> tuple[tuple[Group, ...], list[Note]]:
    levels = {str(name): attributes[name].nunique() for name in attributes.columns}
    crossed: list[Group] = []
    left_out: list[Group] = []
    for size in range(2, depth + 1):
        for by in combinations(levels, size):
            groups = prod(levels[name] for name in by)
            (crossed if groups <= MAX_GROUPS else left_out).append(by)
    named = tuple(" x ".join(by) for by in left_out[:10])
    return tuple(crossed), [Note("large_intersections", {"groups": MAX_GROUPS, "intersections": named})] if left_out else []


def _outcome_claims(
    outcome: Outcome, predictions: Predictions, asking: DefaultClaims, single: Sequence[Group], crossed: Sequence[Group]
) -> Iterator[Claim]:
    named, known = bool(asking.outcomes), predictions.y_true is not None
    whole = named or len(predictions.labels) == 2
    if not named:
        stated = _stating_truth(predictions)
        single, crossed = ([by for by in groups if not stated & {*by}] for groups in (single, crossed))
    for by in single:
        yield Claim("selection_rate", by, outcome.name, primary=named or not known, better=outcome.better)
    for by in crossed if whole else ():
        yield Claim("selection_rate", by, outcome.name, primary=False, better=outcome.better)


def _stating_truth(predictions: Predictions) -> frozenset[str]:
    """The attributes whose levels each have one true answer, except for label errors: even a perfect model answers differently for
    their groups, which means nothing.
    """
    truth = predictions.y_true
    if truth is None:
        return frozenset()
    columns = ((str(name), column.to_numpy(object)) for name, column in predictions.attributes.items())
    return frozenset(name for name, column in columns if disagreeing(column, truth, predictions.images_of_rows) is not None)


def _label_errors(column: np.ndarray, truth: np.ndarray, images: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
    """The rows that contradict the others, if a column determines the true answer or, being coarser, follows from it."""
    for one, other in ((column, truth), (truth, column)):
        if (rows := disagreeing(one, other, images)) is not None:
            return rows
    return np.zeros(len(column), bool)


def _contradicting_truth(answers: MeasurementAnswers, attributes: pd.DataFrame) -> list[Note]:
    """A note for each column that equals the truth, or follows from it, in all but a few rows."""
    truth, images = answers.predictions.y_true, answers.predictions.images_of_rows
    if truth is None:
        return []
    errors = {str(name): _label_errors(column.to_numpy(object), truth, images) for name, column in attributes.items()}
    return [Note("nearly_true", {"column": name, **_rows(rows, answers)}) for name, rows in errors.items() if rows.any()]


def _judging_again(predictions: Predictions, attributes: pd.DataFrame) -> dict[str, Note]:
    """A note for each column that may judge the truth a second time: where they differ, the true answer may be the wrong one.

    Images whose true answer is wrong make errors of right answers, and they are in the group of the other value. So rates given the truth
    accuse that group; between a copy, which has no such questions, and something else they are exploratory.
    """
    truth, images, notes = predictions.y_true, predictions.images_of_rows, dict[str, Note]()
    if truth is None:
        return notes
    for name, column in attributes.items():
        differ = judged_again(column.to_numpy(object), truth, images)
        if differ is not None and disagreeing(column.to_numpy(object), truth, images) is None:
            notes[str(name)] = Note("judged_again", {"column": str(name), "count": differ[0], "total": differ[1]})
    return notes


def _not_planned(claim: Claim, again: Mapping[str, Note]) -> frozenset[str]:
    """The columns by which a claim is exploratory because they may judge the truth a second time: if it is about a rate given the truth."""
    return frozenset() if claim.metric == "accuracy" else frozenset(again)


def _copied(same: Mapping[str, tuple[str, Bool[np.ndarray, "n"]]], answers: MeasurementAnswers) -> list[Note]:
    return [
        Note("nearly_copied" if rows.any() else "copied", {"column": name, "of": of, **_rows(rows, answers)})
        for name, (of, rows) in same.items()
    ]


def _rows(rows: Bool[np.ndarray, "n"], answers: MeasurementAnswers) -> dict[str, Value]:
    """How many images these rows are, out of how many, and the first of them by name if rows are single images."""
    images = answers.predictions.images_of_rows
    named = [] if answers.predictions.count is not None else list(map(str, answers.predictions.attributes.index[rows][:_NAMED]))
    more = ["…"] if named and rows.sum() > _NAMED else []
    return {"count": int(images[rows].sum()), "total": int(images.sum()), "rows": (*named, *more)}


@dataclass(frozen=True)
class _ErrorRate:
    """A rate among the images with one truth."""

    metric: str
    outcome: Outcome
    truths: AbstractSet[str]
    """True labels of the images that count."""


def _error_rates(predictions: Predictions, named: Sequence[Outcome]) -> list[_ErrorRate]:
    """The rates that show each kind of error: accuracy sums them, so that opposite ones may cancel, and a small class is lost in it.

    With two labels the last is the positive one, as in scikit-learn (``classes_[1]``); the false positive rate is one minus the recall of
    the other, so that no verdict depends on this choice. If a third answer occurs ("unclear") this is not so, and both recalls are used.
    """
    known = set() if predictions.y_true is None else set(pd.unique(predictions.y_true)) - {UNKNOWN}
    truths = [label for label in predictions.answers if label in known]
    if named:
        return [rate for outcome in named for rate in _both(outcome, known)]
    if len(truths) == len(predictions.answers) == 2:
        return _both(Outcome(truths[1], (truths[1],)), known)
    if not 2 <= len(truths) <= MAX_ASKED:
        return []
    return [_ErrorRate("true_positive_rate", Outcome(label, (label,)), {label}) for label in truths]


def _classes_not_compared(predictions: Predictions) -> list[Note]:
    """A note that accuracy is compared over more true labels than have questions of their own: a gap within one may be lost in it."""
    known = set() if predictions.y_true is None else set(pd.unique(predictions.y_true)) - {UNKNOWN}
    return [Note(CLASSES_NOT_COMPARED, {"classes": len(known), "most": MAX_ASKED})] if len(known) > MAX_ASKED else []


def _both(outcome: Outcome, known: AbstractSet[str]) -> list[_ErrorRate]:
    """The true and the false positive rate; neither if there is only one true label: then only the selection rate remains."""
    inside, outside = known & set(outcome.labels), known - set(outcome.labels)
    sides = (("true_positive_rate", inside), ("false_positive_rate", outside)) if inside and outside else ()
    return [_ErrorRate(metric, outcome, truths) for metric, truths in sides]


def recall_claims(labels: Group, y_true: np.ndarray, attributes: pd.DataFrame) -> list[Claim]:
    """A claim about the recall of each label by each attribute where two groups have images of it; none of over `MAX_ASKED` labels."""
    rates = [_ErrorRate("true_positive_rate", Outcome(label, (label,)), {label}) for label in labels]
    return _error_claims(rates, y_true, attributes, np.ones(len(y_true), np.int64)) if 2 <= len(labels) <= MAX_ASKED else []


def _error_claims(
    rates: Sequence[_ErrorRate], y_true: np.ndarray | None, attributes: pd.DataFrame, images: Int[np.ndarray, "n"]
) -> list[Claim]:
    """A claim for each rate and attribute; not by an attribute that equals the truth, whose groups cannot be compared.

    With a few label errors such an attribute would have comparable groups of mislabelled rows alone; these are ignored here.
    """
    claims: list[Claim] = []
    if not rates or y_true is None:
        return claims
    truth, truths = pd.factorize(y_true)
    for name in map(str, attributes.columns):
        group, groups = pd.factorize(attributes[name])
        errors = _label_errors(attributes[name].to_numpy(object), y_true, images)
        seen = np.zeros((len(truths), len(groups)), bool)
        seen[truth[~errors], group[~errors]] = True
        seen[:, groups == UNKNOWN] = False
        compared = [rate for rate in rates if seen[np.isin(truths, list(rate.truths))].any(axis=0).sum() > 1]
        claims += [Claim(rate.metric, (name,), rate.outcome.name) for rate in compared]
    return claims
