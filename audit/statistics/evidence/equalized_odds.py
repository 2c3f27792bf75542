"""Equal opportunity and equalised odds: gaps of rates given the truth, with intervals by resampled counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from audit.records.evidence import GapEstimate, OddsDifference
from audit.statistics.metrics import METRICS, Outcome, Tally, tally
from audit.statistics.null import generator
from audit.statistics.resampling import exceedance_p, resample_counts, spread_of_rates

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from audit.statistics.counts.count_table import GroupedCounts
    from audit.types import Group, Settings

_RATES = ("true_positive_rate", "false_positive_rate")


@dataclass(frozen=True)
class _Rate:
    """One of the two rates, and the groups in which it can be estimated."""

    tallied: Tally
    used: Bool[np.ndarray, "g"]
    events: Int[np.ndarray, "u"]
    n: Int[np.ndarray, "u"]


def odds_difference(counts: GroupedCounts, outcome: Outcome, settings: Settings, name: str) -> OddsDifference:
    """Largest differences between groups of the true and the false positive rate, and the larger of the two.

    Parameters
    ----------
    counts : GroupedCounts
        Counts by group, true answer and answer.
    outcome : frozenset of str
        Answers that count as positive.
    settings : Settings
        Seed, alpha, smallest group (of the denominator), draws.
    name : str
        What the draws are for; part of their seed.

    Returns
    -------
    OddsDifference
        A group whose denominator is too small takes no part in that rate: nothing is filled in. A perfect classifier has no gap even
        where a group has no positives, for which fairlearn answers 1.

    Notes
    -----
    The interval of a gap adds to it, on both sides, what 1 - alpha of the resampled counts stay within: the largest move apart of any
    two groups. A gap cannot be wrong by more than that, so the interval holds at every gap, none included, where the percentile
    interval of the bootstrap never holds. Counts are resampled with half of z squared added to each cell (Agresti and Coull): 30 of 30
    right in every group is no certainty.

    References
    ----------
    Hardt, Price and Srebro 2016, https://arxiv.org/abs/1610.02413
    """
    rates = [_rate(tally(counts, METRICS[metric], outcome), settings.min_group_size) for metric in _RATES]
    moves = _moves_apart(rates, settings, generator(settings.seed, f"{name}/odds"))
    nulls = [_null(rate, settings.draws, generator(settings.seed, f"{name}/{metric}")) for rate, metric in zip(rates, _RATES, strict=True)]
    true_positive, false_positive = (
        _estimate([rate], move, null, settings.alpha) for rate, move, null in zip(rates, moves, nulls, strict=True)
    )
    return OddsDifference(
        equal_opportunity=true_positive,
        false_positive=false_positive,
        equalised_odds=_estimate(rates, moves.max(axis=0), np.maximum(*nulls), settings.alpha),
        not_compared=_named(rates[0], (rates[0].tallied.images > 0) & ~(rates[0].used & rates[1].used)),
    )


def _rate(tallied: Tally, fewest: int) -> _Rate:
    used = np.array([status == "ok" for status in tallied.statuses(fewest)])
    return _Rate(tallied, used, tallied.events[used], tallied.n[used])


def _named(rate: _Rate, which: Bool[np.ndarray, "g"]) -> tuple[Group, ...]:
    return tuple(rate.tallied.groups[i] for i in np.flatnonzero(which))


def _estimate(rates: list[_Rate], moves: Float[np.ndarray, "b"], null: Float[np.ndarray, "b"], alpha: float) -> GapEstimate | None:
    """Return the largest gap of some rates; None unless each can be estimated."""
    if any(len(rate.n) < 2 for rate in rates):
        return None
    gap = max(float(np.ptp(rate.events / rate.n)) for rate in rates)
    band = float(np.quantile(moves, 1 - alpha))
    groups = _named(rates[0], np.any([rate.used for rate in rates], axis=0))
    return GapEstimate(gap, max(0.0, gap - band), min(1.0, gap + band), exceedance_p(null, gap), float(np.quantile(null, 0.95)), groups)


def _moves_apart(rates: list[_Rate], settings: Settings, rng: np.random.Generator) -> Float[np.ndarray, "2 b"]:
    """Draw by how much sampling moves any two groups apart, in each of the two rates."""
    cells = np.stack([part for rate in rates for part in (rate.tallied.events, rate.tallied.n - rate.tallied.events)], axis=1)
    smoothed = cells + float(ndtri(1 - settings.alpha / 2)) ** 2 / 2
    smoothed *= (cells.sum(axis=1) / smoothed.sum(axis=1))[:, None]
    drawn = resample_counts(smoothed, settings.draws, rng)
    moves = []
    for i, rate in enumerate(rates):
        events, n = drawn[:, rate.used, 2 * i], drawn[:, rate.used, 2 * i : 2 * i + 2].sum(axis=2)
        expected = smoothed[rate.used, 2 * i] / smoothed[rate.used, 2 * i : 2 * i + 2].sum(axis=1)
        # A replicate without one image of this truth says nothing of the rate.
        moved = np.where(n > 0, events / np.maximum(n, 1) - expected, np.nan)
        moves.append(np.nan_to_num(spread_of_rates(moved)) if len(rate.n) else np.zeros(settings.draws))
    return np.stack(moves)


def _null(rate: _Rate, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b"]:
    """Draw the gap under shuffled group labels, within the images of one truth."""
    if len(rate.n) < 2:
        return np.zeros(draws)
    drawn = rng.multivariate_hypergeometric(rate.n, int(rate.events.sum()), size=draws, method="marginals")
    return np.asarray(np.ptp(drawn / rate.n, axis=1))
