"""Before and after on the same images: what a change does to a gap, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.alternatives import Ending, GroupChange, WhatIf
from audit.errors import DataError, UsageError
from audit.evidence import Estimate
from audit.statistics.intervals import newcombe
from audit.statistics.metrics import extremes
from audit.statistics.null import GapNull, gap_test, generator
from audit.statistics.resampling import exceedance_p, hull, resample_counts
from audit.statistics.rows import row_codes, row_events
from audit.types import UNKNOWN
from audit.whatif.clustered import cells_by_cluster, resample_whole
from audit.whatif.cost import utility

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float, Int

    from audit.statistics.metrics import Metric, Outcome
    from audit.types import Group, Predictions, Settings

_BOTH, _ONLY_BEFORE, _ONLY_AFTER, _NEITHER = range(4)
"""Cells of a group's table of events before x after."""
_SLACK = 1e-12
_CLUSTER_DRAWS = 1999
_IMPROVEMENTS = ("smaller", "levelled down", "indistinguishable")
RANDOM_RATE = 0.05
"""A change counts as better than a random one of its kind where at most this share of them, itself included, leaves a gap as small."""


@dataclass(frozen=True)
class Judge:
    """The rate by which a what-if is judged, and between whom."""

    finding: str
    metric: Metric
    outcome: Outcome | None
    by: tuple[str, ...]
    levels: Mapping[str, Group]
    settings: Settings
    cluster: str | None = None
    """The attribute whose images belong together, such as the person that they show."""


@dataclass(frozen=True)
class Tried:
    """One method at one setting: predictions of the shown half, with it and without."""

    method: str
    setting: str
    needs: tuple[str, ...]
    default: bool
    before: Predictions
    after: Predictions
    truth: tuple[Predictions, Predictions] | None = None
    """Before and after of a measurement with a true answer, where the judged one has none: no what-if goes without its cost."""
    random_gaps: tuple[float, ...] = ()
    """Gaps after random controls of the same kind (shuffled attribute labels, random directions of the same rank)."""


@dataclass(frozen=True)
class _Joint:
    """Counts of the groups that can be compared."""

    groups: tuple[Group, ...]
    cells: Int[np.ndarray, "g 4"]
    """Images by event before x event after."""
    moved: Int[np.ndarray, "g"]
    not_compared: tuple[Group, ...]
    by_cluster: Int[np.ndarray, "c g 4"] | None = None
    """The same counts by cluster, where images come in clusters."""

    @property
    def n(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.cells.sum(axis=1))

    @property
    def before(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.cells[:, _BOTH] + self.cells[:, _ONLY_BEFORE])

    @property
    def after(self) -> Int[np.ndarray, "g"]:
        return np.asarray(self.cells[:, _BOTH] + self.cells[:, _ONLY_AFTER])


def furthest_pair(fitted: Predictions, shown: Predictions, judge: Judge) -> tuple[Group, Group]:
    """Return the groups that lie furthest apart on the fit half, highest first, among those that both halves have enough images of.

    Picked there, because the pair that is furthest apart on the shown half would move together by chance alone.

    Raises
    ------
    DataError
        If fewer than two groups have enough images in both halves.
    """
    joint, other = _joint(fitted, fitted, judge), _joint(shown, shown, judge)
    both = [place for place, group in enumerate(joint.groups) if group in other.groups]
    if len(both) < 2:
        raise DataError("fewer than two groups have enough images in both halves", where=judge.finding)
    high, low = extremes(joint.before[both] / joint.n[both])
    return joint.groups[both[high]], joint.groups[both[low]]


