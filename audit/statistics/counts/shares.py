"""Images that count in several groups: one row per image and group, weighted by the image's share in the group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.data.cells.votes import votes
from audit.types import Predictions

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def level_shares(column: pd.Series) -> tuple[Int[np.ndarray, "r"], np.ndarray, Float[np.ndarray, "r"]]:
    """Image, level and share of every vote of an image; the shares of an image sum to 1.

    Examples
    --------
    >>> image, level, share = level_shares(pd.Series(["3|3|4", "unknown"]))
    >>> image.tolist(), level.tolist(), share.round(3).tolist()
    ([0, 0, 1], ['3', '4', 'unknown'], [0.667, 0.333, 1.0])
    """
    codes, texts = pd.factorize(column)
    chosen = [Counter(votes(str(text))) for text in texts]
    sizes = np.array([len(tally) for tally in chosen], np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    levels = np.array([level for tally in chosen for level in tally], object)
    parts = np.array([count / tally.total() for tally in chosen for count in tally.values()])
    many = sizes[codes]
    image = np.repeat(np.arange(len(codes)), many)
    within = np.arange(len(image)) - np.repeat(np.cumsum(many) - many, many)
    position = starts[codes[image]] + within
    return image, levels[position], parts[position]


def expanded(predictions: Predictions, names: Sequence[str]) -> Predictions:
    """Predictions with one row for each combination of an image's values of some attributes.

    The weight of a row is the product of its shares times the weight of the image; the cluster is that of the image, or the image itself.
    If every image has one value of each attribute, rows have no weights.
    """
    rows, share, levels = np.arange(len(predictions.y_pred)), np.ones(len(predictions.y_pred)), dict[str, np.ndarray]()
    for name in names:
        image, level, part = level_shares(predictions.attributes[name].iloc[rows])
        rows, share = rows[image], share[image] * part
        levels = {**{other: values[image] for other, values in levels.items()}, name: level}
    attributes = predictions.attributes.iloc[rows].assign(**levels).astype("str")
    if len(rows) == len(predictions.y_pred):
        return replace(predictions, attributes=attributes)
    cluster = np.arange(len(predictions.y_pred)) if predictions.cluster is None else predictions.cluster
    return replace(
        predictions,
        scores=predictions.scores[rows],
        y_pred=predictions.y_pred[rows],
        y_true=None if predictions.y_true is None else predictions.y_true[rows],
        attributes=attributes,
        margin=predictions.margin[rows] if len(predictions.margin) else predictions.margin,
        cluster=cluster[rows],
        weight=share if predictions.weight is None else share * predictions.weight[rows],
    )
