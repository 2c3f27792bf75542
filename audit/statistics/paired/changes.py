"""Before and after on the same images: changes of rates, of differences between groups, and of the gap.

Everything is a function of one table per claim: for each group, the images by (event before, event after). Counting is one pass over
the images; the cost of later steps is the same for a thousand images and for a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri, stdtrit

from audit.records.comparison import GapChange, GapEnds, PairChange, RateChange
from audit.records.finding import CellStatus, Rate
from audit.statistics.draws import multinomial
from audit.statistics.metrics import extremes
from audit.statistics.multiplicity import holm
from audit.statistics.paired.joint import BOTH, NEITHER, ONLY_AFTER, ONLY_BEFORE, JointCounts, change_ends, change_p, effective, score_ends
from audit.statistics.power import POWER
from audit.statistics.resampling import exceedance_p, hull, resample_counts
from audit.statistics.units.cluster_sums import below_one
from audit.statistics.units.clusters import covariance
from audit.statistics.units.sampling_unit import SamplingUnits, gap_interval
from audit.types import Group, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int

    Limits = Callable[[JointCounts, float], tuple[Float[np.ndarray, "g"], Float[np.ndarray, "g"]]]

MOST_PAIRS = 21
"""Number of pairs kept: all of seven groups. For more, those whose difference changed most; every verdict depends on all pairs."""


# ---- one group -----------------------------------------------------------------------------------------------------------------------


def changes_by_group(joint: JointCounts, settings: Settings) -> tuple[tuple[RateChange, ...], RateChange]:
    """The change of every group's rate, in their order, and that of all images.

    McNemar's exact p, Holm-adjusted over the compared groups; if images come in clusters, p of a test in which all images of a
    cluster change sign together.
    """
    statuses = joint.statuses(settings.min_group_size)
    ok = np.array([status == "ok" for status in statuses], bool)
    p = change_p(joint, settings)
    adjusted = p.copy()
    adjusted[ok] = holm(p[ok])
    level = settings.alpha / max(int(ok.sum()), 1)
    everybody = joint.together()
    status: CellStatus = "ok" if everybody.n[0] else "not estimable"
    [of_all] = _rate_changes(everybody, (status,), change_p(everybody, settings), settings.alpha, settings.alpha)
    rows = _rate_changes(joint, statuses, p, settings.alpha, level)
    return tuple(replace(row, p_adjusted=float(q)) for row, q in zip(rows, adjusted, strict=True)), of_all


def _rate_changes(
    joint: JointCounts, statuses: Sequence[CellStatus], p: Float[np.ndarray, "g"], alpha: float, alpha_adjusted: float
) -> list[RateChange]:
    """The changes with p not adjusted; groups that are not compared keep their own level."""
    before, after = (unit_rates(joint.groups, joint.units(after=after), statuses, alpha) for after in (False, True))
    own, wide = (change_ends(joint, level) for level in (alpha, alpha_adjusted))
    rows = []
    for i, cell in enumerate(joint.cells.tolist()):
        n, gained, lost = sum(cell), cell[ONLY_AFTER], cell[ONLY_BEFORE]
        difference = (gained - lost) / n if n else None
        ends = (*own, *(wide if statuses[i] == "ok" else own))
        low, high, low_adjusted, high_adjusted = (float(end[i]) if n else None for end in ends)
        levels = (low, high, low_adjusted, high_adjusted)
        rows.append(RateChange(before[i], after[i], gained, lost, difference, *levels, float(p[i]), float(p[i])))
    return rows


def unit_rates(groups: Sequence[Group], units: SamplingUnits, statuses: Sequence[CellStatus], alpha: float) -> list[Rate]:
    """The rate of each group with its interval; None if nothing counts."""
    low, high = units.intervals(alpha)
    clustered = [{} if clustering is None else clustering._asdict() for clustering in units.clustering()]
    rates = []
    for i, (events, n) in enumerate(zip(units.events.tolist(), units.n.tolist(), strict=True)):
        if n == 0:
            rates.append(Rate(groups[i], 0, 0, None, None, None, statuses[i]))
            continue
        rates.append(Rate(groups[i], n, events, events / n, float(low[i]), float(high[i]), statuses[i], **clustered[i]))
    return rates


# ---- two groups ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pairs:
    """Every pair of groups: indices, and the change of first minus second."""

    first: Int[np.ndarray, "m"]
    second: Int[np.ndarray, "m"]
    before: Float[np.ndarray, "m"]
    after: Float[np.ndarray, "m"]


def _pairs(joint: JointCounts) -> _Pairs:
    first, second = np.triu_indices(len(joint.groups), 1)
    before, after = joint.before / joint.n, joint.after / joint.n
    return _Pairs(first, second, before[first] - before[second], after[first] - after[second])


def _intervals(
    joint: JointCounts, pairs: _Pairs, alpha: float, limits: Limits = change_ends
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """The interval of each pair's change: the `limits` of the two groups are combined as in Newcombe's.

    Groups of single images are independent. Clusters that span both groups correlate their changes, as in `clustered_differences`,
    after Zou and Donner.
    """
    low, high = limits(joint, alpha)
    change = (joint.cells[:, ONLY_AFTER] - joint.cells[:, ONLY_BEFORE]) / joint.n
    i, j = pairs.first, pairs.second
    difference, down, up = change[i] - change[j], change - low, high - change
    together = np.zeros(len(i))
    if joint.kinds is not None:
        clusters = joint.kinds.net.sums.effective_clusters
        together = below_one(_correlation(covariance(joint.kinds.net))[i, j], np.minimum(clusters[i], clusters[j]), alpha)
    lower = np.sqrt(np.maximum(down[i] ** 2 + up[j] ** 2 - 2 * together * down[i] * up[j], 0.0))
    upper = np.sqrt(np.maximum(up[i] ** 2 + down[j] ** 2 - 2 * together * up[i] * down[j], 0.0))
    return difference - lower, difference + upper


def _correlation(spread: Float[np.ndarray, "g g"]) -> Float[np.ndarray, "g g"]:
    scale = np.sqrt(np.outer(np.diag(spread), np.diag(spread)))
    return np.asarray(np.clip(spread / np.where(scale > 0, scale, 1.0), -1, 1))


def change_bound(joint: JointCounts, alpha: float) -> float:
    """Largest distance from 0 of the 1 - 2 alpha interval of any pair's change.

    If it is below the tolerance, every pair of groups changed by less: an intersection-union test, which needs no correction. It implies
    that the gap changed by less, and more: groups that swap their order are not equivalent just because the gap stays the same.

    The limits of a group are Tango's with continuity correction. With Agresti and Min's, which are symmetric, a difference that
    changed by exactly the tolerance was called smaller in up to 8 of 100 comparisons (few changed answers, groups of unequal size); with
    Tango's in at most 5 (`benchmarks/conclusions/changes.py`).

    Examples
    --------
    >>> same = JointCounts((("a",), ("b",)), np.array([[900, 5, 5, 90], [800, 5, 5, 190]]), np.array([1000, 1000]))
    >>> round(change_bound(same, 0.05), 4)
    0.0091
    """
    _, (low, high) = changes_of_pairs(joint, alpha)
    return float(max((-low).max(), high.max()))


def changes_of_pairs(joint: JointCounts, alpha: float) -> tuple[_Pairs, tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]]:
    """Every pair of groups, with the limits of its change that decide whether it is equivalent."""
    pairs = _pairs(joint)
    return pairs, _intervals(joint, pairs, 2 * alpha, score_ends)


def differences_of(joint: JointCounts, first: int, second: int, alpha: float, *, after: bool) -> tuple[float, float]:
    """The interval of the difference of two groups of one model."""
    low, high = joint.units(after=after).differences(np.array([first]), np.array([second]), alpha)
    return float(low[0]), float(high[0])


def _widest_half(joint: JointCounts, alpha: float) -> float:
    """Largest half-width of the 1 - alpha interval of any pair's change."""
    pairs = _pairs(joint)
    low, high = _intervals(joint, pairs, alpha)
    change = pairs.after - pairs.before
    return float(max((change - low).max(), (high - change).max()))


