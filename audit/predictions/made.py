"""Columns made from the answers, which are not groups of images: copies and functions of the answer, of right and wrong, of the scores or,
by their name, of the truth. Group differences by such a column are true by construction.

A group may determine the answers of a good model, too, since it may determine the truth, as gender does if the question is gender. So only
what a column says beyond the truth counts. Among rows with the same usual level given their truth, a copy of the truth does not vary and
says nothing about errors, whereas a column that was made from the answers still follows from them, or tells them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.cells.suspicious import folded
from audit.predictions.units import ERRORS, GROUPS, OF_A_LEVEL
from audit.types import UNKNOWN

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from audit.predictions.answers import ScoreColumns

_FEWEST, _FEWEST_UNNAMED = 10, 100
"""Rows besides the most frequent case that a column has to explain. A column whose name and levels do not suggest where it is from must
explain 100 without an exception and, if nothing says what is true, be the answer in other words: a biased model may answer 50 images by
their group, or have words of its own for a group, and a group is not left out for that."""
_NAMES = frozenset({
    "answer", "answered", "choice", "chosen", "confusion", "correct", "correctness", "decision", "error", "errors", "fail", "failed",
    "false", "hit", "incorrect", "match", "matched", "matches", "miss", "missed", "mistake", "negative", "outcome", "output", "parse",
    "parsed", "pass", "passed", "positive", "pred", "predicted", "prediction", "raw", "reply", "response", "result", "right", "score",
    "scored", "success", "verdict", "wrong",
})  # fmt: skip
_CERTAINTY = frozenset({
    "certainty", "confidence", "logit", "logits", "probability",
})  # fmt: skip
_CORRECTNESS = frozenset({"correct", "correctness", "error", "errors", "incorrect", "wrong"})
_TRUTH = frozenset({
    "actual", "gold", "groundtruth", "gt", "label", "target", "true", "truth", "y",
})  # fmt: skip
_RIGHT_OR_WRONG = frozenset({
    "correct", "fail", "failed", "false", "fn", "fp", "hit", "incorrect", "match", "mismatch", "miss", "no", "none", "ok", "pass",
    "passed", "right", "tn", "tp", "true", "wrong", "yes",
})  # fmt: skip
_TRIED_FIRST = 20_000
_MOST_SCORES = 12


@dataclass(frozen=True)
class Answered:
    """The answers to one question, row by row: what a column may have been made from."""

    labels: frozenset[str]
    """As in the table, without differences that a reader overlooks."""
    answer: Int[np.ndarray, "n"]
    truth: Int[np.ndarray, "n"] | None
    """-1 where it is not known."""
    right: Int[np.ndarray, "n"] | None
    """1 where the answer is the true one."""
    scores: tuple[Float[np.ndarray, "n"], ...] = ()
    """The score of the answer, and those of a few labels."""

    @classmethod
    def of(cls, answers: pa.Array | None, truths: pa.Array | None, scores: ScoreColumns | None) -> Answered:
        """The answers as they are read: a column, or else the labels with the highest scores."""
        if answers is not None:
            levels, answer = _coded(answers)
        elif scores is not None:
            levels, answer = list(scores.labels), scores.shares.argmax(axis=1)
        else:
            levels, answer = [], np.zeros(0 if truths is None else len(truths), np.int64)
        columns = () if scores is None or scores.shares.shape[1] > _MOST_SCORES else tuple(scores.shares.T)
        best = () if scores is None else (scores.shares.max(axis=1),)
        truth, right = None, None
        if truths is not None:
            names, truth = _coded(truths)
            truth = np.where(np.array([*(name == UNKNOWN for name in names), True])[truth], -1, truth)
            same = np.array([*(levels.index(name) if name in levels else -2 for name in names), -2])
            right = (same[truth] == answer).astype(np.int64)
        return cls(frozenset(map(folded, levels)), answer, truth, right, (*best, *columns))


def made_from(name: str, text: pa.Array, questions: Sequence[Answered], images: Int[np.ndarray, "n"]) -> str | None:
    """From what a column was made, if it was, with the number of rows that disagree; None if it may be a group.

    `images` is the number of images that each row represents.
    """
    words = _words(name)
    if words & _CERTAINTY and questions:
        return "how sure the model is, by its name"
    if words & _CORRECTNESS and questions and all(question.truth is None for question in questions):
        return "whether the answer is right, by its name"
    levels, column = _coded(text)
    column = np.where(column < 0, len(levels), column)  # a missing value may follow from the answer, too
    for question in questions:
        told = {folded(level) for level in levels if level.strip()}
        suggested = bool(words & (_NAMES | _TRUTH)) or told <= question.labels | _RIGHT_OR_WRONG
        for what, relation in _relations(column, question, images, of_truth=bool(words & _TRUTH)):
            alone = not words & GROUPS and (question.truth is not None or _renamed(column, question))
            if relation is not None and relation.holds(suggested=suggested, alone=alone):
                return f"{what} in all {'' if relation.disagree == 0 else f'but {relation.disagree:,} of '}{relation.rows:,} rows"
    return None


@dataclass(frozen=True)
class _Relation:
    """How far one column follows from another, counted in images."""

    rows: int
    disagree: int
    """Rows that contradict the most frequent case."""
    to_explain: int
    """Rows that the truth does not explain: all but the most frequent case among rows of one usual level."""
    unexplained: int
    """Those of them that contradict the other column."""
    by_chance: int
    """The same if each row is predicted from the others: a level of one row predicts nothing."""

    def holds(self, *, suggested: bool, alone: bool) -> bool:
        """Whether the column was probably made from the other; `suggested`: by its name or levels, `alone`: whether the rows may tell."""
        near = max(self.disagree, self.by_chance) <= ERRORS * self.rows and self.by_chance <= (1 - OF_A_LEVEL) * self.to_explain
        exact = alone and self.disagree == self.unexplained == 0 and self.to_explain >= _FEWEST_UNNAMED
        return near and (exact or (suggested and self.to_explain >= _FEWEST))


def _relations(
    column: Int[np.ndarray, "n"], asked: Answered, images: Int[np.ndarray, "n"], *, of_truth: bool
) -> Iterator[tuple[str, _Relation | None]]:
    nothing = np.zeros(len(column), np.int64)
    truth = nothing if asked.truth is None else asked.truth + 1
    yield "follows from the answer", _relation(column, asked.answer, truth, images)
    if asked.truth is not None and asked.right is not None:
        known = asked.truth >= 0
        one, right, true, count = column[known], asked.right[known], truth[known], images[known]
        yield "tells right from wrong answers", _relation(right, one, true, count)
        pairs = truth * (asked.answer.max(initial=0) + 1) + asked.answer
        yield "follows from the answer and the true answer", _relation(one, pairs[known], true, count)
        if of_truth:
            yield "follows from the true answer", _relation(one, true, nothing[known], count)
            yield "tells the true answer", _relation(true, one, nothing[known], count)
    yield "tells the answer", _relation(asked.answer, column, truth, images)
    for score in asked.scores:
        yield "follows from a score", _ordered(column, score, truth, images)


def _relation(
    effect: Int[np.ndarray, "n"], cause: Int[np.ndarray, "n"], truth: Int[np.ndarray, "n"], images: Int[np.ndarray, "n"]
) -> _Relation | None:
    """How far one column follows from another, beyond what follows from the truth; None if it clearly does not."""
    step = 1 + len(effect) // _TRIED_FIRST if (images == 1).all() else 1
    if len(effect) == 0 or (step > 1 and _largest(cause[::step], effect[::step], images[::step]).errors > 2 * ERRORS * len(effect) / step):
        return None
    whole = _largest(cause, effect, images)
    if whole.errors > ERRORS * images.sum():
        return None
    of_truth = _largest(truth, effect, images)
    usual = of_truth.effect[np.searchsorted(of_truth.cause, truth)]
    among = _largest(usual, effect, images)
    both = _largest(usual * (cause.max() + 1) + cause, effect, images)
    return _Relation(int(images.sum()), whole.errors, among.errors, both.errors, both.errors_by_others)


@dataclass(frozen=True)
class _Largest:
    """The most frequent effect of each cause."""

    cause: Int[np.ndarray, "k"]
    effect: Int[np.ndarray, "k"]
    errors: int
    """Images with another effect than the most frequent one of their cause."""
    errors_by_others: int
    """Images whose effect is not the most frequent one of the other images of their cause."""


def _largest(cause: Int[np.ndarray, "n"], effect: Int[np.ndarray, "n"], images: Int[np.ndarray, "n"]) -> _Largest:
    width = int(effect.max()) + 1
    pairs, place = np.unique(cause.astype(np.int64) * width + effect, return_inverse=True)
    counts = np.bincount(place, images).astype(np.int64)
    order = np.lexsort([counts, pairs // width])
    pairs, counts = pairs[order], counts[order]
    owner = pairs // width
    last = np.flatnonzero(np.diff(owner, append=owner[-1] + 1))
    sizes = np.diff(np.cumsum(counts)[last], prepend=0)
    most = counts[last]
    second = np.where((last > 0) & (owner[last - 1] == owner[last]), counts[last - 1], 0)
    errors = sizes - most
    return _Largest(owner[last], pairs[last] % width, int(errors.sum()), int(np.where(most - second > 1, errors, sizes).sum()))


def _ordered(
    column: Int[np.ndarray, "n"], score: Float[np.ndarray, "n"], truth: Int[np.ndarray, "n"], images: Int[np.ndarray, "n"]
) -> _Relation | None:
    """How far the levels of a column are ranges of a score, beyond what follows from the truth; None if they clearly are not."""
    step = 1 + len(column) // _TRIED_FIRST
    if _out_of_order(column[::step], score[::step], images[::step]) > 2 * ERRORS * images[::step].sum():
        return None
    whole = _out_of_order(column, score, images)
    if whole > ERRORS * images.sum():
        return None
    of_truth = _largest(truth, column, images)
    usual = of_truth.effect[np.searchsorted(of_truth.cause, truth)]
    parts = [usual == level for level in np.unique(usual)]
    unexplained = sum(_out_of_order(column[part], score[part], images[part]) for part in parts)
    return _Relation(int(images.sum()), whole, _largest(usual, column, images).errors, unexplained, unexplained)


def _out_of_order(column: Int[np.ndarray, "n"], score: Float[np.ndarray, "n"], images: Int[np.ndarray, "n"]) -> int:
    """The fewest images to leave out so that each level is a range of the score; within equal scores, levels count as out of order."""
    levels, place = np.unique(column, return_inverse=True)
    rank = np.argsort(np.argsort([np.median(score[place == level]) for level in range(len(levels))], kind="stable"))[place]
    order = np.lexsort([-rank, score])
    rank, images = rank[order], images[order]
    kept = np.zeros(len(rank) + 1, np.int64)  # the most images among the first rows whose levels are in order, up to a level
    for level in range(len(levels)):
        own = np.concatenate([[0], np.cumsum(np.where(rank == level, images, 0))])
        kept = own + np.maximum.accumulate(kept - own)
    return int(images.sum() - kept[-1])


def _renamed(column: Int[np.ndarray, "n"], asked: Answered) -> bool:
    """Whether a column is one-to-one with the answer."""
    pairs = np.unique(column * (asked.answer.max(initial=0) + 1) + asked.answer)
    return len(pairs) == len(np.unique(column)) == len(np.unique(asked.answer))


def _coded(text: pa.Array) -> tuple[list[str], Int[np.ndarray, "n"]]:
    """The levels of a column, and the level of each row; -1 for a missing value."""
    return text.dictionary.to_pylist(), pc.fill_null(text.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _words(name: str) -> set[str]:
    """The words of a column's name.

    Examples
    --------
    >>> sorted(_words("is_Correct")), sorted(_words("errorType2"))
    (['correct', 'is'], ['error', 'type'])
    """
    return {word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
