"""Geometry of small charts: one panel per group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.charts.forest import Scale, cut, dots, polyline, posts
from reports.text import phrases

if TYPE_CHECKING:
    from audit.evidence.calibration import GroupCalibration
    from audit.evidence.threshold_curves import ThresholdPoint

_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 122, 22, 138
PANEL_WIDTH, PANEL_HEIGHT = _RIGHT + 6, _BOTTOM + 6
_LONGEST = 18


@dataclass(frozen=True)
class Panel:
    """The small chart of one group."""

    label: str
    line: str
    intervals: str
    dots: str
    remark: str
    """Why nothing is drawn."""


def reliability_panel(group: GroupCalibration) -> Panel:
    """Plot accuracy against confidence, bin by bin; bins with fewer than ten images have no dot."""
    across, up = Scale(0.0, 1.0, _LEFT, _RIGHT), Scale(0.0, 1.0, _BOTTOM, _TOP)
    bins = [(across(bin_.confidence), bin_.accuracy) for bin_ in group.bins if bin_.confidence is not None and bin_.accuracy is not None]
    return Panel(
        label=cut(phrases.group(group.group), _LONGEST),
        line="",
        intervals=posts((x, up(accuracy.low), up(accuracy.high)) for x, accuracy in bins),
        dots=dots((x, up(accuracy.value)) for x, accuracy in bins),
        remark="" if bins else "too few images",
    )


def threshold_panel(points: Sequence[ThresholdPoint], group: int, reach: float) -> Panel:
    """Plot the rate of one group among its answered images against the share of all images that are answered, in decreasing order.

    `reach` is the rate at the upper edge.
    """
    fewest = min(point.coverage for point in points)
    across, up = Scale(-1.0, max(-fewest, -1.0 + 1e-9), _LEFT, _RIGHT), Scale(0.0, reach, _BOTTOM, _TOP)
    cells = [(across(-point.coverage), point.by_group[group].rate) for point in points]
    known = [(x, rate) for x, rate in cells if rate is not None]
    places = [(x, up(rate.value)) for x, rate in known]
    return Panel(
        label=cut(phrases.group(points[0].by_group[group].group), _LONGEST),
        line=polyline(places) if len(places) > 1 else "",
        intervals=posts((x, up(rate.low), up(rate.high)) for x, rate in known),
        dots=dots(places),
        remark="" if known else "no images",
    )
