"""What wrong labels would do to a verdict: of groups, chosen against it or at random, and of the truth."""

from __future__ import annotations

from typing import Literal

from audit.records.base import record
from audit.types import Group


@record
class TippingPoint:
    """The fewest wrong group labels, chosen by an adversary, that overturn a difference."""

    worst: Group
    comparison: Group
    images: int
    share: float
    """Of the worst group's images."""
    turned: Literal["significance", "sign"]


@record
class LabelErrors:
    """How much more often the true labels of one group would have to be wrong than of another for their difference not to matter."""

    worst: Group
    comparison: Group
    images: int
    """Fewest labels of the worst group that bring the difference to the tolerance: all of wrong answers, which are right once corrected."""
    share: float
    """Of the worst group's images that count, the other group's labels being right: a difference of error rates."""
    independent: float | None
    """Difference of error rates where labels are wrong whatever was answered, and a wrong one is any other answer alike often; of accuracy
    only. None where no such difference brings it to the tolerance."""
    of_comparison: int | None = None
    """Fewest labels of the other group that do so alone, the worst group's being right: all of right answers, wrong once corrected. None
    where not even all of them do, and in files of earlier versions."""


@record
class NoisePoint:
    """How often a verdict survives when this share of the group labels is wrong at random."""

    share: float
    kept: float


@record
class LabelNoise:
    """What wrong labels, of groups or of the truth, would do to a verdict."""

    tipping_point: TippingPoint | None
    """Chosen by an adversary; None unless the verdict is a disparity that some number of labels overturns it."""
    points: tuple[NoisePoint, ...]
    """At random."""
    truth: LabelErrors | None = None
    """Wrong true labels, not group labels; None unless the verdict is a disparity in answers that are right or wrong, whose gap is wider
    than the tolerance."""
