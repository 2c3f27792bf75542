"""Sizes of effect: ratio, odds ratio, Cohen's h, the four-fifths rule as context; and the interval of any sum of weighted rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from audit.records.evidence import EffectSize, Estimate, FourFifths
from audit.statistics.intervals import newcombe, wilson

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from audit.types import Group

FOUR_FIFTHS = 0.8


def ratio(events_1: int, n_1: int, events_2: int, n_2: int, alpha: float) -> Estimate | None:
    """Ratio of two independent rates, first over second, with its log-delta interval.

    ``exp(ln(p1 / p2) +- z sqrt(1/k1 - 1/n1 + 1/k2 - 1/n2))``.

    Returns
    -------
    Estimate or None
        None where a group has no event: the logarithm of 0 has no interval.

    References
    ----------
    Katz et al. 1978, https://doi.org/10.2307/2530610

    Examples
    --------
    >>> found = ratio(40, 100, 20, 100, 0.05)
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (2.0, 1.263, 3.167)
    >>> ratio(0, 100, 20, 100, 0.05) is None
    True
    """
    if not (events_1 and events_2):
        return None
    variance = 1 / events_1 - 1 / n_1 + 1 / events_2 - 1 / n_2
    return _log_interval((events_1 / n_1) / (events_2 / n_2), variance, alpha)


def odds_ratio(events_1: int, n_1: int, events_2: int, n_2: int, alpha: float) -> Estimate | None:
    """Ratio of two odds, first over second, with Woolf's log-delta interval; None where a group has no event or nothing else.

    References
    ----------
    Woolf 1955, https://doi.org/10.1111/j.1469-1809.1955.tb01348.x

    Examples
    --------
    >>> found = odds_ratio(40, 100, 20, 100, 0.05)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (2.667, 1.417, 5.02)
    """
    cells = np.array([events_1, n_1 - events_1, events_2, n_2 - events_2], float)
    if not cells.all():
        return None
    return _log_interval(float(cells[0] * cells[3] / (cells[1] * cells[2])), float((1 / cells).sum()), alpha)


def _log_interval(value: float, variance: float, alpha: float) -> Estimate:
    factor = float(np.exp(ndtri(1 - alpha / 2) * np.sqrt(max(variance, 0.0))))
    return Estimate(value, value / factor, value * factor)


def cohens_h(rate_1: float, rate_2: float) -> float:
    """Difference of two rates on a scale where a step means the same near 0 as in the middle: ``2 asin sqrt p1 - 2 asin sqrt p2``.

    References
    ----------
    Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, section 6.2

    Examples
    --------
    >>> round(cohens_h(0.05, 0.01), 3), round(cohens_h(0.54, 0.50), 3)
    (0.251, 0.08)
    """
    return float(2 * np.arcsin(np.sqrt(rate_1)) - 2 * np.arcsin(np.sqrt(rate_2)))


def effect_size(groups: tuple[Group, Group], events: tuple[int, int], n: tuple[int, int], alpha: float) -> EffectSize:
    """Return difference, ratio, odds ratio and Cohen's h of two groups, first against second; each with its interval."""
    counts = (events[0], n[0], events[1], n[1])
    rates = events[0] / n[0], events[1] / n[1]
    low, high = newcombe(*counts, alpha)
    difference = Estimate(rates[0] - rates[1], float(low), float(high))
    return EffectSize(*groups, difference, ratio(*counts, alpha), odds_ratio(*counts, alpha), cohens_h(*rates))


def four_fifths(events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], draws: int, rng: np.random.Generator) -> FourFifths:
    """Lowest rate over highest, and how often chance alone brings it below four fifths.

    Context, never a verdict: 18 groups of 56 images at a rate of one half fall below four fifths every time, though nothing differs.

    Parameters
    ----------
    events, n : int[g]
        Events out of images for each estimable group.
    draws : int
        Shuffles of the group labels.
    rng : Generator
        Source of the shuffles.

    References
    ----------
    29 CFR 1607.4 D, https://www.ecfr.gov/current/title-29/section-1607.4
    """
    total = int(events.sum())
    if total == 0:
        return FourFifths(None, below=False, share_by_chance=0.0)
    rates = events / n
    drawn = rng.multivariate_hypergeometric(n, total, size=draws, method="marginals") / n
    return FourFifths(float(rates.min() / rates.max()), bool(_below(rates)), float(_below(drawn).mean()))


def _below(rates: Float[np.ndarray, "*b g"]) -> Bool[np.ndarray, "*b"]:
    return np.asarray(rates.min(axis=-1) < FOUR_FIFTHS * rates.max(axis=-1) - 1e-12)  # four fifths exactly is not below


def weighted_rates(
    weights: Float[np.ndarray, "*shape g"], events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], alpha: float
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """Weighted sums of independent rates, with intervals from the Wilson limits of each rate.

    Newcombe's method for any weights (MOVER): with the weights (1, -1) it is Newcombe's interval of a difference.

    Parameters
    ----------
    weights : float[..., g]
        One row a sum; weights may be negative.
    events, n : int[g]
        Events out of trials on disjoint images; every `n` at least 1.
    alpha : float
        One minus the level, two-sided.

    Returns
    -------
    value, low, high : float[...]

    References
    ----------
    Zou, Huang and Zhang 2009, https://doi.org/10.1016/j.csda.2008.09.033

    Examples
    --------
    >>> value, low, high = weighted_rates(np.array([1.0, -1.0]), np.array([56, 48]), np.array([70, 80]), 0.05)
    >>> round(float(value), 4), round(float(low), 4), round(float(high), 4)
    (0.2, 0.0524, 0.3339)
    """
    rates = events / n
    below, above = wilson(events, n, alpha)
    down = np.where(weights > 0, weights * (rates - below), weights * (rates - above))
    up = np.where(weights > 0, weights * (above - rates), weights * (below - rates))
    value = weights @ rates
    return value, value - np.sqrt((down**2).sum(axis=-1)), value + np.sqrt((up**2).sum(axis=-1))
