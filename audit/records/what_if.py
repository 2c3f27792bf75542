"""What-ifs and what they cost. Frozen, as everything in `results.json`.

A wrong type, an unknown field or a NaN is refused when a value is made.
"""

from __future__ import annotations

from typing import Literal

from audit.records.base import Estimate, record
from audit.types import Group, Note

Ending = Literal["reversed", "levelled down", "indistinguishable", "smaller", "no better than random", "larger", "unchanged", "not judged"]
"""What became of a gap. `reversed`: the other group is now ahead, beyond its interval, and was behind before. `levelled down`: nobody is
better off and the best group is worse off. `indistinguishable`: shown to be smaller, and chance explains what is left, which is not
zero. `not judged`: in too few clusters to conclude anything; in older files, for nothing is computed now where nothing could be judged."""

CONTENT = "image content"
"""The unit of what-ifs whose images do not come in clusters."""


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
    """That the images lie in; None where images are independent."""


@record
class Utility:
    """Accuracy before and after, on the same images; giving no answer is not being right."""

    n: int
    before: float
    after: float
    change: Estimate
    p: float
    """McNemar, exact; where images come in clusters, of a test in which all images of a cluster change sign together."""
    answered: float
    """Share of the images that still get an answer."""
    among_answered: float | None
    """Accuracy among those."""


@record
class WhatIf:
    """What one change would do on the half of the images that it was not fitted on. The verdict belongs to the unmodified model."""

    method: str
    setting: str
    needs: tuple[Note, ...]
    """What the method needs when it is used, such as every person's group."""
    default: bool
    """Whether this setting was chosen before the run."""
    gap_before: Estimate
    gap: Estimate
    """Gap after; both intervals are simultaneous over all pairs."""
    p: float
    null_95: float
    """Noise floor of the gap after."""
    change: Estimate
    """Gap after minus gap before, paired."""
    pair: tuple[Group, Group]
    """The groups that lay furthest apart on the fit half, highest first."""
    pair_before: float
    pair_after: Estimate
    """Their signed difference."""
    by_group: tuple[GroupChange, ...]
    not_compared: tuple[Group, ...]
    utility: Utility
    outcome: Ending
    change_p: float
    """That the gap did not change: from the same draws as the interval of the change."""
    change_p_adjusted: float
    """Holm over every setting that was tried on the finding; `outcome` goes by it."""
    beats_random: float | None = None
    """Share of random controls of the same kind that leave a larger gap; None where the method has no random control."""
    reversal_p: float = 1.0
    """Of the difference of `pair` after, where the two changed places, beyond its interval; else 1."""
    reversal_p_adjusted: float = 1.0
    """Holm, as for the change: `reversed` goes by it."""
    ndcg: tuple[float, float] | None = None
    """Where the order of what is found is changed, its quality before and after: normalised discounted cumulative gain of the images that
    are sought, 1 where no order has them earlier. None for other methods, and where nothing is sought."""


@record
class FrontierPoint:
    """A what-if on the plane of gap against accuracy."""

    what_if: WhatIf
    efficient: bool
    """Whether no other setting, the unmodified model included, has a smaller gap at the same accuracy or more accuracy at the same gap."""


@record
class Frontier:
    """Every setting that was tried, not the best one."""

    finding: str
    gap: float
    """Of the unmodified model on the shown half."""
    accuracy: float
    unmodified_efficient: bool
    points: tuple[FrontierPoint, ...]
    fitted_on: int
    shown_on: int


@record
class Refused:
    """A method that was not offered, and why."""

    method: str
    """Empty: every method, and `setting` then names the attribute that cannot be judged by."""
    setting: str
    """Empty: none of its settings."""
    reason: Note


@record
class WhatIfs:
    """Every change that was tried for one question, with what it does to the other attributes."""

    question: Note
    """As the probe asks it, or a search."""
    unit: str
    """What is never torn between the halves: `CONTENT`, or the attribute that says what belongs together."""
    units: int
    """How many of them the shown half holds."""
    cost: Note
    """What its accuracy is the accuracy of."""
    target: Frontier | None
    """None where nothing could be tried: `refused` says why."""
    other_attributes: tuple[Frontier, ...]
    """The same settings, judged by other attributes: harm may move there."""
    refused: tuple[Refused, ...]
    draws: int
    """Random controls of each setting that has any."""
