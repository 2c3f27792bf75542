"""A curve of outcome against dose over models, and the interval in which one more model is expected.

y = b0 + b1 dose (+ b2 dose²) + seed + model, by least squares. Models of one seed start from the same weights and see the same pairs in
the same order, so they may share a deviation; its variance is estimated by moments (Henderson's method 3). Where it is not above 0, the
prediction interval is the textbook one of ordinary least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t

from audit.records.base import Estimate

if TYPE_CHECKING:
    from jaxtyping import Float, Int


_TINY = 1e-20


@dataclass(frozen=True)
class DoseCurve:
    """A polynomial fitted to the outcomes of n models."""

    dose: Float[np.ndarray, "n"]
    outcome: Float[np.ndarray, "n"]
    seed: Int[np.ndarray, "n"]
    degree: int
    image_variance: Float[np.ndarray, "n"] | None = None
    """Variance of each outcome over images, which the residuals contain on average; None: the same at all doses."""
    bounds: tuple[float, float] = (-np.inf, np.inf)
    """What an outcome can be: prediction intervals end there."""
    least: float = 0.0
    """Variance of a prediction if the fitted models do not deviate from the curve at all."""

    @cached_property
    def design(self) -> Float[np.ndarray, "n p"]:
        """Powers of the dose."""
        return np.asarray(np.vander(self.dose, self.degree + 1, increasing=True))

    @cached_property
    def coefficients(self) -> Float[np.ndarray, "p"]:
        """Of dose^0, dose^1 and so on."""
        return np.asarray(np.linalg.pinv(self.design) @ self.outcome)

    @property
    def several_seeds(self) -> bool:
        """Whether there is a spread over seeds."""
        return len(np.unique(self.seed)) > 1

    def weights(self, dose: float) -> Float[np.ndarray, "n"]:
        """How much each outcome counts in the curve at a dose."""
        powers = np.power(dose, np.arange(self.degree + 1))
        return np.asarray(powers @ np.linalg.pinv(self.design))

    def at(self, dose: float) -> float:
        """The curve at a dose."""
        return float(self.weights(dose) @ self.outcome)

    @property
    def r_squared(self) -> float:
        """Share of the variance that the curve explains; 0 if the outcome does not vary."""
        total = float(((self.outcome - self.outcome.mean()) ** 2).sum())
        return 1 - self._squares(self.design)[0] / total if total > 0 else 0.0

    @cached_property
    def _members(self) -> Float[np.ndarray, "n s"]:
        return np.asarray(self.seed[:, None] == np.unique(self.seed)[None, :], float)

    def _squares(self, design: Float[np.ndarray, "n q"]) -> tuple[float, int]:
        """Residual sum of squares and its degrees of freedom."""
        residual = self.outcome - design @ (np.linalg.pinv(design) @ self.outcome)
        return float(residual @ residual), len(self.outcome) - int(np.linalg.matrix_rank(design))

    @cached_property
    def components(self) -> Components | None:
        """The variances of seed and model; None without a spread over seeds, or without a degree of freedom."""
        (whole, df), (within, df_within) = self._squares(self.design), self._squares(np.hstack([self.design, self._members]))
        if not self.several_seeds or df < 1:
            return None
        if df_within and df > df_within:
            between = (whole - within) / (df - df_within)
            outside = self._members - self.design @ (np.linalg.pinv(self.design) @ self._members)
            size = float((outside**2).sum()) / (df - df_within)
            if between > within / df_within:
                return Components(within / df_within, df_within, between, df - df_within, size)
        return Components(whole / df, df)

    def band(self, weights: Float[np.ndarray, "n"], *, new_models: float) -> tuple[float, float] | None:
        """Return the variance of a weighted sum of the outcomes, plus `new_models` new ones, and its degrees of freedom.

        None without a spread over seeds.
        """
        parts = self.components
        if parts is None:
            return None
        of_model = new_models + float(weights @ weights)
        of_seed = new_models + float(((self._members.T @ weights) ** 2).sum())
        return parts.variance(of_model, of_seed)

    def predict(self, dose: float, alpha: float) -> Estimate | None:
        """The prediction interval of one more model, from the fitted models alone.

        A rate varies less over images near 0 or 1. What is expected at this dose (between its neighbours, a straight line) beyond the mean
        of the fitted models is added to the variance.
        """
        band = self.band(self.weights(dose), new_models=1.0)
        if band is None:
            return None
        # With the degrees of freedom of the spread alone: those of the extra variance would make the interval narrower.
        variance = band[0] + self._more_over_images(dose)
        whole, (least, most) = interval(self.at(dose), variance if variance > _TINY else self.least, band[1], alpha), self.bounds
        return Estimate(whole.value, *np.clip([whole.low, whole.high], least, most).tolist())

    def _more_over_images(self, dose: float) -> float:
        if self.image_variance is None:
            return 0.0
        tried = np.unique(self.dose)
        means = [self.image_variance[self.dose == at].mean() for at in tried]
        return max(0.0, float(np.interp(dose, tried, means) - self.image_variance.mean()))


@dataclass(frozen=True)
class Components:
    """Mean squares within and between seeds; without the latter, seeds do not matter."""

    within: float
    df_within: int
    between: float = 0.0
    df_between: int = 0
    size: float = 1.0
    """Expected mean square between seeds: that of a model, plus `size` times that of a seed."""

    @property
    def of_seed(self) -> float:
        """Variance of what the models of one seed share."""
        return (self.between - self.within) / self.size if self.df_between else 0.0

    def variance(self, of_model: float, of_seed: float) -> tuple[float, float]:
        """Return `of_model` variances of a model plus `of_seed` of a seed; degrees of freedom by Satterthwaite."""
        if not self.df_between:
            return self.within * of_model, float(self.df_within)
        between = self.between * of_seed / self.size
        within = self.within * (of_model - of_seed / self.size)
        return between + within, _satterthwaite((within, self.df_within), (between, self.df_between))


def _satterthwaite(*parts: tuple[float, float]) -> float:
    total = sum(value for value, _ in parts)
    squares = sum(value**2 / df for value, df in parts)
    return total**2 / squares if squares > 0 else float(min(df for _, df in parts))


def interval(value: float, variance: float, df: float, alpha: float) -> Estimate:
    """Return the t interval of a value."""
    half = float(t.ppf(1 - alpha / 2, max(df, 1.0))) * max(variance, 0.0) ** 0.5
    return Estimate(value, value - half, value + half)


def pooled_interval(value: float, seeds: tuple[float, float], images: tuple[float, float], alpha: float) -> Estimate:
    """Return the interval over seeds and images, each a variance with its degrees of freedom."""
    return interval(value, seeds[0] + images[0], _satterthwaite(seeds, images), alpha)
