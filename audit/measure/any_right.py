"""Several right answers per image: the nearest label counts as right if it is any of them. NumPy only.

The column of true answers lists all of them, separated by semicolons: ``toilet; bathroom``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.answers import answers_of
from audit.errors import UsageError
from audit.measure import zero_shot
from audit.types import Measurement, ModelRecord, Predictions

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float

QUESTION = "Is the label whose text lies nearest one of the image's right ones?"
BETWEEN = "; "


def right_answers(cells: Sequence[str], answers: Sequence[str]) -> list[tuple[str, ...]]:
    """The right answers that each cell lists, without those that are not possible answers.

    Examples
    --------
    >>> right_answers(["toilet; bathroom", "sky", "bathroom"], ("bathroom", "toilet"))
    [('toilet', 'bathroom'), (), ('bathroom',)]
    """
    return [tuple(name for name in cell.split(BETWEEN) if name in answers) for cell in cells]


def predict(
    measurement: Measurement,
    record: ModelRecord,
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]],
    attributes: pd.DataFrame,
) -> Predictions:
    """Zero-shot answers; the true answer of an image is the predicted one if that is right, else the first of the right ones.

    Images without a right answer among the labels are not scored. Raises UsageError if the measurement has no truth.
    """
    return best_of(measurement, record, image_embeddings, text_embeddings, attributes, 1)


def best_of(
    measurement: Measurement,
    record: ModelRecord,
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]],
    attributes: pd.DataFrame,
    k: int,
) -> Predictions:
    """The answers if any of the best `k` may be right: the right one among them, else the best."""
    if measurement.truth is None:
        what = f"measurement {measurement.name!r} asks which answer is right, and has no truth"
        raise UsageError(what, fix="truth='…' names the attribute that holds the right answers")
    answers = answers_of(measurement.label_set)
    right = right_answers(attributes[measurement.truth].tolist(), answers)
    unscored = replace(measurement, truth=None)
    asked = zero_shot.scored_images(unscored, attributes)
    rows = np.array([row for row, correct in enumerate(right) if correct and asked[row]], np.int64)
    predictions = zero_shot.predict(unscored, record, image_embeddings[rows], text_embeddings, attributes.iloc[rows])
    wanted = [right[row] for row in rows]
    best = np.argsort(-predictions.scores, axis=1, kind="stable")[:, :k]
    label_answers = [measurement.label_set.answers.get(label, label) for label in predictions.labels]
    offered = [
        [str(first)] if k == 1 else [label_answers[position] for position in places]
        for first, places in zip(predictions.y_pred, best, strict=True)
    ]
    y_pred = [next((name for name in names if name in these), names[0]) for names, these in zip(offered, wanted, strict=True)]
    y_true = [name if name in these else these[0] for name, these in zip(y_pred, wanted, strict=True)]
    # As text of any length: a fixed width would truncate later assignments.
    return replace(predictions, y_pred=np.array(y_pred, dtype=str), y_true=np.array(y_true, dtype=str))
