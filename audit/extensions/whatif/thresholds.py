"""What-if for a yes-or-no label: fairlearn's `ThresholdOptimizer`, with a separate threshold for every group.

It needs each person's group for every answer. That may be unlawful; pages that show it must say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit.errors import DataError
from audit.types import Note

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Constraint = Literal["demographic_parity", "equalized_odds", "true_positive_rate_parity", "false_positive_rate_parity"]
NEEDS = (Note("fitted_truth"), Note("group_of_each_person"))


@dataclass(frozen=True)
class GroupThresholds:
    """Fitted thresholds."""

    optimizer: Any
    groups: frozenset[int]

    def answer(self, scores: Float[np.ndarray, "n"], codes: Int[np.ndarray, "n"], seed: int) -> Bool[np.ndarray, "n"]:
        """The new answers; raises DataError if an image's group was not in the fit half.

        A threshold may be a random choice between two, which the seed determines.
        """
        unknown = sorted(set(codes.tolist()) - self.groups)
        if unknown:
            raise DataError(f"no threshold was fitted for group number {unknown[0]}", fix="show only groups that the fit half holds")
        answers = self.optimizer.predict(scores[:, None], sensitive_features=codes, random_state=seed)
        return np.asarray(answers).astype(bool)


@cache
def _estimator() -> Any:
    """A fitted estimator whose prediction is its input, since the scores exist already."""
    from sklearn.base import BaseEstimator

    class Given(BaseEstimator):  # type: ignore[misc]
        def __sklearn_is_fitted__(self) -> bool:
            return True

        def fit(self, x: np.ndarray, y: np.ndarray) -> Given:
            return self

        def predict(self, x: np.ndarray) -> np.ndarray:
            return np.asarray(x)[:, 0]

    return Given()


def fit_thresholds(
    scores: Float[np.ndarray, "n"], y_true: Bool[np.ndarray, "n"], codes: Int[np.ndarray, "n"], constraint: Constraint
) -> GroupThresholds:
    """Fit a threshold for each group on the fit half that equalises the rate of `constraint` at the best accuracy.

    Raises DataError if a group has only one true answer: then no rate given the other can be equalised. Hardt, Price and Srebro 2016,
    https://arxiv.org/abs/1610.02413
    """
    for code in np.unique(codes):
        if len(np.unique(y_true[codes == code])) < 2:
            raise DataError(
                f"group number {code} has one true answer only in the fit half",
                why="a threshold needs images of both",
                fix="leave the group out, or give more images",
            )
    from fairlearn.postprocessing import ThresholdOptimizer

    optimizer = ThresholdOptimizer(
        estimator=_estimator(), constraints=constraint, objective="accuracy_score", prefit=True, predict_method="predict"
    )
    optimizer.fit(scores[:, None], y_true.astype(int), sensitive_features=codes)
    return GroupThresholds(optimizer, frozenset(codes.tolist()))