def _turned(joint: JointCounts, pairs: _Pairs, alpha: float) -> np.ndarray:
    """Which pairs have significantly swapped their order: intervals of both differences on opposite sides of 0."""
    before, after = (joint.units(after=after).differences(pairs.first, pairs.second, alpha) for after in (False, True))
    return np.asarray(((before[0] > 0) & (after[1] < 0)) | ((before[1] < 0) & (after[0] > 0)))


def pair_changes(joint: JointCounts, alpha: float, comparisons: int = 1) -> tuple[PairChange, ...]:
    """The pairs of groups whose difference changed most, reversed ones first.

    If `comparisons` claims are compared together, a reversal must hold at ``alpha / (pairs * comparisons)``.
    """
    pairs = _pairs(joint)
    m = len(pairs.first)
    low, high = _intervals(joint, pairs, alpha)
    low_adjusted, high_adjusted = _intervals(joint, pairs, alpha / m)
    turned = _turned(joint, pairs, alpha / (m * comparisons))
    change = pairs.after - pairs.before
    order = np.lexsort((-np.abs(change), ~turned))[:MOST_PAIRS]
    return tuple(
        PairChange(
            first=joint.groups[pairs.first[i]],
            second=joint.groups[pairs.second[i]],
            before=float(pairs.before[i]),
            after=float(pairs.after[i]),
            difference=float(change[i]),
            low=float(low[i]),
            high=float(high[i]),
            low_adjusted=float(low_adjusted[i]),
            high_adjusted=float(high_adjusted[i]),
            reversed=bool(turned[i]),
        )
        for i in order
    )


