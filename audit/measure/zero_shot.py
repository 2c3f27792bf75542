"""Zero-shot prediction: which label's text is nearest to the image? NumPy only.

Similarities are computed only here, and so embeddings are normalised only here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.answers import answer_probabilities, answers_of, are_shares
from audit.embedding.cores import on_all_cores
from audit.errors import DataError, UsageError
from audit.types import UNKNOWN, Group, LabelSet, Measurement, ModelRecord, Predictions

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float64, Int

QUESTION = "Which label's text lies nearest to the image?"
_CHUNK, _ROWS = 512, 64
"""Images per block, so that intermediate results stay in the processor's cache."""


def cosine_scores(image_embeddings: Float[np.ndarray, "n d"], text_embeddings: Float[np.ndarray, "k d"]) -> Float64[np.ndarray, "n k"]:
    """Cosine of every image with every text, in double precision: in [-1, 1] up to rounding.

    The length of an embedding does not matter; raises DataError if it is zero or not finite: such an embedding has no direction.

    Examples
    --------
    >>> cosine_scores(np.array([[3.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 2.0]])).round(3)
    array([[1.   , 0.   ],
           [0.707, 0.707]])
    """
    texts = _normalised(text_embeddings, "text", 0)
    scores = np.empty((len(image_embeddings), len(texts)))

    def compare(start: int) -> None:
        part = slice(start, start + _CHUNK)
        # In double precision: rounding of single precision, times a scale of 100, would be visible in scores.
        scores[part] = _normalised(image_embeddings[part], "image", start) @ texts.T

    for _ in on_all_cores(compare, range(0, len(image_embeddings), _CHUNK)):
        pass  # `scores` are filled in by the workers
    return scores