def what_if(tried: Tried, pair: tuple[Group, Group], judge: Judge) -> WhatIf:
    """Say what a change would do to a gap, on the shown half, and what it would cost.

    Parameters
    ----------
    tried : Tried
    pair : (Group, Group)
        From `furthest_pair`.
    judge : Judge
        Its metric must count the same images before and after: not precision.

    Returns
    -------
    WhatIf
        All differences are paired: counts of (before, after) are resampled within each group.

    Raises
    ------
    DataError
        If the two predictions are not of the same images, or a group of the pair has too few of them.
    UsageError
        If the metric counts other images after the change, or there is no true answer to take a cost from.
    """
    joint = _joint(tried.before, tried.after, judge)
    missing = [group for group in pair if group not in joint.groups]
    if missing:
        raise DataError(f"too few images of {' × '.join(missing[0])} on the shown half", where=judge.finding)
    settings, name = judge.settings, f"{judge.finding}/{tried.method}/{tried.setting}"
    before, after = (
        gap_test(events, joint.n, settings.draws, generator(settings.seed, named))
        # The unmodified model is the same for every setting, and so are its draws.
        for named, events in ((f"{judge.finding}/before", joint.before), (f"{name}/after", joint.after))
    )
    change, change_p = _change(joint, settings, generator(settings.seed, f"{name}/change"))
    places = [joint.groups.index(group) for group in pair]
    pair_before, pair_after = _pair(joint, places, settings.alpha, generator(settings.seed, f"{name}/pair"))
    cells = (
        None
        if joint.by_cluster is None
        else resample_whole(joint.by_cluster, _CLUSTER_DRAWS, generator(settings.seed, f"{judge.finding}/gaps"))
    )
    gap_before, gap = (_simultaneous(joint, only, cells, settings.alpha) for only in (_ONLY_BEFORE, _ONLY_AFTER))
    random = np.array(tried.random_gaps)
    by_chance = bool(len(random)) and (1 + np.count_nonzero(random <= gap.value + _SLACK)) / (1 + len(random)) > RANDOM_RATE
    ending = _ending(joint, (before, after), change, pair_after, judge)
    return WhatIf(
        method=tried.method,
        setting=tried.setting,
        needs=tried.needs,
        default=tried.default,
        gap_before=gap_before,
        gap=gap,
        p=after.p,
        null_95=after.upper,
        change=change,
        pair=pair,
        pair_before=pair_before,
        pair_after=pair_after,
        by_group=tuple(_group_change(joint, i) for i in range(len(joint.groups))),
        not_compared=joint.not_compared,
        utility=utility(*(tried.truth or (tried.before, tried.after)), settings.alpha),
        outcome="no better than random" if by_chance and ending in _IMPROVEMENTS else ending,
        change_p=change_p,
        change_p_adjusted=change_p,
        beats_random=float(np.mean(random > gap.value + _SLACK)) if len(random) else None,
    )


def _joint(before: Predictions, after: Predictions, judge: Judge) -> _Joint:
    if judge.metric.denominator == "selected":
        raise UsageError(f"{judge.metric.name} counts other images after a change", fix="judge a what-if by another metric")
    if not before.attributes.index.equals(after.attributes.index):
        raise DataError("a what-if was compared on other images", fix="compare predictions of the same rows")
    groups, codes = row_codes(before.attributes, judge.by, judge.levels)
    first, second = (row_events(each, judge.metric, judge.outcome) for each in (before, after))
    cell = codes * 4 + np.select([first.event & second.event, first.event, second.event], [_BOTH, _ONLY_BEFORE, _ONLY_AFTER], _NEITHER)
    cells = np.bincount(cell[first.counted], minlength=4 * len(groups)).reshape(-1, 4)
    moved = np.bincount(codes[first.counted & (before.y_pred != after.y_pred)], minlength=len(groups))
    enough = cells.sum(axis=1) >= max(judge.settings.min_group_size, 2)
    used = enough & np.array([UNKNOWN not in group for group in groups])
    named = [tuple(groups[i] for i in np.flatnonzero(which)) for which in (used, ~used)]
    by_cluster = None if judge.cluster is None else cells_by_cluster(before.attributes[judge.cluster], cell, first.counted, used)
    return _Joint(named[0], cells[used], moved[used], named[1], by_cluster)


def _change(joint: _Joint, settings: Settings, rng: np.random.Generator) -> tuple[Estimate, float]:
    """Return gap after minus gap before, and its p; half an image in each cell keeps "no answer changed" from being a certainty."""
    smoothed = joint.cells + 0.5
    smoothed *= (joint.n / smoothed.sum(axis=1))[:, None]
    value, centre = _gap_change(joint.cells), _gap_change(smoothed)
    deviations = _gap_change(resample_counts(smoothed, settings.draws, rng)) - centre
    low, high = hull(float(value), deviations, settings.alpha)
    # The level at which the interval, a hull of both tails, would begin to hold 0.
    p = 2 * max(exceedance_p(deviations, abs(float(value))), exceedance_p(-deviations, abs(float(value))))
    if joint.by_cluster is not None:
        # The wider of the two: drawn by image it takes a cluster for many cases, drawn by cluster it takes an unchanged one for certain.
        deviations = _gap_change(resample_whole(joint.by_cluster, _CLUSTER_DRAWS, rng)) - value
        ends = hull(float(value), deviations, settings.alpha)
        low, high = min(low, ends[0]), max(high, ends[1])
        p = max(p, 2 * max(exceedance_p(deviations, abs(float(value))), exceedance_p(-deviations, abs(float(value)))))
    return Estimate(float(value), low, high), min(p, 1.0)