# ---- the gap -------------------------------------------------------------------------------------------------------------------------


def gap_ends(groups: Sequence[Group], units: SamplingUnits, alpha: float) -> GapEnds:
    """A gap with its interval, simultaneous over the pairs from which it was chosen."""
    rates = units.events / units.n
    high, low = extremes(rates)
    return GapEnds(groups[high], groups[low], float(np.ptp(rates)), *gap_interval(units, alpha))


def gap_change(joint: JointCounts, settings: Settings, rng: np.random.Generator) -> GapChange:
    """The change of the gap of at least two groups, with an interval and a test by resampling the joint counts of each group.

    Notes
    -----
    A gap is biased upwards by chance, before and after by unequal amounts; `hull` explains why its interval is still valid. p is the
    smallest alpha at which that interval excludes 0. Half an image added to each cell avoids certainty if no answer changed; if no draw of
    clusters differs, the interval is as wide as that of the least precise pair of groups.
    """
    value = float(_gap_difference(joint.cells))
    deviations = _deviations(joint, settings.draws, rng) if joint.kinds is None else _cluster_deviations(joint, settings.draws, rng)
    low, high = hull(value, deviations, settings.alpha)
    if not deviations.any():
        known_least = _widest_half(joint, settings.alpha)
        low, high = max(value - known_least, -1.0), min(value + known_least, 1.0)
    p = min(1.0, 2 * max(exceedance_p(deviations, abs(value)), exceedance_p(-deviations, abs(value))))
    before, after = (gap_ends(joint.groups, joint.units(after=after), settings.alpha) for after in (False, True))
    return GapChange(before, after, value, low, high, p, p_adjusted=p, minimum_detectable=_detectable(joint, settings.alpha))


def _deviations(joint: JointCounts, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b"]:
    """Deviations of resampled changes of the gap from the value around which they were drawn."""
    cells = joint.cells + 0.5
    cells *= (joint.n / cells.sum(axis=1))[:, None]
    # Always drawn in the same direction, so that exchanging the two models only changes signs; the sign of the
    # deviations does not matter to `hull` and p, which use both sides of 0.
    if joint.cells[:, ONLY_BEFORE].tolist() > joint.cells[:, ONLY_AFTER].tolist():
        cells = cells[:, [BOTH, ONLY_AFTER, ONLY_BEFORE, NEITHER]]
    return np.asarray(_gap_difference(resample_counts(cells, draws, rng)) - float(_gap_difference(cells)))


def _cluster_deviations(joint: JointCounts, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b"]:
    """Variation of the change of the gap when whole clusters are redrawn, among those that span the same groups.

    Widened for few clusters: by Student's quantile over the normal one, and because only observed clusters can be drawn.
    """
    assert joint.kinds is not None  # noqa: S101  (checked by the caller)
    cells, often = joint.kinds.cells, joint.kinds.often
    total = np.zeros((draws, *joint.cells.shape))
    _, pattern = np.unique(joint.kinds.n > 0, axis=0, return_inverse=True)
    for alike in np.unique(pattern.ravel()):
        rows = np.flatnonzero(pattern.ravel() == alike)
        drawn = multinomial(often[rows].sum(), often[rows] / often[rows].sum(), (draws,), rng)
        total += np.tensordot(drawn, cells[rows], axes=1)
    fewest = int(joint.kinds.reach.min())
    wider = np.sqrt(fewest / (fewest - 1)) * stdtrit(fewest - 1, 0.975) / ndtri(0.975)
    return np.asarray(wider * (_gap_difference(total) - float(_gap_difference(joint.cells))))


def _gap_difference(cells: Float[np.ndarray, "*b g 4"] | Int[np.ndarray, "*b g 4"]) -> Float[np.ndarray, "*b"]:
    n = cells.sum(axis=-1)
    before, after = (cells[..., BOTH] + cells[..., only] for only in (ONLY_BEFORE, ONLY_AFTER))
    return np.asarray(np.ptp(after / n, axis=-1) - np.ptp(before / n, axis=-1))


def _detectable(joint: JointCounts, alpha: float) -> float:
    """The change of a difference that *any* pair would show with power 0.8: that of the two groups whose changes vary most."""
    gained, lost, n = effective(joint, alpha)
    total = n + 2  # as in Agresti and Min's interval: groups without a changed answer do not imply unlimited power
    variance = np.sort((gained + lost + 1 - (gained - lost) ** 2 / total) / total**2)[-2:].sum()
    pairs = len(n) * (len(n) - 1) // 2
    return float(min(2.0, (ndtri(1 - alpha / (2 * pairs)) + ndtri(POWER)) * np.sqrt(variance)))
