"""Before and after on the same images: what a change does to a gap, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.comparison.change import gap_change, gap_ends
from audit.errors import DataError
from audit.records.evidence import Estimate
from audit.records.what_if import Ending, GroupChange, WhatIf
from audit.statistics.counts.rows import row_codes, row_events
from audit.statistics.metrics import extremes
from audit.statistics.null import GapNull, generator
from audit.statistics.paired.joint import JointCounts
from audit.whatif.cost import utility
from audit.whatif.counted import CountedGroups, Judge, count_groups

if TYPE_CHECKING:
    from audit.statistics.metrics import Metric
    from audit.types import Group, Note, Predictions, Settings

_SLACK = 1e-12
_IMPROVEMENTS = ("smaller", "levelled down", "indistinguishable")
RANDOM_RATE = 0.05
"""A change counts as better than a random one of its kind where at most this share of them, itself included, leaves a gap as small."""


@dataclass(frozen=True)
class Tried:
    """One method at one setting: predictions of the shown half, with it and without."""

    method: str
    setting: str
    needs: tuple[Note, ...]
    default: bool
    before: Predictions
    after: Predictions
    truth: tuple[Predictions, Predictions] | None = None
    """Before and after of a measurement with a true answer, where the judged one has none: no what-if goes without its cost."""
    random_gaps: tuple[float, ...] = ()
    """Gaps after random controls of the same kind (shuffled attribute labels, random directions of the same rank)."""
    ndcg: tuple[float, float] | None = None
    """Of an order of images, before and after: how early those stand that are sought."""


def furthest_pair(fitted: Predictions, shown: Predictions, judge: Judge) -> tuple[Group, Group]:
    """Return the groups that lie furthest apart on the fit half, highest first, among those that both halves have enough images of.

    Picked there, because the pair that is furthest apart on the shown half would move together by chance.

    Raises
    ------
    DataError
        If fewer than two groups have enough images in both halves.
    """
    joint, other = (count_groups(half, half, judge).joint for half in (fitted, shown))
    both = [place for place, group in enumerate(joint.groups) if group in other.groups]
    if len(both) < 2:
        few = "images" if judge.cluster is None else f"images, or images of more than one {judge.cluster},"
        raise DataError(f"fewer than two groups have enough {few} in both halves", where=judge.finding)
    high, low = extremes(joint.before[both] / joint.n[both])
    return joint.groups[both[high]], joint.groups[both[low]]


def what_if(tried: Tried, pair: tuple[Group, Group], judge: Judge) -> WhatIf:
    """Return what a change would do to a gap, on the shown half, and what it would cost.

    All differences are paired, and the independent unit of every interval and test is the image, or the cluster where images come in
    clusters. Not yet corrected for all that was tried, without which nothing is called reversed: `frontier.corrected` does both.

    Raises
    ------
    DataError
        If the two predictions are not of the same images, or a group of the pair has too few of them.
    UsageError
        If the metric counts other images after the change, or without a true answer to take a cost from.
    """
    counted = count_groups(tried.before, tried.after, judge)
    joint, settings, name = counted.joint, judge.settings, f"{judge.finding}/{tried.method}/{tried.setting}"
    missing = [group for group in pair if group not in joint.groups]
    if missing:
        raise DataError(f"too few images of {' × '.join(missing[0])} on the shown half", where=judge.finding)
    before, after = (
        joint.units(after=later).null(settings.draws, generator(settings.seed, named))
        # The unmodified model is the same for every setting, and so are its draws.
        for named, later in ((f"{judge.finding}/before", False), (f"{name}/after", True))
    )
    change, change_p = _change(joint, settings, f"{name}/change")
    pair_before, pair_after, reversal_p = _pair(joint, pair, settings.alpha)
    gap_before, gap = (_gap(joint, settings.alpha, after=later) for later in (False, True))
    random = np.array(tried.random_gaps)
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
        by_group=_group_changes(counted),
        not_compared=counted.not_compared,
        utility=utility(*(tried.truth or (tried.before, tried.after)), settings, judge.cluster),
        outcome=_ending(counted, (before, after), change, judge, _by_chance(random, gap)),
        change_p=change_p,
        change_p_adjusted=change_p,
        reversal_p=reversal_p,
        reversal_p_adjusted=reversal_p,
        beats_random=float(np.mean(random > gap.value + _SLACK)) if len(random) else None,
        ndcg=tried.ndcg,
    )


def _change(joint: JointCounts, settings: Settings, name: str) -> tuple[Estimate, float]:
    """Return gap after minus gap before, and its p.

    By cluster and by image, whichever is less certain: by image a cluster counts many times, by cluster one without a changed answer
    for certain to have none.
    """
    sides = [joint] if joint.kinds is None else [joint, replace(joint, kinds=None)]
    found = [gap_change(each, settings, generator(settings.seed, name)) for each in sides]
    low, high = min(each.low for each in found), max(each.high for each in found)
    return Estimate(found[0].difference, low, high), max(each.p for each in found)


def _pair(joint: JointCounts, pair: tuple[Group, Group], alpha: float) -> tuple[float, Estimate, float]:
    """Return the difference of two groups before and after, and the p of the one after where they changed places, else 1."""
    first, second = (np.array([joint.groups.index(group)]) for group in pair)
    rates = joint.before / joint.n, joint.after / joint.n
    before, after = (float((each[first] - each[second])[0]) for each in rates)
    units = joint.units(after=True)
    low, high = (float(end[0]) for end in units.differences(first, second, alpha))
    turned = (before > 0 and high < 0) or (before < 0 and low > 0)
    return before, Estimate(after, low, high), float(units.p(first, second)[0]) if turned else 1.0


def _gap(joint: JointCounts, alpha: float, *, after: bool) -> Estimate:
    ends = gap_ends(joint.groups, joint.units(after=after), alpha)
    return Estimate(ends.value, ends.low, ends.high)


def _group_changes(counted: CountedGroups) -> tuple[GroupChange, ...]:
    joint = counted.joint
    parts = [(part / joint.n).tolist() for part in (joint.before, joint.after, counted.moved)]
    clusters = joint.units(after=True).clusters()
    return tuple(GroupChange(*row) for row in zip(joint.groups, joint.n.tolist(), *parts, clusters, strict=True))


def _by_chance(random: np.ndarray, gap: Estimate) -> bool:
    """Whether too many random changes leave a gap as small."""
    as_small = 1 + np.count_nonzero(random <= gap.value + _SLACK)
    return len(random) > 0 and bool(as_small / (1 + len(random)) > RANDOM_RATE)


def _ending(counted: CountedGroups, nulls: tuple[GapNull, GapNull], change: Estimate, judge: Judge, by_chance: bool) -> Ending:
    if not counted.judged:
        return "not judged"
    found = _of_gap(counted.joint, nulls, change, judge)
    return "no better than random" if by_chance and found in _IMPROVEMENTS else found


def _of_gap(joint: JointCounts, nulls: tuple[GapNull, GapNull], change: Estimate, judge: Judge) -> Ending:
    before, after = nulls
    if change.high < 0 and _levelled_down(joint, judge.metric):
        return "levelled down"
    if before.p <= judge.settings.alpha < after.p:
        return "indistinguishable"
    if change.high < 0:
        return "smaller"
    return "larger" if change.low > 0 else "unchanged"


def _levelled_down(joint: JointCounts, metric: Metric) -> bool:
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
    first = drawn[0]
    groups, codes = row_codes(first.attributes, judge.by, judge.levels)
    compared = [groups.index(group) for group in count_groups(first, first, judge).joint.groups]
    gaps = []
    for place in range(draws):
        rows = row_events(first if place == 0 else change(rng), judge.metric, judge.outcome)
        n, events = (np.bincount(codes[each], minlength=len(groups))[compared] for each in (rows.counted, rows.event))
        gaps.append(float(np.ptp(events / n)))
    return tuple(gaps)
