"""What-ifs and their costs. Frozen, as everything in `results.json`.

Wrong types, unknown fields and NaN are rejected.
"""

from __future__ import annotations

from typing import Literal

from audit.records.base import Estimate, record
from audit.records.changed_model import Utility
from audit.types import Group, Note

Ending = Literal["reversed", "levelled down", "indistinguishable", "smaller", "no better than random", "larger", "unchanged", "not judged"]
"""How a gap changed. `reversed`: the group that was behind is now ahead, beyond its interval. `levelled down`: no group is better off and
the best group is worse off. `indistinguishable`: smaller, and what is left is compatible with chance, though not zero. `not judged`: too
few clusters for a conclusion; in older files only, since nothing is computed now if nothing could be judged."""


@record
class GroupChange:
    """One group before and after."""

    group: Group
    n: int
    before: float
    after: float
    moved: float
    """Share of the images whose answer changed."""
    clusters: int | None = None
    """Number of clusters of the images; None if images are independent."""


@record
class WhatIf:
    """The effect of one change on the half of the images that it was not fitted on. The verdict belongs to the unmodified model."""

    method: str
    setting: str
    needs: tuple[Note, ...]
    """What the method needs in use, such as every person's group."""
    default: bool
    """Whether this is the setting that the probe fixes."""
    gap_before: Estimate
    gap: Estimate
    """Gap after; both intervals are simultaneous over all pairs."""
    p: float
    null_95: float
    """95 % point of the gap after, under shuffled labels."""
    change: Estimate
    """Gap after minus gap before, paired."""
    pair: tuple[Group, Group]
    """The groups with the largest difference on the fit half, highest first."""
    pair_before: float
    pair_after: Estimate
    """Their signed difference."""
    by_group: tuple[GroupChange, ...]
    not_compared: tuple[Group, ...]
    utility: Utility
    outcome: Ending
    change_p: float
    """Of "the gap did not change": from the same draws as the interval of the change."""
    change_p_adjusted: float
    """Holm over every setting tried for the finding; `outcome` depends on it."""
    beats_random: float | None = None
    """Share of random controls of the same kind that leave a larger gap; None if the method has no random control."""
    reversal_p: float = 1.0
    """p of the difference of `pair` after, if its sign changed beyond its interval; else 1."""
    reversal_p_adjusted: float = 1.0
    """Holm, as for the change: `reversed` depends on it."""
    ndcg: tuple[float, float] | None = None
    """For methods that re-rank: quality of the ranking before and after, as normalised discounted cumulative gain of the relevant images (1
    if no ranking has them earlier). None for other methods, and if no image is relevant."""


@record
class FrontierPoint:
    """A what-if as a point of gap against accuracy."""

    what_if: WhatIf
    efficient: bool
    """Whether no other setting, the unmodified model included, has a smaller gap at the same accuracy or more accuracy at the same gap."""


@record
class Frontier:
    """All settings that were tried, not only the best one."""

    finding: str
    gap: float
    """Gap of the unmodified model on the shown half."""
    accuracy: float
    unmodified_efficient: bool
    points: tuple[FrontierPoint, ...]
    fitted_on: int
    shown_on: int


@record
class Refused:
    """A method that was not tried, and why."""

    method: str
    """Empty: every method, and `setting` then names the attribute that cannot be used."""
    setting: str
    """Empty: none of its settings."""
    reason: Note


@record
class WhatIfs:
    """All changes tried for one question, with their effect on the other attributes."""

    question: Note
    """As the probe states it, or a search."""
    unit: str
    """What is never split between the halves: `audit.records.changed_model.CONTENT`, or the attribute that says what belongs together."""
    units: int
    """Number of units in the shown half."""
    cost: Note
    """What counts as right for the accuracy."""
    target: Frontier | None
    """None if nothing could be tried: `refused` says why."""
    other_attributes: tuple[Frontier, ...]
    """The same settings evaluated for other attributes: harm may move there."""
    refused: tuple[Refused, ...]
    draws: int
    """Number of random controls for each setting that has any."""
