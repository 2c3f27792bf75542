"""Before and after on the same images: changes of rates, of differences between groups, and of the gap.

Everything is a function of one table a claim: for each group, the images by (event before, event after). Counting them is one pass over
the images; what follows costs the same for a thousand images and for a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from audit.comparison import GapChange, GapEnds, PairChange, RateChange
from audit.results import Rate
from audit.statistics.intervals import agresti_min, newcombe, wilson
from audit.statistics.metrics import extremes
from audit.statistics.multiplicity import holm
from audit.statistics.null import mcnemar_p
from audit.statistics.power import POWER
from audit.statistics.resampling import exceedance_p, hull, resample_counts
from audit.types import UNKNOWN

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from audit.results import CellStatus
    from audit.types import Group, Settings

BOTH, ONLY_BEFORE, ONLY_AFTER, NEITHER = range(4)
"""Cells of a group's table of events before x after."""
MOST_PAIRS = 21
"""Pairs that are kept: all of seven groups. Of more, those whose difference changed most; every verdict looks at all of them."""


@dataclass(frozen=True)
class JointCounts:
    """The images of each group by event before x event after."""

    groups: tuple[Group, ...]
    cells: Int[np.ndarray, "g 4"]
    images: Int[np.ndarray, "g"]
    """Images of the group, whether they count for the metric or not."""

    @property
    def n(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.cells.sum(axis=1))

    @property
    def before(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.cells[:, BOTH] + self.cells[:, ONLY_BEFORE])

    @property
    def after(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.cells[:, BOTH] + self.cells[:, ONLY_AFTER])

    def statuses(self, fewest: int) -> tuple[CellStatus, ...]:
        """Return what may be said of each group, by the rules of an audit."""
        rows = zip(self.groups, self.n.tolist(), self.images.tolist(), strict=True)
        return tuple(_status(group, n, images, max(fewest, 2)) for group, n, images in rows)

    def compared(self, fewest: int) -> JointCounts:
        """Return the groups that can be compared."""
        ok = [i for i, status in enumerate(self.statuses(fewest)) if status == "ok"]
        return JointCounts(tuple(self.groups[i] for i in ok), self.cells[ok], self.images[ok])


def _status(group: Group, n: int, images: int, fewest: int) -> CellStatus:
    if UNKNOWN in group:
        return "unknown"
    if images == 0:
        return "absent"
    if n == 0:
        return "not estimable"
    return "ok" if n >= fewest else "small"


# ---- one group -----------------------------------------------------------------------------------------------------------------------


def rate_changes(joint: JointCounts, settings: Settings) -> tuple[tuple[RateChange, ...], RateChange]:
    """Return the change of every group's rate, and that of all images.

    Parameters
    ----------
    joint : JointCounts
    settings : Settings
        Alpha and the smallest group.

    Returns
    -------
    by_group : tuple of RateChange
        In the order of the groups. McNemar's p, Holm-adjusted over the compared groups.
    overall : RateChange
    """
    statuses = joint.statuses(settings.min_group_size)
    p = np.array([mcnemar_p(int(cell[ONLY_BEFORE]), int(cell[ONLY_AFTER])) for cell in joint.cells])
    ok = np.array([status == "ok" for status in statuses], bool)
    adjusted = p.copy()
    adjusted[ok] = holm(p[ok])
    level = settings.alpha / max(int(ok.sum()), 1)
    rows = [
        _rate_change(group, cell, status, settings.alpha, level if status == "ok" else settings.alpha, float(q))
        for group, cell, status, q in zip(joint.groups, joint.cells, statuses, adjusted, strict=True)
    ]
    total = joint.cells.sum(axis=0)
    of_all = _rate_change((), total, "ok" if total.sum() else "not estimable", settings.alpha, settings.alpha, None)
    return tuple(rows), of_all