def unit_vectors(embeddings: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """Normalise embeddings to length 1, in double precision; raises DataError if one is zero or not finite.

    Examples
    --------
    >>> unit_vectors(np.array([[3.0, 4.0]]))
    array([[0.6, 0.8]])
    """
    return _normalised(embeddings, "image", 0)


def ensemble(text_embeddings: Float[np.ndarray, "m d"]) -> Float64[np.ndarray, "d"]:
    """Direction of several prompts of one label: the mean of the normalised embeddings, normalised again.

    Raises DataError if an embedding, or their mean, is zero or not finite. Radford et al. 2021, section 3.1.4,
    https://arxiv.org/abs/2103.00020

    Examples
    --------
    >>> ensemble(np.array([[10.0, 0.0], [0.0, 1.0]])).round(3)
    array([0.707, 0.707])
    """
    mean = _normalised(text_embeddings, "text", 0).mean(axis=0, keepdims=True)
    return np.asarray(_normalised(mean, "mean text", 0)[0])


def directions(prompts: Iterable[Iterable[str]], text_embeddings: Mapping[str, Float[np.ndarray, "d"]]) -> Float64[np.ndarray, "k d"]:
    """Direction of each label: the `ensemble` of its prompts, whose embeddings are looked up."""
    return np.stack([ensemble(np.stack([text_embeddings[prompt] for prompt in texts])) for texts in prompts])


def probabilities(cosine: Float64[np.ndarray, "n k"], record: ModelRecord) -> Float64[np.ndarray, "n k"]:
    """Turn cosines into the model's probabilities, by the rule with which it was trained.

    ``softmax(scale * cosine)`` over the labels (rows sum to 1), or ``sigmoid(scale * cosine + bias)`` for each label by itself.

    Examples
    --------
    At a scale of log(3), cosines of 1 and 0 give probabilities of three to one:

    >>> from dataclasses import replace
    >>> record = ModelRecord("m", "k", "f", "s", 0, 2, "float32", "softmax", float(np.log(3)), None, "a", "p", "t")
    >>> probabilities(np.array([[1.0, 0.0]]), record).round(3)
    array([[0.75, 0.25]])
    >>> probabilities(np.array([[1.0, 0.0]]), replace(record, score_rule="sigmoid", logit_bias=0.0)).round(3)
    array([[0.75, 0.5 ]])
    """
    return probabilities_of_logits(logits_of(cosine, record), record)


def gives_shares(record: ModelRecord) -> bool:
    """Whether a model's probabilities of the labels sum to one, and are not one for each label by itself."""
    return record.score_rule != "sigmoid"


def probabilities_of_logits(logits: Float64[np.ndarray, "n k"], record: ModelRecord) -> Float64[np.ndarray, "n k"]:
    """The second half of `probabilities`, from the result of `logits_of`."""
    if not gives_shares(record):
        # In logarithms: 1 / (1 + exp(-x)) overflows for a large negative logit.
        return np.asarray(np.exp(-np.logaddexp(0.0, -logits)))
    return softmax(logits)


def softmax(logits: Float64[np.ndarray, "n k"]) -> Float64[np.ndarray, "n k"]:
    """The softmax of each row: it sums to 1, and adding a constant to a row changes nothing.

    Examples
    --------
    >>> softmax(np.log(np.array([[1.0, 3.0]]))).round(3)
    array([[0.25, 0.75]])
    """
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def predict(
    measurement: Measurement,
    record: ModelRecord,
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]],
    attributes: pd.DataFrame,
) -> Predictions:
    """Predict the labels of one label set by zero-shot classification.

    `text_embeddings` has every prompt of the label set. Images that are not scored are left out (`scored_images`). Raises DataError if
    a true answer is not among the possible answers, or an embedding has no direction.
    """
    label_set = measurement.label_set
    rows = np.flatnonzero(scored_images(measurement, attributes))
    texts = _normalised(directions((label_set.prompts[label] for label in label_set.labels), text_embeddings), "text", 0)
    scores, margin = np.empty((len(rows), len(label_set.labels)), np.float32), np.empty(len(rows), np.float32)
    chosen = np.empty(len(rows), np.int32)

    def answer(start: int) -> None:
        part = slice(start, start + _CHUNK)
        logits = logits_of(_normalised(image_embeddings[rows[part]], "image", start) @ texts.T, record)
        probable = probabilities_of_logits(logits, record)
        scores[part] = probable
        chosen[part], margin[part] = _decided(label_set, logits, probable, shares=gives_shares(record))

    for _ in on_all_cores(answer, range(0, len(rows), _CHUNK)):
        pass  # the answers are filled in by the workers
    return _predictions(measurement, scores, chosen, margin, attributes.iloc[rows])


def scored_images(measurement: Measurement, attributes: pd.DataFrame) -> Bool[np.ndarray, "n"]:
    """Which images are scored: those that the measurement asks, and if it has a truth, those whose true answer is known."""
    scored = np.ones(len(attributes), dtype=bool)
    if measurement.only is not None:
        attribute, level = measurement.only
        scored &= (attributes[attribute] == level).to_numpy(dtype=bool)
    if measurement.truth is not None:
        scored &= (attributes[measurement.truth] != UNKNOWN).to_numpy(dtype=bool)
    return scored


def predict_from_scores(
    measurement: Measurement, logits: Float64[np.ndarray, "n k"], scores: Float64[np.ndarray, "n k"], attributes: pd.DataFrame
) -> Predictions:
    """Turn the scores of labels into answers, for the images that are scored (`scored_images`), in their order.

    `logits` rank the labels: probabilities do so too, but far from zero, different logits round to the same probability.
    """
    chosen, margin = _decided(measurement.label_set, logits, scores, shares=are_shares(scores))
    return _predictions(measurement, scores.astype(np.float32), chosen, margin.astype(np.float32), attributes)


def _decided(
    label_set: LabelSet, logits: Float64[np.ndarray, "n k"], scores: Float64[np.ndarray, "n k"], *, shares: bool
) -> tuple[Int[np.ndarray, "n"], Float64[np.ndarray, "n"]]:
    """The index of each image's answer, and by how much it is more probable than the second."""
    answers = check_answers(label_set)
    by_answer = answer_probabilities(scores, label_set.labels, answers, label_set, shares=shares)
    best_two = np.partition(by_answer, -2, axis=1)[:, -2:]
    return chosen_answers(label_set, answers, logits, by_answer if shares else None), best_two[:, 1] - best_two[:, 0]


