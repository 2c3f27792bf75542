"""The answers in a file of predictions: labels, true labels and scores, and checks of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.answers import answer_probabilities, answers_of
from audit.data.cells.suspicious import folded, near_duplicates
from audit.data.schema import counted, quoted
from audit.errors import DataError, UsageError
from audit.naming import natural_order
from audit.predictions.bins import Bins
from audit.predictions.columns import MANY_NUMBERS, all_numbers, as_numbers, as_text
from audit.predictions.own_tables import SCORE
from audit.records.inputs import ANSWERS_OF_A_SCORE
from audit.types import NO_ANSWER, UNKNOWN, Group, LabelSet, Note, Predictions

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Y_TRUE, Y_PRED = "y_true", "y_pred"
MAX_LABELS = 1000
_NAMED = 10
"""Maximum number of labels that a message lists."""


@dataclass(frozen=True)
class ScoreColumns:
    """Probabilities of the labels."""

    labels: Group
    shares: Float[np.ndarray, "n k"]


def read_labels(column: pa.ChunkedArray, name: str, source: str, *, missing: bool = False, start: int = 0) -> pa.Array:
    """Read a column of at most 1,000 distinct answers; raises DataError for a missing one, unless `missing` allows it (for unknown truth).

    `start` is the number of earlier rows of the file, for messages.
    """
    text = as_text(column, name)
    if len(text.dictionary) > MAX_LABELS:
        raise DataError(
            f"{source}: {len(text.dictionary):,} different values in the column {quoted(name)}",
            why=f"at most {MAX_LABELS:,} labels are audited",
            fix="give one of a fixed set of labels; scores go into one column per label, called score:LABEL",
        )
    # "nan" is a missing number in a text column; a label of that name would be counted as an answer.
    codes = [code for code, level in enumerate(text.dictionary.to_pylist()) if level.strip().lower() == "nan"]
    holes = pc.fill_null(pc.is_in(text.indices, pa.array(codes, text.indices.type)), False)
    absent = holes if missing else pc.or_(pc.is_null(text), holes)
    if pc.any(absent).as_py():
        raise DataError(
            f"{source}: {counted(pc.sum(absent).as_py(), 'value')} missing in the column {quoted(name)}",
            where=f"first in row {start + pc.index(absent, True).as_py() + 1} after the header",
            fix="leave the cell empty where the truth is unknown"
            if missing
            else "give each row an answer; for a refusal, a label such as 'none'",
        )
    return text


def check_not_numbers(
    answers: pa.Array | None, truths: pa.Array | None, labels: Sequence[str], names: tuple[str, str], source: str
) -> None:
    """Raise DataError for answers or true answers that are many numbers: 34 years for 31 is not the error that 70 would be.

    Labels that have scores, `labels`, are labels even if they are called by numbers. `names` are those of the two columns.
    """
    for text, name, other in ((truths, names[1], answers), (answers, names[0], truths)):
        levels = set() if text is None else {*text.dictionary.to_pylist()} - {*labels}
        numbers = sorted({float(level) for level in levels if all_numbers([level]) and np.isfinite(float(level))})
        if len(numbers) <= MANY_NUMBERS or 2 * len(numbers) < len(levels):
            continue
        edges = ",".join(f"{edge:g}" for edge in np.unique(np.quantile(numbers, [0.25, 0.5, 0.75], method="higher")))
        flags = [f"--bins {shlex.quote(f'{column}={edges}')}" for column in (name, *([] if other is None else {*names} - {name}))]
        raise DataError(
            f"{source}: {len(numbers):,} different numbers in the column {quoted(name)}",
            why="numbers are not judged by whether they are equal: an answer of 34 for 31 is nearly right",
            fix=f"cut them into groups, for example {' '.join(flags)}; if they are class numbers, write them as class_{numbers[0]:g}",
        )


def check_same_edges(bins: Sequence[Bins], source: str) -> None:
    """Raise UsageError for answers and true answers that are cut at different numbers: no answer would be right but by chance."""
    edges = {binning.column: binning.edges for binning in bins}
    for name, cut in edges.items():
        kind, colon, question = name.partition(":")
        truth = next((one for one in (f"{Y_TRUE}{colon}{question}", Y_TRUE) if one in edges), None)
        if kind == Y_PRED and truth is not None and edges[truth] != cut:
            same = ",".join(f"{edge:g}" for edge in edges[truth])
            raise UsageError(
                f"{source}: --bins cuts {quoted(name)} and {quoted(truth)} at different numbers",
                why=f"at {', '.join(f'{edge:g}' for edge in cut)}, and at {same.replace(',', ', ')}",
                fix=f"cut both at the same ones: --bins {shlex.quote(f'{truth}={same}')} --bins {shlex.quote(f'{name}={same}')}",
            )


def read_scores(table: pa.Table, names: Sequence[str], start: int = 0) -> ScoreColumns | None:
    """Read the columns ``score:LABEL``, probabilities; None without such columns. `start`: number of earlier rows of the file."""
    if not names:
        return None
    values = np.empty((len(table), len(names)), np.float32)
    for position, name in enumerate(names):
        column = as_numbers(table[name], name, start)
        low, high = (end.as_py() for end in pc.min_max(column).values())
        if low < 0 or high > 1:
            raise DataError(
                f"scores that are not probabilities in the column {quoted(name)}",
                why=f"they run from {low:.6g} to {high:.6g}, expected 0 to 1",
                fix="turn logits into probabilities (softmax or sigmoid), or give y_pred and no scores",
            )
        values[:, position] = column.to_numpy()
    return ScoreColumns(tuple(name.removeprefix(SCORE) for name in names), values)


def with_complement(
    scores: ScoreColumns | None, answers: pa.Array | None, truths: pa.Array | None, source: str
) -> tuple[ScoreColumns | None, list[Note]]:
    """Scores with those of the second answer, ``1 - score``, if a file scores one label only, as moderation services do.

    The second answer is the only other one in the column of answers. Without answers, it is the only other true answer, and a note says
    how the score becomes an answer; without true answers, it is "not LABEL". Other scores stay as they are.
    Raises DataError for true answers that are not the scored label and one other: every true answer but the label would count as an error.
    """
    if scores is None or len(scores.labels) != 1:
        return scores, []
    (label,) = scores.labels
    if answers is not None:
        others, notes = {str(answer) for answer in answers.dictionary.to_pylist()} - {label}, []
    else:
        true = [] if truths is None else natural_order(set(truths.dictionary.to_pylist()) - {UNKNOWN})
        others = {*true} - {label} if true else {f"not {label}"}
        if true and (len(true) != 2 or len(others) != 1):
            raise _no_second_answer(label, true, source)
        notes = [Note(ANSWERS_OF_A_SCORE, {"label": label, "other": min(others), "threshold": 0.5})]
    if len(others) != 1:
        return scores, []
    return ScoreColumns((*others, label), np.concatenate([1 - scores.shares, scores.shares], axis=1)), notes


def _no_second_answer(label: str, true: Sequence[str], source: str) -> DataError:
    """The error for a single label with scores, no answers, and true answers that do not say what the other answer is."""
    alike = [level for level in true if _spelled(level) == _spelled(label)]
    more = f" and {len(true) - _NAMED:,} more" if len(true) > _NAMED else ""
    fix = "give a column score:LABEL for every label, or name the column of answers: --prediction-column NAME"
    if label not in true:
        respelt = shlex.quote(f"{SCORE}{alike[0] if alike else 'LABEL'}=NAME")
        fix = f"write the label as y_true does, --column {respelt} (NAME is the column of scores); or {fix}"
    return DataError(
        f"{source}: the scores of {quoted(label)} give no answer",
        why=f"the true answers (y_true) are {', '.join(map(quoted, true[:_NAMED]))}{more}; expected are {quoted(label)} and one other, "
        "which is then the answer wherever the score is low",
        fix=fix,
    )


def by_answer(scores: ScoreColumns, answers: Mapping[str, str], combine: Literal["argmax", "sum"]) -> ScoreColumns:
    """Combine the probabilities of labels to those of their answers: an audit stores those of its labels, such as "Black woman"."""
    label_set = LabelSet("labels", scores.labels, {}, answers, combine)
    possible = answers_of(label_set)
    return ScoreColumns(possible, answer_probabilities(scores.shares, scores.labels, possible, label_set).astype(np.float32))


def build_predictions(
    answers_given: pa.Array | None,
    truths: pa.Array | None,
    scores: ScoreColumns | None,
    attributes: pd.DataFrame,
    source: str,
    images: Int[np.ndarray, "n"] | None = None,
) -> tuple[Predictions, list[Note]]:
    """The predictions for one question, and notes about them; raises DataError if labels and scores are inconsistent.

    Answers and true answers are columns as returned by `read_labels`; None if there is no such column. `images` is the number of images
    that each row represents; None: one.
    """
    answer, truth = _given(answers_given, scores, source), None if truths is None else decoded(truths, UNKNOWN)
    true = [] if truths is None else [level for level in truths.dictionary.to_pylist() if level != UNKNOWN]
    labels = natural_order({*pd.unique(answer), *true}) if scores is None else scores.labels
    answers = (*labels, *natural_order(set(true) - set(labels)))
    notes = near_duplicates("answers", answers)
    if scores is not None and (differ := _not_the_highest(scores, answer)):
        notes.append(Note("not_the_highest_score", {"count": differ}))
    if truth is not None and not true:
        raise DataError(f"{source}: y_true is empty in every row", fix="leave the column out where no true answer is known")
    if truth is not None:
        if scores is not None and (impossible := sorted(set(true) - set(labels))):
            rows = int(np.isin(truth, impossible).sum())
            notes.append(Note("truth_without_score", {"count": rows, "label": quoted(impossible[0])}))
        if scores is None or not set(true) <= set(labels):  # a true answer with a score is a label that the model knows
            _check_overlap(answer, true, source)
        if unknown := int(np.sum(truth == UNKNOWN if images is None else images[truth == UNKNOWN])):
            notes.append(Note("rows_without_truth", {"count": unknown}))
    values = np.zeros((len(answer), 0), np.float32) if scores is None else scores.shares
    return Predictions(labels, answers, values, answer, truth, attributes, _margin(values), count=images), notes


def _given(answers: pa.Array | None, scores: ScoreColumns | None, source: str) -> np.ndarray:
    """The answers, or if there is no such column those with the highest scores."""
    if scores is None:
        return decoded(answers, UNKNOWN)
    if len(scores.labels) < 2:
        levels = [] if answers is None else answers.dictionary.to_pylist()
        raise _one_score(scores.labels[0], natural_order(levels), source)
    if answers is None:
        return _best(scores)
    if unexpected := sorted(set(answers.dictionary.to_pylist()) - set(scores.labels)):
        raise DataError(
            f"{source}: y_pred holds {quoted(unexpected[0])}, which has no score",
            why=f"the labels with scores are {', '.join(map(quoted, scores.labels[:20]))}",
            fix="give each label a column of scores, or none",
        )
    return decoded(answers, UNKNOWN)


def _one_score(label: str, levels: Sequence[str], source: str) -> DataError:
    """The error for a file with the scores of one label, from which those of the other answers do not follow."""
    what, fix = f"{source} has scores of one label only", "give a column score:LABEL for every label, or y_pred alone"
    if label in levels or len(levels) != 2:
        return DataError(what, fix=fix)
    why = f"{quoted(label)} is not an answer; the answers are {quoted(levels[0])} and {quoted(levels[1])}"
    return DataError(what, why=why, fix=f"say which answer has these scores, --column score:ANSWER=NAME; or {fix}")


def _margin(scores: Float[np.ndarray, "n k"]) -> np.ndarray:
    """The difference of the two best scores; empty without scores."""
    if scores.shape[1] < 2:
        return np.zeros(0, np.float32)
    second, best = np.partition(scores, -2, axis=1)[:, -2:].T
    return np.asarray(best - second)


def _not_the_highest(scores: ScoreColumns, answer: np.ndarray) -> int:
    """Number of answers for which another label has a higher score."""
    answer_scores = scores.shares[np.arange(len(answer)), pd.Index(scores.labels).get_indexer(pd.Index(answer))]
    return int(np.count_nonzero(answer_scores < scores.shares.max(axis=1)))


def _best(scores: ScoreColumns) -> np.ndarray:
    best: np.ndarray = np.array(scores.labels, object)[scores.shares.argmax(axis=1)]  # ties go to the first column
    return best


def _check_overlap(answer: np.ndarray, true: Sequence[str], source: str) -> None:
    """Raise DataError if answers and true answers are spelled differently: such an answer would be wrong in every row."""
    answered = set(pd.unique(answer))
    alike = {_spelled(label): label for label in true}
    strange = {_spelled(label): label for label in answered}
    pairs = [(alike.get(_spelled(label), ""), label) for label in sorted(answered - set(true))]
    pairs += [(label, strange.get(_spelled(label), "")) for label in sorted(set(true) - answered)]
    pair = next((pair for pair in pairs if all(pair)), None)
    refused = answered <= {*NO_ANSWER}  # a model that always abstains is always wrong, and the report says so
    if (answered.isdisjoint(true) and not refused) or pair is not None:
        wrote = pair or (min(true, default=""), min(answered))
        raise DataError(
            f"{source}: y_true and y_pred write their labels differently",
            why=f"y_true holds {quoted(wrote[0])}, y_pred {quoted(wrote[1])}",
            fix="write the same label alike in both columns",
        )


def _spelled(label: str) -> str | float:
    """Normal form of a label: the value of a number, a text without case and spaces."""
    return float(label) if all_numbers([label]) else folded(label)


def distinct(notes: Sequence[Note]) -> list[Note]:
    """Remove repeated notes, keeping their order."""
    return [note for position, note in enumerate(notes) if note not in notes[:position]]


def decoded(text: pa.Array, missing: str) -> np.ndarray:
    """Array of shared strings: each distinct level is stored once."""
    levels = np.array([*text.dictionary.to_pylist(), missing], object)
    codes = pc.fill_null(text.indices, len(levels) - 1).to_numpy(zero_copy_only=False)
    texts: np.ndarray = levels[codes]
    return texts
