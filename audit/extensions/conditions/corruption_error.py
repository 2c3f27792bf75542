"""The mean corruption error (mCE) of each group: wrong answers over all kinds and severities of ImageNet-C.

Hendrycks and Dietterich 2019 divide the error over the severities of a kind by AlexNet's, and take the mean over the kinds. Their sums run
over images as well, so the mCE of a group is the mean of one number per image, and has the interval of a mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audit.analyses.conditions import UnderConditions
from audit.analyses.kinds import AnalysisInputs
from audit.analyses.plans import IMAGENET_C, ImageConditionsPlan
from audit.analyses.records import Conditions, CorruptionError, ErrorGap, GroupError, KindError
from audit.extensions.conditions.imagenet_c import ALEXNET, FROST
from audit.records.base import Estimate
from audit.records.finding import CellStatus
from audit.statistics.counts import row_codes
from audit.statistics.intervals import wilson
from audit.statistics.metrics import METRICS, row_events
from audit.statistics.paired.sets import mean_shift
from audit.types import Group, Predictions

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

_ACCURACY = METRICS["accuracy"]


def corruption_error(
    plan: ImageConditionsPlan, answered: UnderConditions, conditions: Conditions, inputs: AnalysisInputs
) -> CorruptionError | None:
    """The mCE overall and by group; None unless all kinds are there, answers are right or wrong, and images count equally."""
    before = answered[0][1]
    if not plan.resized or set(plan.corruptions) != set(IMAGENET_C) or plan.outcome is not None or before.weight is not None:
        return None
    groups, codes = row_codes(before.attributes, conditions.attributes, inputs.dataset.levels)
    counted = row_events(before, _ACCURACY, None).counted
    wrong = {kind: rate[counted] for kind, rate in _wrong_by_kind(answered).items()}
    baseline = ALEXNET if plan.normalized_by else dict.fromkeys(ALEXNET, 1.0)
    errors = _Errors(
        np.mean([wrong[kind] / baseline[kind] for kind in ALEXNET], axis=0),
        float(np.mean([1 / error for error in baseline.values()])),
        _cluster_numbers(before)[counted],
        inputs.settings.alpha,
    )
    members = [codes[counted] == at for at in range(len(groups))]
    statuses = [rate.status for rate in conditions.baseline_by_group]
    by_group = [errors.of(group, own, status) for group, own, status in zip(groups, members, statuses, strict=True)]
    return CorruptionError(
        plan.normalized_by, errors.of((), np.ones(len(codes[counted]), bool), "ok"), tuple(by_group), errors.gap(by_group, members),
        tuple(_kind(kind, rate, members, ALEXNET if plan.normalized_by else {}) for kind, rate in wrong.items()),
    )  # fmt: skip


def _wrong_by_kind(answered: UnderConditions) -> dict[str, Float[np.ndarray, "n"]]:
    """Kind -> share of the severities at which the answer for each image is wrong."""
    wrong: dict[str, list[Bool[np.ndarray, "n"]]] = {}
    for condition, predictions in answered[1:]:
        if condition.series:
            wrong.setdefault(condition.series, []).append(~row_events(predictions, _ACCURACY, None).event)
    return {kind: np.mean(severities, axis=0) for kind, severities in wrong.items()}


def _cluster_numbers(predictions: Predictions) -> Int[np.ndarray, "n"]:
    if predictions.cluster is None:
        return np.arange(len(predictions.y_pred))
    return np.unique(predictions.cluster, return_inverse=True)[1]


def _kind(kind: str, wrong: Float[np.ndarray, "n"], members: list[Bool[np.ndarray, "n"]], baseline: dict[str, float]) -> KindError:
    by_group = tuple(float(wrong[own].mean()) if own.any() else None for own in members)
    return KindError(kind, float(wrong.mean()), by_group, baseline.get(kind), kind != FROST)


class _Errors:
    """The mean corruption error of each image, and intervals of its mean."""

    def __init__(self, scores: Float[np.ndarray, "n"], most: float, clusters: Int[np.ndarray, "n"], alpha: float):
        self._scores, self._most, self._clusters, self._alpha = scores, most, clusters, alpha

    def of(self, group: Group, own: Bool[np.ndarray, "n"], status: CellStatus) -> GroupError:
        if not own.any():
            return GroupError(group, 0, None, None, None, status)
        return GroupError(group, int(own.sum()), *self._mean(own, self._alpha), status)

    def gap(self, by_group: list[GroupError], members: list[Bool[np.ndarray, "n"]]) -> ErrorGap | None:
        """Between the highest and the lowest of the compared groups."""
        compared = [at for at, error in enumerate(by_group) if error.status == "ok" and error.value is not None]
        if len(compared) < 2:
            return None
        alpha = self._alpha / (len(compared) * (len(compared) - 1) / 2)
        means = {at: self._mean(members[at], alpha) for at in compared}
        high, low = max(compared, key=lambda at: means[at][0]), min(reversed(compared), key=lambda at: means[at][0])
        (most, most_low, most_high), (least, least_low, least_high) = means[high], means[low]
        down, up = np.hypot(most - most_low, least_high - least), np.hypot(most_high - most, least - least_low)
        difference = most - least
        return ErrorGap(by_group[high].group, by_group[low].group, Estimate(difference, float(difference - down), float(difference + up)))

    def _mean(self, own: Bool[np.ndarray, "n"], alpha: float) -> tuple[float, float, float]:
        scores, clusters = self._scores[own], np.unique(self._clusters[own], return_inverse=True)[1]
        mean, low, high = mean_shift(scores, clusters, alpha)
        if low is None or high is None or high - low < 1e-12:
            # No variation to estimate from. No score varies more than answers that are all wrong or all right.
            many = int(clusters.max()) + 1
            low, high = (self._most * float(end) for end in wilson(np.array(mean / self._most * many), many, alpha))
        return mean, max(0.0, low), min(self._most, high)