def _rate_change(
    group: Group, cell: Int[np.ndarray, "4"], status: CellStatus, alpha: float, alpha_adjusted: float, p_adjusted: float | None
) -> RateChange:
    both, lost, gained = (int(cell[i]) for i in (BOTH, ONLY_BEFORE, ONLY_AFTER))
    n, p = int(cell.sum()), mcnemar_p(lost, gained)
    before, after = (_rate(group, events, n, status, alpha) for events in (both + lost, both + gained))
    if n == 0:
        return RateChange(before, after, 0, 0, None, None, None, None, None, p, p)
    low, high = agresti_min(gained, lost, n, alpha)
    wide = agresti_min(gained, lost, n, alpha_adjusted)
    return RateChange(before, after, gained, lost, (gained - lost) / n, low, high, *wide, p, p if p_adjusted is None else p_adjusted)


def _rate(group: Group, events: int, n: int, status: CellStatus, alpha: float) -> Rate:
    if n == 0:
        return Rate(group, 0, 0, None, None, None, status)
    low, high = wilson(events, n, alpha)
    return Rate(group, n, events, events / n, float(low), float(high), status)


# ---- two groups ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pairs:
    """Every pair of groups: places, and the change of first minus second."""

    first: Int[np.ndarray, "m"]
    second: Int[np.ndarray, "m"]
    before: Float[np.ndarray, "m"]
    after: Float[np.ndarray, "m"]


def _pairs(joint: JointCounts) -> _Pairs:
    first, second = np.triu_indices(len(joint.groups), 1)
    before, after = joint.before / joint.n, joint.after / joint.n
    return _Pairs(first, second, before[first] - before[second], after[first] - after[second])


def _intervals(joint: JointCounts, pairs: _Pairs, alpha: float) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """Return the interval of each pair's change: the groups are independent, so their Agresti-Min limits add up as Newcombe's do."""
    counts = zip(joint.cells[:, ONLY_AFTER].tolist(), joint.cells[:, ONLY_BEFORE].tolist(), joint.n.tolist(), strict=True)
    low, high = np.array([agresti_min(gained, lost, n, alpha) for gained, lost, n in counts]).reshape(-1, 2).T
    change = (joint.cells[:, ONLY_AFTER] - joint.cells[:, ONLY_BEFORE]) / joint.n
    i, j = pairs.first, pairs.second
    difference = change[i] - change[j]
    lower = difference - np.hypot(change[i] - low[i], high[j] - change[j])
    return lower, difference + np.hypot(high[i] - change[i], change[j] - low[j])


def all_changes_within(joint: JointCounts, tolerance: float, alpha: float) -> bool:
    """Whether the difference of every pair of groups is shown to have changed by less than the tolerance.

    The 1 - 2 alpha interval of every pair must lie inside (-tolerance, +tolerance): an intersection-union test, which needs no correction.
    It implies that the gap changed by less, and more: groups that change places do not count as "no change" because the gap is the same.

    Examples
    --------
    >>> same = JointCounts((("a",), ("b",)), np.array([[900, 5, 5, 90], [800, 5, 5, 190]]), np.array([1000, 1000]))
    >>> all_changes_within(same, 0.05, 0.05), all_changes_within(same, 0.005, 0.05)
    (True, False)
    """
    low, high = _intervals(joint, _pairs(joint), 2 * alpha)
    return bool(np.all((low > -tolerance) & (high < tolerance)))


def _turned(joint: JointCounts, pairs: _Pairs, alpha: float) -> np.ndarray:
    """Return which pairs are shown to have changed places: intervals of both differences on opposite sides of 0."""
    sides = []
    for events in (joint.before, joint.after):
        i, j = pairs.first, pairs.second
        low, high = newcombe(events[i], joint.n[i], events[j], joint.n[j], alpha)
        sides.append(np.where(low > 0, 1, np.where(high < 0, -1, 0)))
    return np.asarray(sides[0] * sides[1] < 0)


