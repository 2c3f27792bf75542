"""The linear trend of a rate along ordered levels: its change from one level to the next, as Cochran and Armitage test it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from audit.records.finding import Rate
from audit.statistics.intervals import wilson

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class LevelRates:
    """Rates of the levels that have images, in order."""

    step: Int[np.ndarray, "g"]
    """Position of each level in the declared order."""
    n: Float[np.ndarray, "g"]
    rate: Float[np.ndarray, "g"]
    low: Float[np.ndarray, "g"]
    high: Float[np.ndarray, "g"]
    """Limits of each rate at level 1 - `alpha`."""
    alpha: float
    independent: bool
    """Whether `n` images count once each and for themselves: limits at another level are then known, and the test is exact."""
    extra_error: float = 0.0
    """Standard error of the slope if clusters lie in several levels, which the limits of single rates do not show; else 0."""

    @classmethod
    def of(cls, rates: Sequence[Rate | None], alpha: float, *, at_equal_truth: bool, extra_error: float = 0.0) -> LevelRates:
        """The rates of ordered levels; None for a level without images."""
        known = [(step, rate) for step, rate in enumerate(rates) if rate is not None and rate.value is not None]
        columns = np.array([(step, rate.n, rate.value, rate.low, rate.high) for step, rate in known], float).reshape(-1, 5).T
        alone = not at_equal_truth and all(rate.clusters is None and rate.effective_n is None for _, rate in known)
        step, n, rate, low, high = columns
        return cls(step.astype(np.int64), n, rate, low, high, alpha, alone and not extra_error, extra_error)

    @property
    def coefficients(self) -> Float[np.ndarray, "g"]:
        """Coefficients of the rates in the slope: ``n (x - mean of x) / sum n (x - mean of x)^2``, least squares over the images."""
        centred = self.step - (self.n * self.step).sum() / self.n.sum()
        return np.asarray(self.n * centred / (self.n * centred**2).sum())

    @property
    def slope(self) -> float:
        """Change of the rate from one level to the next."""
        return float((self.coefficients * self.rate).sum())

    def interval(self, alpha: float) -> tuple[float, float]:
        """Limits of the slope from those of the rates (MOVER; of two levels: Newcombe's interval of a difference).

        Examples
        --------
        >>> from audit.statistics.intervals import newcombe
        >>> rates = [Rate(("a",), 80, 48, 0.6, 0.49, 0.7, "ok"), Rate(("b",), 70, 56, 0.8, 0.69, 0.88, "ok")]
        >>> both = LevelRates.of(rates, 0.05, at_equal_truth=False)
        >>> bool(np.allclose(both.interval(0.05), newcombe(56, 70, 48, 80, 0.05)))
        True
        """
        low, high = self._limits(alpha)
        c, slope = self.coefficients, self.slope
        down = np.where(c > 0, self.rate - low, self.rate - high)
        up = np.where(c > 0, high - self.rate, low - self.rate)
        least = float(ndtri(1 - alpha / 2)) * self.extra_error
        return slope - max(float(np.sqrt(((c * down) ** 2).sum())), least), slope + max(float(np.sqrt(((c * up) ** 2).sum())), least)

    def _limits(self, alpha: float) -> tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]:
        if self.independent:
            return wilson(np.rint(self.rate * self.n), self.n, alpha)
        stretch = float(ndtri(1 - alpha / 2) / ndtri(1 - self.alpha / 2))
        return self.rate - stretch * (self.rate - self.low), self.rate + stretch * (self.high - self.rate)

    def steepest(
        self, least: Float[np.ndarray, "g"], most: Float[np.ndarray, "g"]
    ) -> tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]:
        """Rates with the least and the largest slope, if each may lie anywhere between two ends; levels keep their coefficients."""
        rising = self.coefficients > 0
        return np.where(rising, least, most), np.where(rising, most, least)

    def at(self, rate: Float[np.ndarray, "g"], n: Float[np.ndarray, "g"], alpha: float) -> tuple[float, float, float]:
        """The slope of other rates, with its limits; `n` are the numbers of independent images of the levels."""
        low, high = wilson(rate * n, n, alpha)
        other = replace(self, rate=rate, low=low, high=high, alpha=alpha, independent=False)
        return other.slope, *other.interval(alpha)

    @property
    def p(self) -> float:
        """Two-sided p of a slope of 0: Cochran and Armitage's test for independent images, otherwise from the interval.

        References
        ----------
        Cochran 1954, https://doi.org/10.2307/3001616; Armitage 1955, https://doi.org/10.2307/3001775

        Examples
        --------
        1, 2 and 4 of 10: the rate grows by .15 from one level to the next, standard error sqrt(7/30 23/30 / 20) = .0946.

        >>> rates = [Rate((name,), 10, k, k / 10, 0.0, 1.0, "ok") for name, k in (("a", 1), ("b", 2), ("c", 4))]
        >>> growing = LevelRates.of(rates, 0.05, at_equal_truth=False)
        >>> round(growing.slope, 6), round(growing.p, 4)
        (0.15, 0.1127)
        """
        if not self.varies:
            return 1.0
        if not self.independent:
            low, high = self.interval(self.alpha)
            toward = self.slope - low if self.slope > 0 else high - self.slope
            return float(2 * ndtr(-abs(self.slope) / toward * ndtri(1 - self.alpha / 2)))
        pooled = float((self.n * self.rate).sum() / self.n.sum())
        centred = self.step - (self.n * self.step).sum() / self.n.sum()
        error = np.sqrt(pooled * (1 - pooled) / (self.n * centred**2).sum())
        return float(2 * ndtr(-abs(self.slope) / error))

    @property
    def varies(self) -> bool:
        """Whether some image is an event and some is not."""
        return bool((self.rate > 0).any() and (self.rate < 1).any())


def spanning_error(
    step: Int[np.ndarray, "n"], event: Bool[np.ndarray, "n"], cluster: Int[np.ndarray, "n"], weight: Float[np.ndarray, "n"] | None,
    stratum: Int[np.ndarray, "n"] | None, coefficients: Float[np.ndarray, "g"],
) -> float:  # fmt: skip
    """Standard error of a slope if clusters lie in several levels; 0 if none does.

    ``sqrt(sum over clusters of (sum over its images of c_g w (e - p_g) / W_g)^2)``, each residual divided by the root of one minus its
    cluster's share of the cell. With strata (true answers) a cell is a level within a stratum, and strata count by their share.
    """
    owner = np.unique(cluster, return_inverse=True)[1]
    pairs = np.unique(np.stack([owner, step]), axis=1)
    if len(pairs[0]) == len(np.unique(owner)):
        return 0.0
    w = np.ones(len(step)) if weight is None else weight
    strata = np.zeros(len(step), np.int64) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    cell = np.unique(np.stack([strata, step]), axis=1, return_inverse=True)[1].ravel()
    total = np.bincount(cell, w)[cell]
    rate = (np.bincount(cell, w * event) / np.bincount(cell, w))[cell]
    part = np.unique(np.stack([owner, cell]), axis=1, return_inverse=True)[1].ravel()
    leverage = np.bincount(part, w)[part] / total
    share = (np.bincount(strata, w) / w.sum())[strata]
    residual = coefficients[step] * share * w * (event - rate) / total / np.sqrt(np.maximum(1 - leverage, 1e-9))
    return float(np.sqrt((np.bincount(owner, residual) ** 2).sum()))
