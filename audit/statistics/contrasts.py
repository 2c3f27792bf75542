"""Comparisons of groups: the gap and what is expected by chance, each group against the rest, every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.records.finding import ClaimResult, Contrast, Gap, LeadingPair, MoreImages, WithinClusters
from audit.statistics.equivalence import too_few
from audit.statistics.multiplicity import holm
from audit.statistics.power import detectable_difference, detectable_within, images_without_error, more_images
from audit.statistics.units.sampling_unit import SamplingUnits, gap_interval, shown_ratio, widest_pair
from audit.ties import first_largest, least_equal
from audit.types import Group, Settings

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Sides = tuple[Int[np.ndarray, "m"], Int[np.ndarray, "m"]]


@dataclass(frozen=True)
class ComparedGroups:
    """The estimable groups."""

    groups: tuple[Group, ...]
    units: SamplingUnits


def gap_of(compared: ComparedGroups, rng: np.random.Generator, settings: Settings, ratios_of: SamplingUnits | None = None) -> Gap:
    """The largest difference between at least two groups, and its test; with `ratios_of` also the bounds of the ratio of its rates.

    `leading` is the significant pair that differs most, None if no pair is: its final value depends on the verdict (`decide_verdicts`).
    """
    units = compared.units
    null = units.null(settings.draws, rng)
    rates, (high, low) = units.events / units.n, widest_pair(units)
    lower, upper = gap_interval(units, settings.alpha)
    leading, open_pair = _leading_and_open_pairs(compared, null.chance, settings.alpha)
    variance = units.variance()
    most = ratios_of.equivalence_ratio(settings.alpha) if ratios_of else np.inf
    return Gap(
        highest=compared.groups[high],
        lowest=compared.groups[low],
        value=null.gap,
        low=lower,
        high=upper,
        ratio=float(rates[low] / rates[high]) if rates[high] > 0 else None,
        p=null.p,
        p_adjusted=null.p,
        null_mean=null.mean,
        null_95=null.upper,
        chi2=null.chi2,
        chi2_p=null.chi2_p,
        spread=max(variance, 0.0) ** 0.5,
        spread_squared=variance,
        minimum_detectable=1.0,  # depends on the other claims: `decide_verdicts`
        equivalence_bound=units.equivalence_bound(settings.alpha),
        equivalence_ratio=most if np.isfinite(most) else None,
        ratio_low=shown_ratio(ratios_of, settings.alpha) if ratios_of else None,
        most_significant=(compared.groups[null.most_significant[0]], compared.groups[null.most_significant[1]]),
        pair_p=null.pair_p,
        leading=leading,
        open_pair=open_pair,
        within=_within(units),
    )


def _within(units: SamplingUnits) -> WithinClusters | None:
    design = units.within_design()
    return None if design is None else WithinClusters(**(design._asdict() | {"images_left_out": round(design.images_left_out)}))


def _leading_and_open_pairs(
    compared: ComparedGroups, chance: Float[np.ndarray, "g g"], alpha: float
) -> tuple[LeadingPair | None, LeadingPair]:
    """The significant pair that differs most, if any, and the most uncertain pair.

    Intervals and chance are simultaneous over all pairs. It matters which limit decides: with groups of 5,000, 5,000 and 40 images
    the largest difference is nearly always that of the small group, and so is the largest upper limit, but not the largest lower limit.
    """
    units = compared.units
    first, second = np.triu_indices(len(compared.groups), 1)
    difference, (low, high) = units.contrasts(first, second), units.differences(first, second, alpha / len(first))
    # If two rates are equal, the one comes first that may be higher by more.
    equal = least_equal(np.abs(difference)) <= 0
    turned = np.where(equal, least_equal(-low) > high, difference < 0)
    higher, lower = np.where(turned, (second, first), (first, second))
    low, high = np.where(turned, (-high, -low), (low, high))
    differences, by_chance = np.abs(difference), chance[first, second]

    def pair(at: int) -> LeadingPair:
        ends = compared.groups[higher[at]], compared.groups[lower[at]]
        return LeadingPair(*ends, *(float(column[at]) for column in (differences, low, high, by_chance)))

    shown = np.where((low > 0) & (differences > by_chance), low, -np.inf)
    return pair(first_largest(shown)) if np.isfinite(shown).any() else None, pair(first_largest(np.maximum(high, -low)))


def against_the_rest(compared: ComparedGroups, tolerance: float, alpha: float) -> tuple[Contrast, ...]:
    """Compare each estimable group with the other estimable groups pooled: disjoint counts, no hidden reference group."""
    groups = len(compared.groups)
    # With two groups, each is the rest of the other: one comparison, shown from both sides.
    comparisons = groups if groups > 2 else 1
    sides = (np.arange(groups), np.arange(groups, 2 * groups))
    return _contrasts([(group, ()) for group in compared.groups], compared.units.with_rest(), sides, comparisons, tolerance, alpha)


def every_pair(compared: ComparedGroups, tolerance: float, alpha: float) -> tuple[Contrast, ...]:
    """Compare every two estimable groups."""
    first, second = np.triu_indices(len(compared.groups), 1)
    names = [(compared.groups[i], compared.groups[j]) for i, j in zip(first, second, strict=True)]
    return _contrasts(names, compared.units, (first, second), len(names), tolerance, alpha)


def _contrasts(
    names: Sequence[tuple[Group, Group]], units: SamplingUnits, sides: Sides, comparisons: int, tolerance: float, alpha: float
) -> tuple[Contrast, ...]:
    first, second = sides
    p = units.p(first, second)
    low_adjusted, high_adjusted = units.differences(first, second, alpha / comparisons)
    columns = (
        units.contrasts(first, second),
        *units.differences(first, second, alpha),
        p,
        holm(p) if comparisons > 1 else p,
        low_adjusted,
        high_adjusted,
        (low_adjusted > tolerance) | (high_adjusted < -tolerance),
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(Contrast(*name, *row) for name, row in zip(names, rows, strict=True))


def with_detectable(finding: ClaimResult, level: float, alpha: float) -> ClaimResult:
    """Add the detectable difference and the groups with too few images, at the effective number of images with clusters or weights."""
    if finding.gap is None:
        return finding
    compared = [rate for rate in finding.by_group if rate.status == "ok"]
    least = 0.0 if finding.shares else 1.0  # at equal true shares, variation explained by the truth no longer counts
    effects = np.array([max(rate.design_effect or 1.0, least) for rate in compared])
    n = np.maximum(np.rint(np.array([rate.n for rate in compared]) / effects), 1).astype(np.int64)
    events = np.minimum(np.rint(np.array([(rate.value or 0.0) * rate.n for rate in compared]) / effects).astype(np.int64), n)
    inside, few = finding.gap.within, too_few(n, finding.tolerance, alpha)
    return replace(
        finding,
        gap=replace(
            finding.gap,
            minimum_detectable=detectable_difference(events, n, level)
            if inside is None
            else detectable_within(inside.standard_error, inside.freedom, len(n), level),
            too_few=tuple(rate.group for rate, lacking in zip(compared, few.tolist(), strict=True) if lacking),
        ),
    )


def with_more_images(finding: ClaimResult, level: float, alpha: float, negligible: float | None) -> ClaimResult:
    """Add the images that an inconclusive question needs; only if every image is a sampling unit and has the same weight.

    Without any error no ratio can be bounded: then it takes as many images without one as show that error rates are below `negligible`.
    """
    everybody = finding.overall
    missing = any(one.filled for one in finding.uncovered)  # more images would lack as many true answers
    independent = everybody.clusters is None and everybody.effective_n is None and not finding.shares
    if finding.gap is None or finding.verdict != "inconclusive" or missing or finding.gap.within or not independent:
        return finding
    compared = [rate for rate in finding.by_group if rate.status == "ok"]
    events, n = (np.array(counts, np.int64) for counts in ([rate.events for rate in compared], [rate.n for rate in compared]))
    rare = n - events if finding.ratio_of_rest else events
    if negligible is not None and not rare.any():
        needed = images_without_error(n, negligible, alpha)
    else:
        needed = more_images(rare, n, finding.tolerance, finding.ratio_tolerance, alpha, level)
    if needed is None:
        return finding
    more = tuple(MoreImages(rate.group, images) for rate, images in zip(compared, needed.tolist(), strict=True) if images)
    return replace(finding, gap=replace(finding.gap, more_images=more))
