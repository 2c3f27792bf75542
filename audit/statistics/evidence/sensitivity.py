"""The same audit on slightly other predictions: near-ties decided the other way, listed images left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.statistics.evidence.confidence import runner_up

if TYPE_CHECKING:
    from jaxtyping import Bool

    from audit.types import LabelSet, Predictions

LOGIT_TOLERANCE = {"float32": 1.2e-5, "float16": 0.01, "bfloat16": 0.15}
"""dtype -> by how much a logit of cosine x 100 was seen to move with the batch size or the machine."""
SAFETY = 10.0
"""A decision closer than this many tolerances counts as open."""


@dataclass(frozen=True)
class Flipped:
    """Predictions with every near-tie decided the other way."""

    predictions: Predictions
    count: int
    """Decisions that were turned."""


def flip_near_ties(predictions: Predictions, label_set: LabelSet, dtype: str) -> Flipped:
    """Give every image whose decision rounding could turn its second choice.

    Put the result through `findings` and `conclude` again: a verdict that changes rests on rounding.

    Parameters
    ----------
    predictions : Predictions
    label_set : LabelSet
        The label set that was asked.
    dtype : str
        Number format of the encoder: a decision is a near-tie where the two best logits differ by less than ten times what a logit of
        that format moves by.
    """
    second, distance = runner_up(predictions, label_set)
    near = distance < SAFETY * LOGIT_TOLERANCE[dtype]
    answers = np.where(near, np.array(predictions.answers)[second], predictions.y_pred)
    return Flipped(replace(predictions, y_pred=answers), int(near.sum()))


@dataclass(frozen=True)
class Excluded:
    """Predictions without the listed images."""

    predictions: Predictions
    left_out: int
    unknown: tuple[str, ...]
    """Listed identifiers that no image has."""


def exclude(predictions: Predictions, identifiers: Collection[str]) -> Excluded:
    """Leave the listed images out, for example those whose labels are known to be wrong.

    Parameters
    ----------
    predictions : Predictions
        Its attributes are indexed by row identifier.
    identifiers : collection of str
        Rows to leave out. One that does not occur is reported, not ignored: a list for other data would otherwise change nothing silently.
    """
    listed = set(identifiers)
    rows = predictions.attributes.index.astype(str)
    keep = np.asarray(~rows.isin(listed))
    return Excluded(keep_rows(predictions, keep), int((~keep).sum()), tuple(sorted(listed - set(rows))))


def keep_rows(predictions: Predictions, keep: Bool[np.ndarray, "n"]) -> Predictions:
    """Return the predictions of some of the images."""
    return replace(
        predictions,
        scores=predictions.scores[keep],
        y_pred=predictions.y_pred[keep],
        y_true=None if predictions.y_true is None else predictions.y_true[keep],
        attributes=predictions.attributes[keep],
        margin=predictions.margin[keep] if len(predictions.margin) else predictions.margin,  # none where there are no scores
        cluster=None if predictions.cluster is None else predictions.cluster[keep],
    )
