"""A finding as fairlearn's `MetricFrame` on one row per image, for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.statistics.metrics import METRICS, Outcome, definitions
from audit.types import UNKNOWN

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame


def row_frame(
    attributes: pd.DataFrame, y_true: pd.Series, y_pred: pd.Series, metric: str, outcome: Outcome | None, weight: pd.Series | None = None
) -> MetricFrame:
    """The frame of one metric (a name in `METRICS`) over the groups formed by the attributes, one column each; weighted if given.

    True answers are missing if there is no truth. `outcome` has the answers that count as positive; None: the answers themselves are
    compared. They are coded as integers first: fairlearn treats the string "1" as not selected. Intersections without images are rows
    of NaN; check the group sizes as well, since its `difference()` does not account for chance.
    """
    from fairlearn.metrics import MetricFrame

    if METRICS[metric].needs_truth:
        known = (y_true != UNKNOWN) & y_true.notna()
        attributes, y_true, y_pred = attributes[known], y_true[known], y_pred[known]
        weight = None if weight is None else weight[known]
    if outcome is None:
        truth, answer = np.split(pd.factorize(pd.concat([y_true, y_pred]))[0], 2)
    else:
        truth, answer = (column.isin(outcome).to_numpy(np.int64) for column in (y_true, y_pred))
    return MetricFrame(
        metrics={metric: definitions()[metric]}, y_true=truth, y_pred=answer, sensitive_features=attributes.reset_index(drop=True),
        sample_params=None if weight is None else {metric: {"sample_weight": weight.to_numpy(float)}},
    )  # fmt: skip
