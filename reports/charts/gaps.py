"""Geometry of the gaps of several questions, or of their changes, on a shared axis: one dot with its interval per row, the tolerance as a
band at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.comparison import Change, GapChange
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


def gaps_axis(findings: Sequence[Finding]) -> tuple[Scale, tuple[tuple[str, str], ...]]:
    """Return the scale of all questions, from 0 to the largest upper limit, and position and text of its ticks."""
    judged = [finding for finding in findings if finding.gap]
    ends = [tested_bound(finding) or finding.gap.high for finding in judged if finding.gap]
    reach = max([*ends, *(finding.tolerance for finding in judged)], default=_SHORTEST)
    ticks = axis(0.0, max(reach, _SHORTEST))
    scale = plot_scale(ticks)
    return scale, placed_ticks(scale, ticks, tick_texts(ticks))


def gap_marks(finding: Finding, scale: Scale) -> GapMark | None:
    """Plot one gap, or None."""
    pair = leading_pair(finding)
    if pair is None:
        return None
    start, bound = scale(0.0), tested_bound(finding)
    return GapMark(
        band_x=share(start),
        band_width=share(scale(finding.tolerance) - start),
        x=share(scale(pair.difference)),
        low=share(scale(max(pair.low, 0.0))),
        high=share(scale(pair.high)),
        bound="" if bound is None else share(scale(bound)),
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


def changes_axis(changes: Sequence[Change]) -> tuple[Scale, tuple[tuple[str, str], ...]]:
    """Return the scale of the changes of several gaps, which includes 0 and every tolerance, and position and text of its ticks."""
    ends = [end for change in changes if change.gap for end in (change.gap.low, change.gap.high, change.tolerance, -change.tolerance)]
    ticks = axis(min((-_SHORTEST, *ends)), max((_SHORTEST, *ends)))
    scale = plot_scale(ticks)
    return scale, placed_ticks(scale, ticks, tick_texts(ticks, signed=True))


def change_mark(change: Change, gap: GapChange, scale: Scale) -> ChangeMark:
    """Plot the change of one gap."""
    start = scale(-change.tolerance)
    return ChangeMark(
        band_x=share(start),
        band_width=share(scale(change.tolerance) - start),
        zero=share(scale(0.0)),
        x=share(scale(gap.difference)),
        low=share(scale(gap.low)),
        high=share(scale(gap.high)),
    )
