"""A gap over the checkpoints of a run: when does it appear?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from audit.records.comparison import Change, ComparedClaim, Point, Trajectory
from audit.records.finding import CellStatus
from audit.statistics.null import generator
from audit.statistics.paired.changes import gap_ends, unit_rates
from audit.statistics.units.sampling_unit import SamplingUnits
from audit.types import UNKNOWN, Group, Settings


@dataclass(frozen=True)
class Checkpoint:
    """The counts of one claim at one step."""

    side: str
    step: int | float
    """Or the value on the axis of the series."""
    groups: tuple[Group, ...]
    units: SamplingUnits
    statuses: tuple[CellStatus, ...]


def follow_claim(like: Change, checkpoints: Sequence[Checkpoint], settings: Settings, *, claims: int, limited: bool) -> Trajectory:
    """Compute a claim for each of its checkpoints, by ascending step, on the same images.

    The bands are simultaneous over all primary `claims`, and over the pairs of groups of each. If a sample was audited nothing appears.
    """
    points = tuple(_point(checkpoint, like, settings, claims) for checkpoint in checkpoints)
    appears = None if limited else _first_lasting(points, lambda point: point.gap is not None and point.gap.low > like.tolerance)
    detectable = None if limited else _first_lasting(points, lambda point: point.p is not None and point.p <= settings.alpha)
    claim = {field.name: getattr(like, field.name) for field in fields(ComparedClaim)}
    return Trajectory(**claim, points=points, appears=appears, detectable=detectable, confused=like.confused)


def _point(checkpoint: Checkpoint, like: Change, settings: Settings, claims: int) -> Point:
    alpha = settings.alpha
    ok = np.array([i for i, status in enumerate(checkpoint.statuses) if status == "ok"], np.int64)
    gap = p = None
    if len(ok) > 1:
        compared = checkpoint.units.of(ok)
        gap = gap_ends([checkpoint.groups[i] for i in ok], compared, alpha / claims)
        # With the seed of the checkpoint's own audit, so that both show the same p.
        p = min(1.0, compared.null(settings.draws, generator(settings.seed, like.id)).p * (claims if like.primary else 1))
    rates = unit_rates(checkpoint.groups, checkpoint.units, checkpoint.statuses, alpha)
    everybody = checkpoint.units.together()
    [total] = unit_rates(((),), everybody, ("ok" if everybody.n[0] else "not estimable",), alpha)
    return Point(checkpoint.side, checkpoint.step, tuple(rate for rate in rates if UNKNOWN not in rate.group), total, gap, p)


def _first_lasting(points: Sequence[Point], holds: Callable[[Point], bool]) -> int | float | None:
    """The first step from which on it holds at every checkpoint: a bias that came and went did not appear there.

    With several models at one step, it must hold for all.
    """
    last_failure = max((point.step for point in points if not holds(point)), default=None)
    return min((point.step for point in points if last_failure is None or point.step > last_failure), default=None)