def _gap_change(cells: Float[np.ndarray, "*b g 4"] | Int[np.ndarray, "*b g 4"]) -> Float[np.ndarray, "*b"]:
    n = cells.sum(axis=-1)
    before, after = (cells[..., _BOTH] + cells[..., only] for only in (_ONLY_BEFORE, _ONLY_AFTER))
    return np.asarray(np.ptp(after / n, axis=-1) - np.ptp(before / n, axis=-1))


def _pair(joint: _Joint, places: list[int], alpha: float, rng: np.random.Generator) -> tuple[float, Estimate]:
    (k_1, k_2), (n_1, n_2) = joint.after[places], joint.n[places]
    low, high = (float(end) for end in newcombe(k_1, n_1, k_2, n_2, alpha))
    first, second = joint.before[places] / joint.n[places]
    if joint.by_cluster is not None:
        cells = resample_whole(joint.by_cluster, _CLUSTER_DRAWS, rng)[:, places]
        after = (cells[..., _BOTH] + cells[..., _ONLY_AFTER]) / cells.sum(axis=-1)
        ends = np.quantile(after[:, 0] - after[:, 1], [alpha / 2, 1 - alpha / 2])
        low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    return float(first - second), Estimate(float(k_1 / n_1 - k_2 / n_2), low, high)


def _simultaneous(joint: _Joint, only: int, drawn: Int[np.ndarray, "b g 4"] | None, alpha: float) -> Estimate:
    """Return the gap before or after, at 1 - alpha / m for the m pairs that its groups were picked from; no narrower than by cluster."""
    events, n = joint.cells[:, _BOTH] + joint.cells[:, only], joint.n
    high, low = extremes(events / n)
    level = alpha / (len(n) * (len(n) - 1) // 2)
    lower, upper = (float(end) for end in newcombe(events[high], n[high], events[low], n[low], level))
    if drawn is not None:
        rates = (drawn[..., _BOTH] + drawn[..., only]) / drawn.sum(axis=-1)
        ends = np.quantile(rates[:, high] - rates[:, low], [level / 2, 1 - level / 2])
        lower, upper = min(lower, float(ends[0])), max(upper, float(ends[1]))
    return Estimate(float(np.ptp(events / n)), lower, upper)


def _group_change(joint: _Joint, i: int) -> GroupChange:
    n = int(joint.n[i])
    return GroupChange(joint.groups[i], n, float(joint.before[i] / n), float(joint.after[i] / n), float(joint.moved[i] / n))


def _ending(joint: _Joint, nulls: tuple[GapNull, GapNull], change: Estimate, pair_after: Estimate, judge: Judge) -> Ending:
    before, after = nulls
    if pair_after.high < 0:
        return "reversed"
    if change.high < 0 and _levelled_down(joint, judge.metric):
        return "levelled down"
    if before.p <= judge.settings.alpha < after.p:
        return "indistinguishable"
    if change.high < 0:
        return "smaller"
    return "larger" if change.low > 0 else "unchanged"


def _levelled_down(joint: _Joint, metric: Metric) -> bool:
    """Whether no group is better off and the best is worse off; where no direction is better nobody can be."""
    if metric.better == "neither":
        return False
    gain = (joint.after - joint.before) / joint.n * (1 if metric.better == "high" else -1)
    best = extremes(joint.before / joint.n)[0 if metric.better == "high" else 1]
    return bool((gain <= 0).all() and gain[best] < 0)


def control_gaps(
    change: Callable[[np.random.Generator], Predictions], judge: Judge, draws: int, rng: np.random.Generator
) -> tuple[float, ...]:
    """Return the gap after each of some random changes of the same kind, such as random directions of the same rank.

    All of them are of the same images, so the groups are looked up once.
    """
    drawn = [change(rng) for _ in range(min(draws, 1))]
    if not drawn:
        return ()
    groups, codes = row_codes(drawn[0].attributes, judge.by, judge.levels)
    known = np.array([UNKNOWN not in group for group in groups])
    gaps = []
    for place in range(draws):
        rows = row_events(drawn[0] if place == 0 else change(rng), judge.metric, judge.outcome)
        n, events = (np.bincount(codes[each], minlength=len(groups)) for each in (rows.counted, rows.event))
        used = known & (n >= max(judge.settings.min_group_size, 2))
        gaps.append(float(np.ptp(events[used] / n[used])))
    return tuple(gaps)
