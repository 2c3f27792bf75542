"""Tests of "no two groups differ" for images in clusters: every statistic is divided by the standard error of its own table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

from audit.statistics.draws import correlated_normal
from audit.statistics.null import GapNull, ShuffledNull
from audit.statistics.resampling import spread_of_rates
from audit.statistics.units.cluster_shuffles import shuffles
from audit.statistics.units.cluster_sums import Sums, as_normal, as_student, difference_errors, standardized_differences
from audit.statistics.units.clusters import ClusterTable
from audit.ties import first_largest, least_equal

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_CELLS = 1 << 22


def clustered_gap_test(table: ClusterTable, draws: int, rng: np.random.Generator, dealt: ClusterTable | None = None) -> GapNull:
    """Test "no two groups differ" by the most significant pair and by all groups together; also the gap, and what is expected by chance.

    Each shuffle of the clusters is divided by its own cluster-robust standard errors: the test is exact if clusters are alike, and
    asymptotically valid if groups differ in the number, size or correlation of clusters. Shuffles of few clusters are coarse, so p is at
    least that of normal rates with the observed errors. `dealt` is shuffled instead of the table, of which it is a coarser version.

    References
    ----------
    Janssen 1997, Studentized permutation tests, https://doi.org/10.1016/S0167-7152(97)00043-6;
    Chung and Romano 2013, https://doi.org/10.1214/13-AOS1090
    """
    sums = table.sums
    pooled = float(sums.e.sum() / sums.n.sum())
    first, second = np.triu_indices(len(sums.n), 1)
    observed = _statistics(sums, pooled)
    drawn = [(_statistics(shuffle, pooled), spread_of_rates(shuffle.rates)) for shuffle in shuffles(dealt or table, draws, rng)]
    gaps = np.concatenate([gap for _, gap in drawn])
    nulls = np.concatenate([statistics for statistics, _ in drawn]), _normal_statistics(sums, pooled, draws, rng)
    both = [ShuffledNull(null).p(observed) for null in nulls]
    p, (pair_p, any_p) = (np.maximum(*ends) for ends in zip(*both, strict=True))
    at = first_largest(np.abs(standardized_differences(sums, pooled, first, second)[0]))
    ends = (int(first[at]), int(second[at]))
    ends = ends if sums.rates[ends[0]] >= least_equal(sums.rates[ends[1]]) else ends[::-1]
    upper, critical = float(np.quantile(gaps, 0.95)), max(float(np.quantile(null[:, 0], 0.95)) for null in nulls)
    chance = _chance(sums, pooled, critical)
    return GapNull(float(np.ptp(sums.rates)), float(p), ends, float(gaps.mean()), upper, None, float(any_p), float(pair_p), chance)


def _chance(sums: Sums, pooled: float, critical: float) -> Float[np.ndarray, "g g"]:
    """Rescale the 95 % point of the largest standardised difference to each pair, by its own error and degrees of freedom."""
    first, second = np.triu_indices(len(sums.n), 1)
    error, freedom = difference_errors(sums, pooled, first, second)
    chance = np.zeros((len(sums.n), len(sums.n)))
    chance[first, second] = chance[second, first] = np.minimum(as_student(critical, freedom) * error, 1.0)
    return chance


def _statistics(sums: Sums, pooled: float) -> Float[np.ndarray, "*b 2"]:
    """Largest standardised difference of two groups, and the sum of squared deviations of all groups from their mean."""
    groups = sums.n.shape[-1]
    first, second = np.triu_indices(groups, 1)
    pairs = as_normal(*standardized_differences(sums, pooled, first, second))
    variance = np.maximum(sums.variances(pooled, np.arange(groups)), 1e-12)
    centre = np.average(sums.rates, axis=-1, weights=1 / variance, keepdims=True)
    standardized = as_normal((sums.rates - centre) / np.sqrt(variance), sums.freedom)
    return np.stack([np.abs(pairs).max(axis=-1), (standardized**2).sum(axis=-1)], axis=-1)


def _normal_statistics(sums: Sums, pooled: float, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b 2"]:
    """Draw both statistics for normal rates without differences that have the observed errors and correlations."""
    groups = np.arange(len(sums.n))
    first, second = np.triu_indices(len(groups), 1)
    error = np.sqrt(np.maximum(sums.variances(pooled, groups), 1e-12))
    correlation = np.eye(len(groups))
    correlation[first, second] = correlation[second, first] = sums.correlations(first, second)
    covariance = correlation * np.outer(error, error)
    rates = error * correlated_normal(correlation, draws, rng)
    between = np.sqrt(np.maximum(error[first] ** 2 + error[second] ** 2 - 2 * covariance[first, second], 1e-12))
    at_once = max(1, _CELLS // len(first))
    parts = [rates[start : start + at_once] for start in range(0, draws, at_once)]
    widest = np.concatenate([(np.abs(part[:, first] - part[:, second]) / between).max(axis=1) for part in parts])
    centre = np.average(rates, axis=1, weights=1 / error**2, keepdims=True)
    return np.stack([widest, (((rates - centre) / error) ** 2).sum(axis=1)], axis=1)


def clustered_p(sums: Sums, first: Int[np.ndarray, "m"], second: Int[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """Two-sided p of the difference of two rates, for `m` comparisons at once, by Student's t with Satterthwaite's approximation."""
    pooled = (sums.e[first] + sums.e[second]) / (sums.n[first] + sums.n[second])
    t, freedom = standardized_differences(sums, pooled, first, second)
    return np.asarray(np.minimum(1.0, 2 * stdtr(freedom, -np.abs(t))))
