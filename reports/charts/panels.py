"""Where the marks of small charts stand: strips under sentences, noise curves in table cells, and panels, one a group."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

from reports.charts.forest import Scale, bars, cut, dots, polyline, posts, px
from reports.text import phrases

if TYPE_CHECKING:
    from audit.records.evidence import GroupCalibration, NoisePoint, ThresholdPoint
    from audit.records.results import Finding

# ---- a strip under a sentence --------------------------------------------------------------------------------------------------------


STRIP_WIDTH, _STRIP_MARGIN, _STRIP_Y = 176, 8, 14


def strip(finding: Finding) -> SimpleNamespace | None:
    """Place both ends of a gap on the scale from 0 to 100 %, and as a bar the gap expected by chance; None without a gap."""
    if finding.gap is None or finding.overall.value is None:
        return None
    scale = Scale(0.0, 1.0, _STRIP_MARGIN, STRIP_WIDTH - _STRIP_MARGIN)
    low, high = (phrases.rate_of(finding, levels) for levels in (finding.gap.lowest, finding.gap.highest))
    middle, half = finding.overall.value, finding.gap.null_95 / 2
    start, end = scale(max(middle - half, 0.0)), scale(min(middle + half, 1.0))
    first, last = (scale(cell.value or 0.0) for cell in (low, high))
    return SimpleNamespace(
        intervals=bars((scale(cell.low or 0.0), scale(cell.high or 0.0), _STRIP_Y) for cell in (low, high)),
        dots=dots([(first, _STRIP_Y), (last, _STRIP_Y)]),
        chance_x=px(start),
        chance_width=px(end - start),
        line=bars([(first, last, _STRIP_Y)]),
    )


# ---- a noise curve in a cell ---------------------------------------------------------------------------------------------------------

_CURVE_WIDTH, _CURVE_HEIGHT, _CURVE_MARGIN = 96, 24, 5


def noise_sparkline(points: Sequence[NoisePoint]) -> SimpleNamespace | None:
    """Place how often a verdict stays, from left to right with more wrong labels, the shares evenly apart; None without points.

    The frame runs from never to always.
    """
    if not points:
        return None
    across = Scale(0, max(len(points) - 1, 1), _CURVE_MARGIN, _CURVE_WIDTH - _CURVE_MARGIN)
    up = Scale(0.0, 1.0, _CURVE_HEIGHT - _CURVE_MARGIN, _CURVE_MARGIN)
    places = [(across(i), up(point.kept)) for i, point in enumerate(points)]
    return SimpleNamespace(line=polyline(places), dots=dots(places))


# ---- panels --------------------------------------------------------------------------------------------------------------------------

_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 122, 22, 138
PANEL_WIDTH, PANEL_HEIGHT = _RIGHT + 6, _BOTTOM + 6
_LONGEST = 18


def reliability_panel(group: GroupCalibration) -> SimpleNamespace:
    """Place accuracy against confidence, bin by bin; bins of fewer than ten images have no dot."""
    across, up = Scale(0.0, 1.0, _LEFT, _RIGHT), Scale(0.0, 1.0, _BOTTOM, _TOP)
    bins = [(across(each.confidence), each.accuracy) for each in group.bins if each.confidence is not None and each.accuracy is not None]
    return SimpleNamespace(
        label=cut(phrases.group(group.group), _LONGEST),
        line="",
        intervals=posts((x, up(accuracy.low), up(accuracy.high)) for x, accuracy in bins),
        dots=dots((x, up(accuracy.value)) for x, accuracy in bins),
        remark="" if bins else "too few images",
    )


def threshold_panel(points: Sequence[ThresholdPoint], group: int, reach: float) -> SimpleNamespace:
    """Place the rate of one group among its answered images against the share of all images that are answered, from all to the fewest.

    `reach` is the rate at the upper edge.
    """
    fewest = min(point.coverage for point in points)
    across, up = Scale(-1.0, max(-fewest, -1.0 + 1e-9), _LEFT, _RIGHT), Scale(0.0, reach, _BOTTOM, _TOP)
    cells = [(across(-point.coverage), point.by_group[group].rate) for point in points]
    known = [(x, rate) for x, rate in cells if rate is not None]
    places = [(x, up(rate.value)) for x, rate in known]
    return SimpleNamespace(
        label=cut(phrases.group(points[0].by_group[group].group), _LONGEST),
        line=polyline(places) if len(places) > 1 else "",
        intervals=posts((x, up(rate.low), up(rate.high)) for x, rate in known),
        dots=dots(places),
        remark="" if known else "no images",
    )
