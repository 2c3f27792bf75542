"""The images of each group before and after, by cluster if they come in clusters; and the groups that may be judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import DataError, UsageError
from audit.statistics.counts.count_table import row_codes
from audit.statistics.metrics import Metric, Outcome, row_events
from audit.statistics.paired.joint import BOTH, NEITHER, ONLY_AFTER, ONLY_BEFORE, JointCounts, cluster_kinds
from audit.statistics.units.cluster_units import FEWEST_CLUSTERS
from audit.types import UNKNOWN, Group, Note, Predictions, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

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
