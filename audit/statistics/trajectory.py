"""A gap over the checkpoints of a run: when does it appear?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audit.comparison import GapEnds, Point, Trajectory
from audit.statistics.change import gap_ends, unit_rates
from audit.types import UNKNOWN

if TYPE_CHECKING:
    from audit.comparison import Change
    from audit.results import CellStatus
    from audit.statistics.units import Units
    from audit.types import Group, Settings


@dataclass(frozen=True)
class Checkpoint:
    """The counts of one claim at one step."""

    side: str
    step: int
    groups: tuple[Group, ...]
    units: Units
    statuses: tuple[CellStatus, ...]


def trajectory(like: Change, checkpoints: Sequence[Checkpoint], settings: Settings, *, intervals: int, limited: bool) -> Trajectory:
    """Follow a claim over its checkpoints.

    Parameters
    ----------
    like : Change
        The claim: names, direction, tolerance.
    checkpoints : sequence of Checkpoint
        By rising step, on the same images.
    settings : Settings
        Alpha.
    intervals : int
        Gaps whose intervals are to hold together (checkpoints x primary claims); each is widened for its own pairs besides.
    limited : bool
        Whether a sample of the images was audited: then nothing is said to appear.
    """
    points = tuple(_point(each, settings.alpha, intervals) for each in checkpoints)
    appears = None if limited else _first_lasting(points, lambda gap: gap.low > like.tolerance)
    detectable = None if limited else _first_lasting(points, lambda gap: gap.low > 0)
    return Trajectory(
        id=like.id,
        measurement=like.measurement,
        truth=like.truth,
        metric=like.metric,
        outcome=like.outcome,
        attributes=like.attributes,
        better=like.better,
        primary=like.primary,
        tolerance=like.tolerance,
        points=points,
        appears=appears,
        detectable=detectable,
        reason=_reason(points, appears, detectable, like.tolerance, limited=limited),
    )


def _point(each: Checkpoint, alpha: float, intervals: int) -> Point:
    ok = np.array([i for i, status in enumerate(each.statuses) if status == "ok"], np.int64)
    gap = gap_ends([each.groups[i] for i in ok], each.units.of(ok), alpha / intervals) if len(ok) > 1 else None
    rates = unit_rates(each.groups, each.units, each.statuses, alpha)
    everybody = each.units.together()
    [total] = unit_rates(((),), everybody, ("ok" if everybody.n[0] else "not estimable",), alpha)
    return Point(each.side, each.step, tuple(rate for rate in rates if UNKNOWN not in rate.group), total, gap)


def _first_lasting(points: Sequence[Point], holds: Callable[[GapEnds], bool]) -> int | None:
    """Return the first step from which on every later gap holds: a bias that came and went did not appear there."""
    first = None
    for point in reversed(points):
        if point.gap is None or not holds(point.gap):
            break
        first = point.step
    return first


def _reason(points: Sequence[Point], appears: int | None, detectable: int | None, tolerance: float, *, limited: bool) -> str:
    if all(point.gap is None for point in points):
        return "Not estimable: at no step do two groups have enough images."
    if limited:
        return "LIMITED RUN: a sample of the images settles nothing."
    within = f"{100 * tolerance:.1f} points"
    if appears is not None:
        return f"From step {appears:,} on, the gap is shown to exceed {within} at every checkpoint." + _largest(points)
    if detectable is not None:
        return f"From step {detectable:,} on, some gap is shown at every checkpoint; that it exceeds {within} is not shown." + _largest(
            points
        )
    passing = [point for point in points if point.gap and point.gap.low > tolerance]
    if passing:
        return (
            f"A gap of more than {within} is shown at {len(passing)} of {len(points)} checkpoints and not at the last: it came and went."
            + _largest(points)
        )
    return f"At the last checkpoint no gap is shown, and at no checkpoint one of more than {within}." + _largest(points)


def _largest(points: Sequence[Point]) -> str:
    point = max((point for point in points if point.gap), key=lambda each: each.gap.value if each.gap else 0.0)
    if point.gap is None:
        return ""
    interval = f"[{100 * point.gap.low:.1f}, {100 * point.gap.high:.1f}]".replace("-", "−")
    return f" It is largest at step {point.step:,}: {100 * point.gap.value:.1f} points {interval}."
