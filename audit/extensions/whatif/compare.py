"""Before and after on the same images: the effect of a change on a gap, and its cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from audit.errors import DataError
from audit.extensions.whatif.record import Ending, GroupChange, WhatIf
from audit.records.base import Estimate
from audit.statistics.metrics import Metric, extremes
from audit.statistics.null import GapNull, generator
from audit.statistics.paired.changes import gap_change, gap_ends
from audit.statistics.paired.counted import CountedGroups, Judge, count_groups, utility
from audit.statistics.paired.joint import JointCounts
from audit.ties import least_equal
from audit.types import Group, Note, Predictions, Settings

RANDOM_RATE = 0.05
"""A change is better than a random one of its kind if at most this share of them, itself included, leaves a gap as small."""


@dataclass(frozen=True)
class Tried:
    """One method with one setting: predictions on the shown half, without it and with it."""

    method: str
    setting: str
    needs: tuple[Note, ...]
    default: bool
    before: Predictions
    after: Predictions
    truth: tuple[Predictions, Predictions] | None = None
    """Before and after for a measurement with a true answer, if the judged one has none: every what-if is shown with its cost."""
    random_gaps: tuple[float, ...] = ()
    """Gaps after random controls of the same kind (shuffled attribute labels, random directions of the same rank)."""
    ndcg: tuple[float, float] | None = None
    """For a re-ranking, before and after: how early the relevant images come."""


def furthest_pair(fitted: Predictions, shown: Predictions, judge: Judge) -> tuple[Group, Group] | None:
    """The groups with the largest difference on the fit half, highest first, among those with enough images in both halves.

    Chosen there, because the difference of the most extreme pair on the shown half would shrink by chance. None if fewer than two groups
    have enough images (and clusters) in both halves: then no change could be judged (`judge.too_few` says why).
    """
    joint, other = (count_groups(half, half, judge).joint for half in (fitted, shown))
    both = [position for position, group in enumerate(joint.groups) if group in other.groups]
    if len(both) < 2:
        return None
    high, low = extremes(joint.before[both] / joint.n[both])
    return joint.groups[both[high]], joint.groups[both[low]]


def what_if(tried: Tried, pair: tuple[Group, Group], judge: Judge) -> WhatIf:
    """The effect of a change on a gap, on the shown half, and its cost.

    All differences are paired, and the independent unit of every interval and test is the image, or the cluster if images come in
    clusters. Not yet corrected for everything that was tried, before which nothing is called reversed: `frontier.holm_corrected` does both.

    Raises DataError if the two predictions are not of the same images, or a group of the pair has too few of them; UsageError if the
    metric's denominator changes, or there is no true answer from which to compute a cost.
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
    ends = [gap_ends(joint.groups, joint.units(after=later), settings.alpha) for later in (False, True)]
    gap_before, gap = (Estimate(end.value, end.low, end.high) for end in ends)
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
        beats_random=float(np.mean(least_equal(random) > gap.value)) if len(random) else None,
        ndcg=tried.ndcg,
    )


def _change(joint: JointCounts, settings: Settings, name: str) -> tuple[Estimate, float]:
    """Gap after minus gap before, and its p.

    By cluster and by image, whichever is less certain: by image, a cluster counts many times; by cluster, one without a changed answer
    counts as certain to have none.
    """
    sides = [joint] if joint.kinds is None else [joint, replace(joint, kinds=None)]
    changes = [gap_change(side, settings, generator(settings.seed, name)) for side in sides]
    low, high = min(change.low for change in changes), max(change.high for change in changes)
    return Estimate(changes[0].difference, low, high), max(change.p for change in changes)


def _pair(joint: JointCounts, pair: tuple[Group, Group], alpha: float) -> tuple[float, Estimate, float]:
    """The difference of two groups before and after, and the p of the one after if it changed sign, else 1."""
    first, second = (np.array([joint.groups.index(group)]) for group in pair)
    rates = joint.before / joint.n, joint.after / joint.n
    before, after = (float((rate[first] - rate[second])[0]) for rate in rates)
    units = joint.units(after=True)
    low, high = (float(end[0]) for end in units.differences(first, second, alpha))
    turned = (before > 0 and high < 0) or (before < 0 and low > 0)
    return before, Estimate(after, low, high), float(units.p(first, second)[0]) if turned else 1.0


def _group_changes(counted: CountedGroups) -> tuple[GroupChange, ...]:
    joint = counted.joint
    parts = [(part / joint.n).tolist() for part in (joint.before, joint.after, counted.moved)]
    clusters = [None if clustering is None else clustering.clusters for clustering in joint.units(after=True).clustering()]
    return tuple(GroupChange(*row) for row in zip(joint.groups, joint.n.tolist(), *parts, clusters, strict=True))


def _by_chance(random: np.ndarray, gap: Estimate) -> bool:
    """Whether too many random changes leave a gap as small."""
    as_small = 1 + np.count_nonzero(least_equal(random) <= gap.value)
    return len(random) > 0 and bool(as_small / (1 + len(random)) > RANDOM_RATE)


def _ending(counted: CountedGroups, nulls: tuple[GapNull, GapNull], change: Estimate, judge: Judge, by_chance: bool) -> Ending:
    if change.high >= 0:
        return "larger" if change.low > 0 else "unchanged"
    if by_chance:
        return "no better than random"
    if _levelled_down(counted.joint, judge.metric):
        return "levelled down"
    # A gap that is significant before but not after is not a change by itself: the two tests do not test their difference.
    return "indistinguishable" if nulls[0].p <= judge.settings.alpha < nulls[1].p else "smaller"


def _levelled_down(joint: JointCounts, metric: Metric) -> bool:
    """Whether no group is better off and the best is worse off; False if no direction is better."""
    if metric.better == "neither":
        return False
    gain = (joint.after - joint.before) / joint.n * (1 if metric.better == "high" else -1)
    best = extremes(joint.before / joint.n)[0 if metric.better == "high" else 1]
    return bool((gain <= 0).all() and gain[best] < 0)
