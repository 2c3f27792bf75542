"""The planned outcome of one model: a rate, or the signed difference of two, with what every cluster of images adds to its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import t

from audit.errors import UsageError, nearest
from audit.extensions.causes.record import PlannedRate
from audit.records.base import Estimate
from audit.types import UNKNOWN

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


@dataclass(frozen=True)
class RateOutcome:
    """A rate or a difference, as a sum over clusters of images.

    `influence`: cluster -> how much it moves the value, summing to 0. That of a weighted sum of outcomes on the same images is the weighted
    sum of the influences, so what two models share cancels in their difference.
    """

    value: float
    influence: pd.Series[float]
    images: tuple[int, ...]
    units: tuple[int, ...] = ()
    """Number of clusters with images of each group; empty: of one group, in all clusters."""

    @property
    def variance(self) -> float:
        """Variance over images: c / (c - 1) sum of squares, for c clusters; NaN for one cluster."""
        return clustered_variance(self.influence)

    @property
    def clusters(self) -> int:
        """Number of clusters with images of the groups."""
        return len(self.influence)

    def interval(self, alpha: float) -> Estimate:
        """The value with its interval over images, in which no cluster's agreement with the others is taken for certainty."""
        variance = variance_over_images([self], np.ones(1), alpha)
        half = float(t.ppf(1 - alpha / 2, max(self.clusters - 1, 1))) * variance**0.5
        if self.variance > TINY:
            return Estimate(self.value, self.value - half, self.value + half)
        return Estimate(self.value, max(self.value - half, 1.0 - max(len(self.units), 1)), min(self.value + half, 1.0))


TINY = 1e-20
"""A smaller variance is rounding."""


def variance_over_images(outcomes: Sequence[RateOutcome], weights: Float[np.ndarray, "m"], alpha: float) -> float:
    """Return the variance over images of a weighted sum of outcomes on the same images; above 0 even if no cluster differs from another.

    Where all clusters agree (every answer right, or every woman's like every man's), c clusters do not show that others would. Each rate
    then is as uncertain as Wilson's interval of no event in c: as wide as z² / (c + z²), so its variance is z² / (c + z²)². For one outcome
    this is Newcombe's interval of the difference of two such rates. What is added and what is subtracted count as independent.

    >>> same = RateOutcome(1.0, pd.Series(np.zeros(60)), (60,), (60,))
    >>> round(variance_over_images([same], np.ones(1), 0.05) ** 0.5 * 1.96, 3)  # Wilson: 60 of 60, at least 94 %
    0.06
    """
    _, variance = weighted_sum(outcomes, weights)
    if variance > TINY:
        return variance
    z2, units = float(ndtri(1 - alpha / 2)) ** 2, outcomes[0].units or (outcomes[0].clusters,)
    each = sum(z2 / (many + z2) ** 2 for many in units)
    return float(each * (weights[weights > 0].sum() ** 2 + weights[weights < 0].sum() ** 2))


def clustered_variance(influence: pd.Series[float]) -> float:
    """Return the variance of a sum over clusters.

    >>> round(clustered_variance(pd.Series([0.1, -0.1, 0.1, -0.1])), 4)  # 4/3 x .04
    0.0533
    """
    clusters = len(influence)
    return float(clusters / (clusters - 1) * (influence**2).sum()) if clusters > 1 else float("nan")


@dataclass(frozen=True)
class CountedImages:
    """The images of a planned rate, and the answer that counts."""

    target: pd.Series[str]
    """The counted answer of each image."""
    sides: list[tuple[Bool[np.ndarray, "n"], float]]
    """The images of the group, with sign 1, and of the group that is subtracted, with sign -1."""

    @property
    def weights(self) -> Float[np.ndarray, "n"]:
        """The weight of each image: the outcome is the weighted sum of whether the answer of an image is the counted one."""
        return np.asarray(sum(sign * rows / rows.sum() for rows, sign in self.sides))


def counted_images(answers: pd.DataFrame, planned: PlannedRate) -> CountedImages:
    """Return the images that a planned rate counts; parameters and errors as for `rate_outcome`, but without ``y_pred``."""
    counted = _rows(answers, planned.where) & (answers["y_true"].notna() & (answers["y_true"] != UNKNOWN)).to_numpy()
    target = answers["y_true"]
    if planned.rate == "planted answer":
        target = answers["y_true"].map(planned.answers)
        counted &= target.notna().to_numpy()
    sides = []
    for group, sign in [(planned.of, 1.0), *([(planned.minus, -1.0)] if planned.minus else [])]:
        rows = _rows(answers, group) & counted
        sides.append((rows, sign))
        if not rows.any():
            why = f"no image of {describe(group) or 'the measurement'} {'has a planted answer' if planned.answers else 'is counted'}"
            raise UsageError("the outcome cannot be computed", why=why, fix="compare outcome.where and outcome.answers with the probe")
    return CountedImages(target, sides)


def rate_outcome(answers: pd.DataFrame, planned: PlannedRate, cluster: str | None) -> RateOutcome:
    """Compute a planned rate.

    `answers`: a row per image with the columns ``y_true``, ``y_pred`` and the attributes, of one measurement. `cluster`: column that says
    which images belong together; None: images are independent. Raises `UsageError` if a column, value or group does not exist.
    """
    counted = counted_images(answers, planned)
    event = (answers["y_pred"] == counted.target).to_numpy(float)
    value, influence = 0.0, np.zeros(len(answers))
    for rows, sign in counted.sides:
        rate = event[rows].mean()
        value += sign * rate
        influence[rows] += sign * (event[rows] - rate) / rows.sum()
    images = tuple(int(rows.sum()) for rows, _ in counted.sides)
    any_side = np.logical_or.reduce([rows for rows, _ in counted.sides])
    names = answers[cluster] if cluster else pd.Series(np.arange(len(answers)), answers.index)
    sums = pd.Series(influence[any_side]).groupby(names[any_side].astype(str).to_numpy()).sum()
    units = tuple(int(names[rows].astype(str).nunique()) for rows, _ in counted.sides)
    return RateOutcome(float(value), sums, images, units)


def describe(group: Mapping[str, str | list[str]]) -> str:
    """Name a group by its values.

    >>> describe({"gender": "woman", "role": ["judge", "cook"]})
    'woman, judge or cook'
    """
    return ", ".join(value if isinstance(value, str) else " or ".join(value) for value in group.values())


def _rows(answers: pd.DataFrame, group: Mapping[str, str | list[str]]) -> Bool[np.ndarray, "n"]:
    rows = np.ones(len(answers), bool)
    for name, wanted in group.items():
        if name not in answers:
            raise UsageError(f"the outcome names an unknown column {name!r}", fix=nearest(name, map(str, answers.columns)))
        values = [wanted] if isinstance(wanted, str) else wanted
        unknown = sorted(set(values) - set(answers[name].dropna().astype(str)))
        if unknown:
            fix = nearest(unknown[0], sorted(set(answers[name].dropna().astype(str))))
            raise UsageError(f"no image has the value {unknown[0]!r} in the column {name!r}", where="the plan", fix=fix)
        rows &= answers[name].astype(str).isin(values).to_numpy()
    return rows


def weighted_sum(outcomes: Sequence[RateOutcome], weights: Float[np.ndarray, "m"]) -> tuple[float, float]:
    """Return a weighted sum of outcomes, and its variance over images that all of them share."""
    table = pd.concat([outcome.influence for outcome in outcomes], axis=1).fillna(0.0)
    value = float(weights @ np.array([outcome.value for outcome in outcomes]))
    return value, clustered_variance(pd.Series(table.to_numpy() @ weights))
