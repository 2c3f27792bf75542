"""Geometry of the gaps of several questions, or of their changes, on a shared axis: one dot with its interval per row, the tolerance as a
band at 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audit.records.base import Estimate
from audit.records.comparison import Change, GapChange, GapEnds
from audit.results import Finding
from reports.charts.forest import Scale, axis, tick_texts
from reports.charts.groups import placed_ticks, plot_scale, share
from reports.text.phrases import leading_pair, tested_bound

_SHORTEST = 0.02
"""An axis extends at least this far, because with equal rates there is no gap to scale by."""


@dataclass(frozen=True)
class GapMark:
    """A gap with its interval and the tolerance, as shares of the width of the axis."""

    band_x: str
    band_width: str
    x: str
    low: str
    high: str
    bound: str
    """If the verdict is “equivalent”, drawn instead of the interval: the bound of the equivalence test, on which the verdict rests."""


Ticks = tuple[tuple[str, str], ...]
"""Position and text of each tick."""


def gaps_axis(findings: Iterable[Finding]) -> tuple[Scale, Ticks]:
    """Return the scale of all questions, from 0 to the largest upper limit, and its ticks."""
    ends = ((tested_bound(finding) or finding.gap.high, finding.tolerance) for finding in findings if finding.gap)
    return _axis_from_0(end for both in ends for end in both)


def gap_marks(finding: Finding, scale: Scale) -> GapMark | None:
    """Plot one gap, or None."""
    pair, bound = leading_pair(finding), tested_bound(finding)
    if pair is None:
        return None
    return _gap_mark((pair.low, pair.difference, pair.high), finding.tolerance, scale, "" if bound is None else share(scale(bound)))


def models_axis(changes: Iterable[Change]) -> tuple[Scale, Ticks]:
    """Return the same for the gaps of the models that are compared."""
    ends = ((change.gap.before.high, change.gap.after.high, change.tolerance) for change in changes if change.gap)
    return _axis_from_0(end for three in ends for end in three)


def model_mark(ends: GapEnds, tolerance: float, scale: Scale) -> GapMark:
    """Plot the gap of one of the models that are compared."""
    return _gap_mark((ends.low, ends.value, ends.high), tolerance, scale)


def _axis_from_0(ends: Iterable[float]) -> tuple[Scale, Ticks]:
    ticks = axis(0.0, max([_SHORTEST, *ends]))
    scale = plot_scale(ticks)
    return scale, placed_ticks(scale, ticks, tick_texts(ticks))


def _gap_mark(interval: tuple[float, float, float], tolerance: float, scale: Scale, bound: str = "") -> GapMark:
    low, value, high = interval
    start = scale(0.0)
    return GapMark(
        band_x=share(start),
        band_width=share(scale(tolerance) - start),
        x=share(scale(value)),
        low=share(scale(max(low, 0.0))),
        high=share(scale(high)),
        bound=bound,
    )


@dataclass(frozen=True)
class ChangeMark:
    """The change of a gap with its interval, the tolerance on both sides of 0, and 0 itself, as shares of the width of the axis."""

    band_x: str
    band_width: str
    zero: str
    x: str
    low: str
    high: str


def changes_axis(changes: Sequence[Change]) -> tuple[Scale, Ticks]:
    """Return the scale of the changes of several gaps, which includes 0 and every tolerance, and position and text of its ticks."""
    ends = [end for change in changes if change.gap for end in (change.gap.low, change.gap.high, change.tolerance, -change.tolerance)]
    ticks = axis(min((-_SHORTEST, *ends)), max((_SHORTEST, *ends)))
    scale = plot_scale(ticks)
    return scale, placed_ticks(scale, ticks, tick_texts(ticks, signed=True))


def change_mark(change: Change, gap: GapChange, scale: Scale) -> ChangeMark:
    """Plot the change of one gap."""
    return _change_mark(Estimate(gap.difference, gap.low, gap.high), change.tolerance, scale)


def estimate_mark(estimate: Estimate, margin: float) -> tuple[ChangeMark, tuple[tuple[str, str], ...]]:
    """Plot a change that should lie within a margin; return position and text of the ticks, too."""
    ends = (estimate.low, estimate.high, -margin, margin)
    ticks = axis(min(-_SHORTEST, *ends), max(_SHORTEST, *ends))
    scale = plot_scale(ticks)
    return _change_mark(estimate, margin, scale), placed_ticks(scale, ticks, tick_texts(ticks, signed=True))


def _change_mark(estimate: Estimate, tolerance: float, scale: Scale) -> ChangeMark:
    start = scale(-tolerance)
    return ChangeMark(
        band_x=share(start),
        band_width=share(scale(tolerance) - start),
        zero=share(scale(0.0)),
        x=share(scale(estimate.value)),
        low=share(scale(estimate.low)),
        high=share(scale(estimate.high)),
    )
