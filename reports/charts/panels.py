"""Where the marks of small charts stand: strips under sentences, noise curves in table cells, and panels, one a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.charts.forest import Scale, cut, px
from reports.text import phrases

if TYPE_CHECKING:
    from audit.records.evidence import GroupCalibration, NoisePoint, ThresholdPoint
    from audit.records.results import Finding, Rate

# ---- a strip under a sentence --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strip:
    """Both ends of a gap on the scale from 0 to 100 %, and as a bar the gap expected by chance."""

    first_bar: str
    last_bar: str
    first_dot: str
    last_dot: str
    chance_x: str
    chance_width: str
    line: str


STRIP_WIDTH, _STRIP_MARGIN, _STRIP_Y = 176, 8, 14


def strip(finding: Finding) -> Strip | None:
    """Place the lowest and the highest group; None without a gap."""
    if finding.gap is None or finding.overall.value is None:
        return None
    scale = Scale(0.0, 1.0, _STRIP_MARGIN, STRIP_WIDTH - _STRIP_MARGIN)
    low, high = (phrases.rate_of(finding, levels) for levels in (finding.gap.lowest, finding.gap.highest))
    middle, half = finding.overall.value, finding.gap.null_95 / 2
    start, end = scale(max(middle - half, 0.0)), scale(min(middle + half, 1.0))
    places = [scale(cell.value or 0.0) for cell in (low, high)]
    return Strip(
        first_bar=_interval(low, scale),
        last_bar=_interval(high, scale),
        first_dot=f"M{px(places[0])} {_STRIP_Y}h0",
        last_dot=f"M{px(places[1])} {_STRIP_Y}h0",
        chance_x=px(start),
        chance_width=px(end - start),
        line=f"M{px(places[0])} {_STRIP_Y}H{px(places[1])}",
    )


def _interval(cell: Rate, scale: Scale) -> str:
    return f"M{px(scale(cell.low or 0.0))} {_STRIP_Y}H{px(scale(cell.high or 0.0))}"


# ---- a noise curve in a cell ---------------------------------------------------------------------------------------------------------

_CURVE_WIDTH, _CURVE_HEIGHT, _CURVE_MARGIN = 96, 24, 5


@dataclass(frozen=True)
class NoiseCurve:
    """How often a verdict stays, from left to right with more wrong labels; the frame runs from never to always."""

    line: str
    dots: str


def noise_sparkline(points: Sequence[NoisePoint]) -> NoiseCurve | None:
    """Place a noise curve, its shares evenly apart; None without points."""
    if not points:
        return None
    across = Scale(0, max(len(points) - 1, 1), _CURVE_MARGIN, _CURVE_WIDTH - _CURVE_MARGIN)
    up = Scale(0.0, 1.0, _CURVE_HEIGHT - _CURVE_MARGIN, _CURVE_MARGIN)
    places = [f"{px(across(i))} {px(up(point.kept))}" for i, point in enumerate(points)]
    return NoiseCurve(f"M{'L'.join(places)}", "".join(f"M{place}h0" for place in places))


# ---- panels --------------------------------------------------------------------------------------------------------------------------

_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 122, 22, 138
PANEL_WIDTH, PANEL_HEIGHT = _RIGHT + 6, _BOTTOM + 6
_LONGEST = 18


@dataclass(frozen=True)
class Panel:
    """One group in a square of its own."""

    label: str
    line: str
    intervals: str
    dots: str
    remark: str
    """Why there is nothing to see."""


def reliability_panel(group: GroupCalibration) -> Panel:
    """Place accuracy against confidence, bin by bin; bins of fewer than ten images have no dot."""
    across, up = Scale(0.0, 1.0, _LEFT, _RIGHT), Scale(0.0, 1.0, _BOTTOM, _TOP)
    bins = [(across(each.confidence), each.accuracy) for each in group.bins if each.confidence is not None and each.accuracy is not None]
    return Panel(
        label=cut(phrases.group(group.group), _LONGEST),
        line="",
        intervals="".join(f"M{px(x)} {px(up(accuracy.low))}V{px(up(accuracy.high))}" for x, accuracy in bins),
        dots="".join(f"M{px(x)} {px(up(accuracy.value))}h0" for x, accuracy in bins),
        remark="" if bins else "too few images",
    )


def threshold_panel(points: Sequence[ThresholdPoint], group: int, reach: float) -> Panel:
    """Place the rate of one group among its answered images against the share of all images that are answered, from all to the fewest.

    `reach` is the rate at the upper edge.
    """
    fewest = min(point.coverage for point in points)
    across, up = Scale(-1.0, max(-fewest, -1.0 + 1e-9), _LEFT, _RIGHT), Scale(0.0, reach, _BOTTOM, _TOP)
    cells = [(across(-point.coverage), point.by_group[group].rate) for point in points]
    known = [(x, rate) for x, rate in cells if rate is not None]
    places = [f"{px(x)} {px(up(rate.value))}" for x, rate in known]
    return Panel(
        label=cut(phrases.group(points[0].by_group[group].group), _LONGEST),
        line=f"M{'L'.join(places)}" if len(places) > 1 else "",
        intervals="".join(f"M{px(x)} {px(up(rate.low))}V{px(up(rate.high))}" for x, rate in known),
        dots="".join(f"M{place}h0" for place in places),
        remark="" if known else "no images",
    )
