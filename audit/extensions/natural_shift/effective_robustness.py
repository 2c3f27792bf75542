"""Effective robustness: accuracy under a natural shift beyond the prediction from a model's accuracy without it. Pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import expit, logit, stdtrit

if TYPE_CHECKING:
    from jaxtyping import Float

FEWEST_MODELS = 4
"""Minimum number of other models: any two lie on a line, and four leave two degrees of freedom to estimate the scatter."""


class Accuracy(NamedTuple):
    """A share of right answers, and the number of independent images."""

    value: float
    n: float

    @property
    def logit_variance(self) -> float:
        """Variance of its logit, by the delta method: ``1 / (n p (1 - p))``."""
        return 1 / (self.n * self.value * (1 - self.value))


class Expected(NamedTuple):
    """Accuracy under a shift beyond the prediction, and its interval."""

    predicted: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BaselineFit:
    """A line through the logits of other models' accuracies: with the shift as a function of without it."""

    slope: float
    intercept: float
    models: int
    centre: float
    """Mean logit of the accuracies without the shift."""
    spread: float
    """Sum of squared deviations from it."""
    scatter: float
    """Standard deviation of the models around the line, with two fewer degrees of freedom than models."""

    def expected(self, standard: Accuracy, shifted: Accuracy, alpha: float) -> Expected | None:
        """The effective robustness of another model; None if an accuracy is 0 or 1, whose logit is infinite.

        The interval is a prediction interval (Student's t) for another model of the same kind, widened by the sampling error
        of this model's own accuracies. If the other models answered the same images, their scatter already includes that error, and the
        interval is somewhat too wide.
        """
        if not (0 < standard.value < 1 and 0 < shifted.value < 1):
            return None
        x, freedom = float(logit(standard.value)), self.models - 2
        middle = self.intercept + self.slope * x
        of_line = self.scatter**2 * (1 + 1 / self.models + (x - self.centre) ** 2 / self.spread)
        own = self.slope**2 * standard.logit_variance + shifted.logit_variance
        reach = float(stdtrit(freedom, 1 - alpha / 2)) * (of_line + own) ** 0.5
        predicted, low, high = (float(expit(middle + step)) for step in (0.0, -reach, reach))
        return Expected(predicted, shifted.value - predicted, shifted.value - high, shifted.value - low)


def baseline_fit(standard: Float[np.ndarray, "m"], shifted: Float[np.ndarray, "m"]) -> BaselineFit | None:
    """Regress accuracy under a shift on accuracy without it, both as logits, over models.

    Parameters
    ----------
    standard, shifted : float[m]
        Accuracy of each model on images without, and with, the shift, between 0 and 1. A model with accuracy 0 or 1 has
        no logit and is ignored.

    Returns
    -------
    BaselineFit or None
        None for fewer than `FEWEST_MODELS` models, or if all have the same accuracy.

    References
    ----------
    Taori et al. 2020, https://arxiv.org/abs/2007.00644: accuracies of a hundred models lie on a line once they are logits, and
    ``rho(f) = acc_shifted(f) - beta(acc_standard(f))``.

    Examples
    --------
    Odds under the shift are half of those without: 1/2 becomes 1/3, and 2/3 becomes 1/2. Another model stays at 1/2.

    >>> standard = np.array([1 / 2, 2 / 3, 4 / 5, 8 / 9])
    >>> fit = baseline_fit(standard, np.array([1 / 3, 1 / 2, 2 / 3, 4 / 5]))
    >>> found = fit.expected(Accuracy(1 / 2, 1e6), Accuracy(1 / 2, 1e6), 0.05)
    >>> round(fit.slope, 6), round(found.predicted, 6), round(found.value, 6)
    (1.0, 0.333333, 0.166667)
    """
    known = (standard > 0) & (standard < 1) & (shifted > 0) & (shifted < 1)
    x, y = logit(standard[known]), logit(shifted[known])
    models = len(x)
    spread = float(((x - x.mean()) ** 2).sum()) if models else 0.0
    if models < FEWEST_MODELS or spread < 1e-12:
        return None
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    intercept = float(y.mean() - slope * x.mean())
    residuals = y - intercept - slope * x
    scatter = float((residuals**2).sum() / (models - 2)) ** 0.5
    return BaselineFit(slope, intercept, models, float(x.mean()), spread, scatter)
