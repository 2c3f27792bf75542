"""Equal opportunity and equalized odds: gaps of rates given the truth, with intervals from resampled counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from audit.answers import answers_of
from audit.evidence.base import DRAWS, EvidenceInputs, slices
from audit.records.base import Estimate, record
from audit.statistics.counts import GroupedCounts, regrouped
from audit.statistics.metrics import METRICS, Outcome, Tally, tally
from audit.statistics.null import generator
from audit.statistics.resampling import exceedance_p, resample_counts, spread_of_rates
from audit.statistics.units.sampling_unit import ImageUnits, gap_interval
from audit.types import Group, Measurement, Settings

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


@record
class GapEstimate(Estimate):
    """The largest difference between groups, with its permutation test and what is expected by chance (95 %)."""

    p: float
    null_95: float
    groups: tuple[Group, ...]


@record
class EqualizedOddsDifference:
    """Equal opportunity and equalized odds of an outcome. None if fewer than two groups have enough images with that truth."""

    equal_opportunity: GapEstimate | None
    """Gap of the true positive rate."""
    false_positive: GapEstimate | None
    equalized_odds: GapEstimate | None
    """The larger of the two gaps; None unless both can be estimated."""
    not_compared: tuple[Group, ...]
    """Groups with images that are missing from at least one of the two gaps."""


@record
class EqualizedOdds:
    """Equal opportunity and equalized odds of one answer, or set of answers, between groups."""

    measurement: str
    outcome: str
    attributes: tuple[str, ...]
    difference: EqualizedOddsDifference


MOST_OUTCOMES = 10
"""With at most this many answers each is an outcome; with more, only the outcomes that the measurement declares."""
_RATES = ("true_positive_rate", "false_positive_rate")


@dataclass(frozen=True)
class _Rate:
    """One of the two rates, and the groups in which it can be estimated."""

    tallied: Tally
    used: Bool[np.ndarray, "g"]
    events: Int[np.ndarray, "u"]
    n: Int[np.ndarray, "u"]


def of_audit(inputs: EvidenceInputs) -> tuple[EqualizedOdds, ...]:
    """The gaps of every outcome for each slice; only if something can be estimated.

    Without declared outcomes each answer is one. With two answers the second is equivalent to the first, with the two rates swapped.
    """
    capped = replace(inputs.settings, draws=min(inputs.settings.draws, DRAWS))
    odds = []
    for name, measurement in inputs.measurements.items():
        cells = inputs.cells[name]
        # By the truth itself, every group has only one truth; groups of counterfactual sets are not compared as independent images.
        apart = {(measurement.truth,), *((attribute,) for attribute in inputs.predictions[name].sets)}
        sliced = [by for by in slices(measurement) if by not in apart and cells.has(by)]
        for by in sliced if cells.answered.y_true is not None else ():
            counts = regrouped(cells, by, inputs.levels)
            for outcome, answers in _outcomes(measurement).items():
                estimate = odds_difference(counts, frozenset(answers), capped, f"{name}[{outcome}]/{' x '.join(by)}")
                if estimate.equal_opportunity or estimate.false_positive:
                    odds.append(EqualizedOdds(name, outcome, by, estimate))
    return tuple(odds)


def _outcomes(measurement: Measurement) -> Mapping[str, tuple[str, ...]]:
    if measurement.outcomes:
        return measurement.outcomes
    answers = answers_of(measurement.label_set)
    return {answer: (answer,) for answer in (answers[:1] if len(answers) == 2 else answers)} if len(answers) <= MOST_OUTCOMES else {}


def odds_difference(counts: GroupedCounts, outcome: Outcome, settings: Settings, name: str) -> EqualizedOddsDifference:
    """Largest differences between groups of the true and the false positive rate, and the larger of the two.

    A group whose denominator is too small is ignored for that rate, without imputation. A perfect classifier has no gap even if a
    group has no positives, for which fairlearn returns 1. `name` is part of the seed of the draws.

    Each gap has the usual interval of a gap (`gap_interval`). That of the larger one is the gap plus and minus the 1 - alpha quantile, over
    resampled counts, of the largest change of any difference of two groups. The gap's error cannot exceed that, so the interval is valid
    for every gap, including 0, where the percentile interval of the bootstrap never is. Counts are resampled with half of z squared added
    to each cell (Agresti and Coull): 30 of 30 right in every group is not certainty.

    Hardt, Price and Srebro 2016, https://arxiv.org/abs/1610.02413
    """
    rates = [_rate(tally(counts, METRICS[metric], outcome), settings.min_group_size) for metric in _RATES]
    moves = _moves_apart(rates, settings, generator(settings.seed, f"{name}/odds"))
    nulls = [_null(rate, settings.draws, generator(settings.seed, f"{name}/{metric}")) for rate, metric in zip(rates, _RATES, strict=True)]
    true_positive, false_positive = (_gap(rate, null, settings.alpha) for rate, null in zip(rates, nulls, strict=True))
    return EqualizedOddsDifference(
        equal_opportunity=true_positive,
        false_positive=false_positive,
        equalized_odds=_larger(rates, moves.max(axis=0), np.maximum(*nulls), settings.alpha),
        not_compared=_named(rates[0], (rates[0].tallied.images > 0) & ~(rates[0].used & rates[1].used)),
    )


def _rate(tallied: Tally, fewest: int) -> _Rate:
    used = np.array([status == "ok" for status in tallied.statuses(fewest)])
    return _Rate(tallied, used, tallied.events[used], tallied.n[used])


def _named(rate: _Rate, which: Bool[np.ndarray, "g"]) -> tuple[Group, ...]:
    return tuple(rate.tallied.groups[i] for i in np.flatnonzero(which))


def _gap(rate: _Rate, null: Float[np.ndarray, "b"], alpha: float) -> GapEstimate | None:
    """The gap of a rate, with the interval that a finding would have; None if it cannot be estimated."""
    if len(rate.n) < 2:
        return None
    gap, ends = float(np.ptp(rate.events / rate.n)), gap_interval(ImageUnits(rate.events, rate.n), alpha)
    return GapEstimate(gap, *ends, exceedance_p(null, gap), float(np.quantile(null, 0.95)), _named(rate, rate.used))


def _larger(rates: list[_Rate], moves: Float[np.ndarray, "b"], null: Float[np.ndarray, "b"], alpha: float) -> GapEstimate | None:
    """The largest gap of some rates; None unless all can be estimated."""
    if any(len(rate.n) < 2 for rate in rates):
        return None
    gap = max(float(np.ptp(rate.events / rate.n)) for rate in rates)
    band = float(np.quantile(moves, 1 - alpha))
    groups = _named(rates[0], np.any([rate.used for rate in rates], axis=0))
    return GapEstimate(gap, max(0.0, gap - band), min(1.0, gap + band), exceedance_p(null, gap), float(np.quantile(null, 0.95)), groups)


def _moves_apart(rates: list[_Rate], settings: Settings, rng: np.random.Generator) -> Float[np.ndarray, "2 b"]:
    """Draws of the largest change, by sampling, of any difference of two groups, for each of the two rates."""
    cells = np.stack([part for rate in rates for part in (rate.tallied.events, rate.tallied.n - rate.tallied.events)], axis=1)
    smoothed = cells + float(ndtri(1 - settings.alpha / 2)) ** 2 / 2
    smoothed *= (cells.sum(axis=1) / smoothed.sum(axis=1))[:, None]
    drawn = resample_counts(smoothed, settings.draws, rng)
    moves = []
    for i, rate in enumerate(rates):
        events, n = drawn[:, rate.used, 2 * i], drawn[:, rate.used, 2 * i : 2 * i + 2].sum(axis=2)
        expected = smoothed[rate.used, 2 * i] / smoothed[rate.used, 2 * i : 2 * i + 2].sum(axis=1)
        # A replicate without any image with this truth says nothing about the rate.
        moved = np.where(n > 0, events / np.maximum(n, 1) - expected, np.nan)
        moves.append(np.nan_to_num(spread_of_rates(moved)) if len(rate.n) else np.zeros(settings.draws))
    return np.stack(moves)


def _null(rate: _Rate, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b"]:
    """Draws of the gap under shuffled group labels, within the images with one truth."""
    if len(rate.n) < 2:
        return np.zeros(draws)
    drawn = rng.multivariate_hypergeometric(rate.n, int(rate.events.sum()), size=draws, method="marginals")
    return np.asarray(np.ptp(drawn / rate.n, axis=1))