def _predictions(
    measurement: Measurement, scores: Float[np.ndarray, "n k"], chosen: Int[np.ndarray, "n"], margin: Float[np.ndarray, "n"],
    attributes: pd.DataFrame,
) -> Predictions:  # fmt: skip
    """Combine answers and true answers; all images with one answer share one string object."""
    label_set, answers, y_true = measurement.label_set, check_answers(measurement.label_set), None
    if measurement.truth is not None:
        codes, truths = pd.factorize(attributes[measurement.truth])
        check_truth(map(str, truths), answers, measurement)
        y_true = np.array(truths, object)[codes]
    return Predictions(label_set.labels, answers, scores, np.array(answers, object)[chosen], y_true, attributes, margin)


def check_answers(label_set: LabelSet) -> Group:
    """The possible answers; raises UsageError if there are fewer than two."""
    answers = answers_of(label_set)
    if len(answers) < 2:
        raise UsageError(f"label set {label_set.name!r} has fewer than two answers", why="a question needs at least two answers")
    return answers


def chosen_answers(
    label_set: LabelSet, answers: Sequence[str], logits: Float64[np.ndarray, "n k"], shares: Float64[np.ndarray, "n a"] | None
) -> Int[np.ndarray, "n"]:
    """The index of the answer of each image; `shares` of the answers, None if probabilities are independent."""
    answer_of = np.array([answers.index(label_set.answers.get(label, label)) for label in label_set.labels])
    # By logit, not by probability: far from zero, different logits round to one probability. argmax gives a tie to the first declared.
    if label_set.combine == "argmax":
        return np.asarray(answer_of[_first_largest(logits)])
    if shares is None:
        # The probability that at least one label applies grows with the sum of -log(1 - sigmoid(logit)) = log(1 + exp(logit)).
        shares = np.stack([np.logaddexp(0.0, logits[:, answer_of == position]).sum(axis=1) for position in range(len(answers))], axis=1)
    return _first_largest(shares)


def _first_largest(values: Float64[np.ndarray, "n k"]) -> Int[np.ndarray, "n"]:
    """`argmax` of each row: for short rows, numpy finds the first true value in half the time."""
    return np.asarray((values == values.max(axis=1, keepdims=True)).argmax(axis=1))


def check_truth(y_true: Iterable[str], answers: Sequence[str], measurement: Measurement) -> None:
    """Raise DataError if a true answer is not among the possible ones."""
    unexpected = sorted(set(y_true) - set(answers))
    if unexpected:
        raise DataError(
            f"{measurement.name}: true answers that the label set does not offer: {', '.join(map(repr, unexpected[:10]))}",
            where=f"column {measurement.truth!r}",
            why=f"the possible answers are {', '.join(map(repr, answers))}",
            fix="correct the column, or the label set of the probe",
        )


def logits_of(cosine: Float64[np.ndarray, "n k"], record: ModelRecord) -> Float64[np.ndarray, "n k"]:
    """The logits that the model's rule turns into probabilities: ``scale * cosine + bias``."""
    return record.logit_scale * cosine + (record.logit_bias or 0.0)


def _normalised(embeddings: Float[np.ndarray, "n d"], kind: str, start: int) -> Float64[np.ndarray, "n d"]:
    double = embeddings.astype(np.float64)
    # A few rows at a time: memory for all squares would be returned to the system and allocated again, which takes seven times as long.
    squares = [np.square(double[row : row + _ROWS]).sum(axis=1) for row in range(0, len(double), _ROWS)]
    lengths = np.sqrt(np.concatenate([*squares, np.empty(0)]))[:, None]
    bad = np.flatnonzero(~(np.isfinite(lengths[:, 0]) & (lengths[:, 0] > 0)))
    if bad.size:
        raise DataError(
            f"{bad.size} {kind} embeddings are zero or not finite and have no direction; the first is number {start + bad[0]}",
            why="the model's weights, or the images, are damaged",
        )
    double /= lengths
    return double