def pair_changes(joint: JointCounts, alpha: float, comparisons: int = 1) -> tuple[PairChange, ...]:
    """Return the pairs of groups whose difference changed most, reversed ones first.

    Parameters
    ----------
    joint : JointCounts
        The groups that can be compared, at least two.
    alpha : float
    comparisons : int
        Claims that are compared together: a reversal must hold at ``alpha / (pairs * comparisons)``.
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


def gap_ends(groups: Sequence[Group], events: Int[np.ndarray, "g"], n: Int[np.ndarray, "g"], alpha: float) -> GapEnds:
    """Return a gap with the interval of highest minus lowest, simultaneous over the pairs that it was picked from."""
    rates = events / n
    high, low = extremes(rates)
    pairs = len(n) * (len(n) - 1) // 2
    lower, upper = newcombe(events[high], n[high], events[low], n[low], alpha / pairs)
    return GapEnds(groups[high], groups[low], float(np.ptp(rates)), float(lower), float(upper))


def gap_change(joint: JointCounts, settings: Settings, rng: np.random.Generator) -> GapChange:
    """Return the change of the gap, with an interval and a test by resampling the joint counts within each group.

    Parameters
    ----------
    joint : JointCounts
        The groups that can be compared, at least two.
    settings : Settings
        Alpha and draws.
    rng : Generator
        Source of the draws.

    Notes
    -----
    A gap is biased upwards by chance, before and after by unequal amounts; `hull` says why its interval holds all the same. p is the
    smallest alpha at which that interval leaves out 0. Half an image in each cell keeps "no answer changed" from being a certainty.
    """
    value = float(_gap_difference(joint.cells))
    deviations = _deviations(joint, settings.draws, rng)
    low, high = hull(value, deviations, settings.alpha)
    p = 2 * max(exceedance_p(deviations, abs(value)), exceedance_p(-deviations, abs(value)))
    return GapChange(
        before=gap_ends(joint.groups, joint.before, joint.n, settings.alpha),
        after=gap_ends(joint.groups, joint.after, joint.n, settings.alpha),
        difference=value,
        low=low,
        high=high,
        p=min(1.0, p),
        p_adjusted=min(1.0, p),
        minimum_detectable=_detectable(joint, settings.alpha),
    )


def _deviations(joint: JointCounts, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "b"]:
    """Return how far resampled changes of the gap lie from what they were drawn around."""
    cells = joint.cells + 0.5
    cells *= (joint.n / cells.sum(axis=1))[:, None]
    # Always drawn in the same direction, so that exchanging the two models turns every sign and changes nothing else.
    turned = joint.cells[:, ONLY_BEFORE].tolist() > joint.cells[:, ONLY_AFTER].tolist()
    if turned:
        cells = cells[:, [BOTH, ONLY_AFTER, ONLY_BEFORE, NEITHER]]
    deviations = _gap_difference(resample_counts(cells, draws, rng)) - float(_gap_difference(cells))
    return -deviations if turned else deviations


def _gap_difference(cells: Float[np.ndarray, "*b g 4"] | Int[np.ndarray, "*b g 4"]) -> Float[np.ndarray, "*b"]:
    n = cells.sum(axis=-1)
    before, after = (cells[..., BOTH] + cells[..., only] for only in (ONLY_BEFORE, ONLY_AFTER))
    return np.asarray(np.ptp(after / n, axis=-1) - np.ptp(before / n, axis=-1))


def _detectable(joint: JointCounts, alpha: float) -> float:
    """Return the change of a difference that *any* pair would show with power 0.8: that of the two groups whose changes vary most."""
    gained, lost, n = joint.cells[:, ONLY_AFTER], joint.cells[:, ONLY_BEFORE], joint.n
    total = n + 2  # as in Agresti and Min's interval: groups without a changed answer do not promise to detect anything
    variance = np.sort((gained + lost + 1 - (gained - lost) ** 2 / total) / total**2.0)[-2:].sum()
    pairs = len(n) * (len(n) - 1) // 2
    return float(min(2.0, (ndtri(1 - alpha / (2 * pairs)) + ndtri(POWER)) * np.sqrt(variance)))
