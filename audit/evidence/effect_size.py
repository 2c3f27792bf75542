"""Effect sizes: difference, ratio, odds ratio, Cohen's h."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from audit.evidence.base import EvidenceInputs, compared_counts
from audit.records.base import Estimate, record
from audit.records.finding import pair_of
from audit.statistics.intervals import difference_limits, score_ratio
from audit.types import Group


@record
class EffectSize:
    """Alternative measures of the difference of two rates."""

    first: Group
    second: Group
    difference: Estimate
    ratio: Estimate | None
    """None if a group has no event."""
    odds_ratio: Estimate | None
    """None if a group has no event or only events."""
    cohens_h: float
    """0.2 is conventionally small, 0.5 medium, 0.8 large."""


def by_finding(inputs: EvidenceInputs) -> dict[str, EffectSize]:
    """The effect sizes for the leading pair of each finding."""
    sizes = {}
    for finding in inputs.independent:
        if finding.gap:
            groups, events, n = compared_counts(finding)
            pair = pair_of(finding.gap)
            ends = [groups.index(group) for group in pair]
            k, m = ((int(counts[ends[0]]), int(counts[ends[1]])) for counts in (events, n))
            sizes[finding.id] = effect_size(pair, k, m, inputs.settings.alpha)
    return sizes


def ratio(events_1: int, n_1: int, events_2: int, n_2: int, alpha: float) -> Estimate | None:
    """Ratio of two independent rates, first divided by second, with its log-delta interval.

    ``exp(ln(p1 / p2) +- z sqrt(1/k1 - 1/n1 + 1/k2 - 1/n2))``; None if a group has no event: the logarithm of 0 has no interval. If every
    image of both groups is an event, that variance is 0, and Koopman's score interval is used instead.
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
    if events_1 == n_1 and events_2 == n_2:
        low, high = score_ratio(events_1, n_1, events_2, n_2, alpha)
        return Estimate(1.0, float(low), float(high))
    variance = 1 / events_1 - 1 / n_1 + 1 / events_2 - 1 / n_2
    return _log_interval((events_1 / n_1) / (events_2 / n_2), variance, alpha)


def odds_ratio(events_1: int, n_1: int, events_2: int, n_2: int, alpha: float) -> Estimate | None:
    """Ratio of two odds, first divided by second, with Woolf's log-delta interval; None if a group has no event or only events.

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
    """Difference of two rates on a scale with equal steps near 0 and in the middle: ``2 asin sqrt p1 - 2 asin sqrt p2``.

    Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, section 6.2

    Examples
    --------
    >>> round(cohens_h(0.05, 0.01), 3), round(cohens_h(0.54, 0.50), 3)
    (0.251, 0.08)
    """
    return float(2 * np.arcsin(np.sqrt(rate_1)) - 2 * np.arcsin(np.sqrt(rate_2)))


def effect_size(groups: tuple[Group, Group], events: tuple[int, int], n: tuple[int, int], alpha: float) -> EffectSize:
    """Difference, ratio, odds ratio and Cohen's h of two groups, first compared with second; each with its interval."""
    counts = (events[0], n[0], events[1], n[1])
    rates = events[0] / n[0], events[1] / n[1]
    low, high = difference_limits(*counts, alpha)
    difference = Estimate(rates[0] - rates[1], float(low), float(high))
    return EffectSize(*groups, difference, ratio(*counts, alpha), odds_ratio(*counts, alpha), cohens_h(*rates))
