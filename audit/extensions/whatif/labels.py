"""What-ifs that only need text: a neutral label, prompts over other attributes, no answer if the model is unsure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.answers import answers_of
from audit.errors import UsageError
from audit.evidence.threshold_curves import thresholds_at
from audit.measure.embedded import AskedMeasurement
from audit.types import NOT_ANSWERED, Predictions

if TYPE_CHECKING:
    from jaxtyping import Float


def neutral_label(task: AskedMeasurement, label: str, prompts: Mapping[str, Float[np.ndarray, "d"]]) -> AskedMeasurement:
    """Add a label that blames no one, such as 'child': with its own answer, in no outcome, and with the embeddings of its prompts.

    A new label can only take images from the others: the count of every other label falls or stays, in every group. The informative results
    are the gap, and the right answers lost to the new label (Radford et al. 2021, table 7, https://arxiv.org/abs/2103.00020). Raises
    UsageError if the label set already offers the answer.
    """
    label_set = task.measurement.label_set
    if label in label_set.labels or label in label_set.answers.values():
        raise UsageError(f"label set {label_set.name!r} already offers {label!r}", fix="add another neutral label")
    extended = replace(
        label_set,
        name=f"{label_set.name} + {label}",
        labels=(*label_set.labels, label),
        prompts={**label_set.prompts, label: tuple(prompts)},
    )
    measurement = replace(task.measurement, label_set=extended)
    return replace(task, measurement=measurement, text_embeddings={**task.text_embeddings, **prompts})


def aggregate(
    task: AskedMeasurement, prompts: Mapping[tuple[str, ...], Sequence[str]], text_embeddings: Mapping[str, Float[np.ndarray, "d"]]
) -> AskedMeasurement:
    """Combine every answer with other attributes and sum: ``p(race | x) = sum over age, gender of softmax(tau x . z)``.

    `prompts` maps (answer, level, level, ...) to its prompts. The sum depends on the logit scale tau: state it. Independent probabilities
    are not summed: that of at least one combination counts. Raises UsageError if the combinations do not cover exactly the answers of the
    label set.
    """
    label_set = task.measurement.label_set
    answers = answers_of(label_set)
    if {combination[0] for combination in prompts} != set(answers):
        raise UsageError(
            "the combined prompts answer something else than the label set",
            where=f"label set {label_set.name!r}",
            why=f"its answers are {', '.join(answers)}",
        )
    # In the order of the answers, so that ties are resolved as before.
    ordered = sorted(prompts, key=lambda combination: answers.index(combination[0]))
    names = {combination: " | ".join(combination) for combination in ordered}
    crossed = replace(
        label_set,
        name=f"{label_set.name}, summed over other attributes",
        labels=tuple(names.values()),
        prompts={names[combination]: tuple(prompts[combination]) for combination in ordered},
        answers={names[combination]: combination[0] for combination in ordered},
        combine="sum",
    )
    return replace(task, measurement=replace(task.measurement, label_set=crossed), text_embeddings=text_embeddings)


def margin_at(predictions: Predictions, coverage: float) -> float:
    """The largest margin at which at least this share of the images still has an answer; chosen on the fit half."""
    return thresholds_at(predictions.margin.astype(float), (coverage,))[0]


def abstain(predictions: Predictions, margin: float) -> Predictions:
    """Abstain if the two best answers differ by at most `margin`; at 0 all answers stay.

    No answer is neither a right answer nor a harm. Unequal coverage is a disparity, too: show who gets no answer.
    """
    silent = predictions.margin.astype(float) <= margin if margin > 0 else np.zeros(len(predictions.y_pred), bool)
    answers = np.where(silent, NOT_ANSWERED, predictions.y_pred)
    return replace(predictions, answers=(*predictions.answers, NOT_ANSWERED), y_pred=answers)
