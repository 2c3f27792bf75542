"""The images of each group before and after a change of the model, by cluster if they come in clusters, and what the change costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import DataError, UsageError
from audit.records.base import Estimate
from audit.records.changed_model import Utility
from audit.statistics.counts import row_codes
from audit.statistics.metrics import Metric, Outcome, row_events
from audit.statistics.paired.joint import BOTH, NEITHER, ONLY_AFTER, ONLY_BEFORE, JointCounts, change_ends, change_p, cluster_kinds
from audit.statistics.units.cluster_units import FEWEST_CLUSTERS
from audit.types import NOT_ANSWERED, UNKNOWN, Group, Note, Predictions, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from jaxtyping import Bool, Int


@dataclass(frozen=True)
class Judge:
    """The rate by which a what-if is judged, and its groups."""

    finding: str
    metric: Metric
    outcome: Outcome | None
    by: tuple[str, ...]
    levels: Mapping[str, Group]
    settings: Settings
    cluster: str | None = None
    """The attribute whose images belong together, such as the person shown; None: images are independent."""

    def too_few(self) -> Note:
        """Why nothing is tried if fewer than two groups could be judged."""
        images = self.settings.min_group_size
        if self.cluster is None:
            return Note("too_few_images", {"images": images})
        return Note("too_few_clusters", {"images": images, "clusters": FEWEST_CLUSTERS, "cluster": self.cluster})


@dataclass(frozen=True)
class CountedGroups:
    """The groups that are compared."""

    joint: JointCounts
    moved: Int[np.ndarray, "g"]
    """Number of images whose answer changed."""
    not_compared: tuple[Group, ...]


def count_groups(before: Predictions, after: Predictions, judge: Judge) -> CountedGroups:
    """Count the images of each group by event before x event after.

    The groups are those that an audit would compare. Raises DataError if the two predictions are not of the same images; UsageError if the
    metric's denominator depends on the answers: precision, and rates among those answered.
    """
    if judge.metric.denominator in ("selected", "answered"):
        raise UsageError(f"{judge.metric.name} counts other images after a change", fix="judge a what-if by another metric")
    if not before.attributes.index.equals(after.attributes.index):
        raise DataError("a what-if was compared on other images", fix="compare predictions of the same rows")
    groups, codes = row_codes(before.attributes, judge.by, judge.levels)
    first, second = (row_events(predictions, judge.metric, judge.outcome) for predictions in (before, after))
    joint = _joint(groups, codes, first.event, second.event, first.counted, before.attributes, judge.cluster)
    moved = np.bincount(codes[first.counted & (before.y_pred != after.y_pred)], minlength=len(groups))
    enough = np.array([status == "ok" for status in joint.statuses(judge.settings.min_group_size)], bool)
    left = tuple(groups[i] for i in np.flatnonzero(~enough))
    return CountedGroups(joint.of(np.flatnonzero(enough).tolist()), moved[enough], left)


def count_together(
    before: Bool[np.ndarray, "n"], after: Bool[np.ndarray, "n"], attributes: pd.DataFrame, cluster: str | None
) -> JointCounts:
    """Count all images as one group, by event before x event after."""
    return _joint(((),), np.zeros(len(before), np.int64), before, after, np.ones(len(before), bool), attributes, cluster)


def utility(before: Predictions, after: Predictions, settings: Settings, cluster: str | None = None) -> Utility:
    """Accuracy before and after on the images with a true answer (UsageError without any); no answer counts as wrong.

    All images with the same level of `cluster` count as one unit; None: images are independent.
    """
    truth = before.y_true
    if truth is None or after.y_true is None or len(truth) != len(after.y_true):
        raise UsageError("a what-if needs its cost in accuracy", why="the true answer is unknown", fix="give a measurement that has one")
    known = truth != UNKNOWN
    right = [(answered.y_pred == truth)[known] for answered in (before, after)]
    joint = count_together(right[0], right[1], before.attributes[known], cluster)
    n = max(int(known.sum()), 1)
    (low,), (high,) = (end.tolist() for end in change_ends(joint, settings.alpha))
    has_answer = (after.y_pred != NOT_ANSWERED)[known]
    return Utility(
        n=int(known.sum()),
        before=float(right[0].sum() / n),
        after=float(right[1].sum() / n),
        change=Estimate((int(right[1].sum()) - int(right[0].sum())) / n, low, high),
        p=float(change_p(joint, settings)[0]),
        answered=float(has_answer.sum() / n),
        among_answered=float(right[1][has_answer].mean()) if has_answer.any() else None,
    )


def control_gaps(
    change: Callable[[np.random.Generator], Predictions], judge: Judge, draws: int, rng: np.random.Generator
) -> tuple[float, ...]:
    """The gap after each of some random changes of the same kind, such as random directions of the same rank.

    All of them have the same images, so the groups are determined once.
    """
    gaps: list[float] = []
    for _ in range(draws):
        changed = change(rng)
        if not gaps:
            groups, codes = row_codes(changed.attributes, judge.by, judge.levels)
            compared = [groups.index(group) for group in count_groups(changed, changed, judge).joint.groups]
        rows = row_events(changed, judge.metric, judge.outcome)
        n, events = (np.bincount(codes[mask], minlength=len(groups))[compared] for mask in (rows.counted, rows.event))
        gaps.append(float(np.ptp(events / n)))
    return tuple(gaps)


def _joint(
    groups: tuple[Group, ...],
    codes: Int[np.ndarray, "n"],
    before: Bool[np.ndarray, "n"],
    after: Bool[np.ndarray, "n"],
    counted: Bool[np.ndarray, "n"],
    attributes: pd.DataFrame,
    cluster: str | None,
) -> JointCounts:
    places = 4 * codes + np.select([before & after, before, after], [BOTH, ONLY_BEFORE, ONLY_AFTER], NEITHER)
    cells = np.bincount(places[counted], minlength=4 * len(groups)).reshape(-1, 4)
    images = np.bincount(codes, minlength=len(groups))
    if cluster is None:
        return JointCounts(groups, cells, images)
    owner = attributes[cluster]
    # An image with an unknown cluster is independent, as in an audit.
    owner = owner.mask(owner == UNKNOWN, UNKNOWN + owner.index.astype(str)).reset_index(drop=True)
    return JointCounts(groups, cells, images, cluster_kinds(owner, places, counted.astype(np.int64), len(groups)))
