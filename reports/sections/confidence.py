"""What confidence adds, in texts and marks: calibration by group, rates against a confidence threshold, errors given the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.records.evidence import Calibration, EqualizedOdds, Estimate, GapEstimate, GroupCalibration, ReliabilityBin, ThresholdCurve
from audit.records.results import AuditResult, MeasurementRecord
from reports.charts.forest import axis
from reports.charts.panels import Panel, reliability_panel, threshold_panel
from reports.text import phrases
from reports.text import sentences as words
from reports.text.numbers import NOT_ESTIMABLE, count, decimals, difference, number, p_value, percent, points, rate, span

BINS = 10
"""Tenths of confidence, in the results."""
ENOUGH_TO_SCALE = 10
"""Answered images of a group whose interval may stretch a chart."""


@dataclass(frozen=True)
class OddsRow:
    """Errors given the truth, of one answer between groups."""

    measurement: str
    outcome: str
    by: str
    opportunity: str
    opportunity_p: str
    false_positive: str
    false_positive_p: str
    odds: str
    left_out: str


@dataclass(frozen=True)
class CalibrationRow:
    """One group's confidence against its accuracy."""

    group: str
    n: str
    error: str
    chance: str
    over: str
    compared: bool
    bins: tuple[str, ...]


@dataclass(frozen=True)
class CalibrationView:
    """Calibration by the groups of one slicing."""

    title: str
    alt: str
    panels: tuple[Panel, ...]
    tenths: tuple[str, ...]
    """Those of the confidence in which any group has images."""
    rows: tuple[CalibrationRow, ...]


@dataclass(frozen=True)
class ThresholdRow:
    """One group at every threshold: its rate among the answered, and how many that are."""

    group: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class ThresholdView:
    """A rate against the confidence threshold."""

    key: str
    title: str
    alt: str
    reach: str
    fewest: str
    panels: tuple[Panel, ...]
    columns: tuple[str, ...]
    rows: tuple[ThresholdRow, ...]
    gaps: tuple[str, ...]
    silence: tuple[str, ...]


@dataclass(frozen=True)
class Confidence:
    """The sections of one audit about confidence and about errors given the truth."""

    calibration: tuple[CalibrationView, ...]
    thresholds: tuple[ThresholdView, ...]
    odds: tuple[OddsRow, ...]


def confidence(keys: Mapping[str, str], audit: AuditResult, *, brief: bool) -> Confidence:
    """Return the sections of an audit; `keys` leads from a finding to its place.

    On a page of many findings it is brief: no table of tenths, and the thresholds of disparities only.
    """
    shown = {finding.id for finding in audit.findings if finding.verdict == "disparity" or not brief}
    titles = {finding.id: words.title(finding, audit) for finding in audit.findings}
    return Confidence(
        calibration=tuple(_calibration(record, found, brief) for record in audit.measurements for found in record.evidence.calibration),
        thresholds=tuple(
            _thresholds(keys[each.finding], titles[each.finding], each)
            for each in audit.evidence.threshold_curves
            if each.points and each.finding in shown
        ),
        odds=tuple(map(_odds, audit.evidence.equalized_odds)),
    )


# ---- errors given the truth ----------------------------------------------------------------------------------------------------------


def _odds(found: EqualizedOdds) -> OddsRow:
    both = found.difference
    return OddsRow(
        measurement=found.measurement,
        outcome=found.outcome,
        by=phrases.attributes(found.attributes),
        opportunity=_gap(both.equal_opportunity),
        opportunity_p=p_value(both.equal_opportunity.p) if both.equal_opportunity else "",
        false_positive=_gap(both.false_positive),
        false_positive_p=p_value(both.false_positive.p) if both.false_positive else "",
        odds=_gap(both.equalized_odds),
        left_out=phrases.some([phrases.group(group) for group in both.not_compared]),
    )


def _gap(gap: GapEstimate | None) -> str:
    if gap is None:
        return NOT_ESTIMABLE
    places = decimals(gap.low, gap.high)
    return f"{points(gap.value, places)} {span(gap.low, gap.high, places)}"


# ---- calibration ---------------------------------------------------------------------------------------------------------------------


def _calibration(record: MeasurementRecord, found: Calibration, brief: bool) -> CalibrationView:
    title = f"{record.name} by {phrases.attributes(found.attributes)}"
    known = [group for group in found.groups if group.error is not None]
    used = [i for i in range(BINS) if any(group.bins[i].n for group in found.groups)] if not brief else []
    return CalibrationView(
        title=title,
        alt=f"Accuracy against confidence of {record.name}, a panel for each of {len(found.groups)} groups; "
        f"{len(known)} have enough images for a calibration error. The table below has every number.",
        panels=tuple(map(reliability_panel, found.groups)),
        tenths=tuple(f"{100 * i // BINS}–{100 * (i + 1) // BINS} % sure" for i in used),
        rows=tuple(_calibration_row(group, used) for group in found.groups),
    )


def _calibration_row(group: GroupCalibration, used: Sequence[int]) -> CalibrationRow:
    return CalibrationRow(
        group=phrases.group(group.group),
        n=count(group.n),
        error=_share(group.error),
        chance=percent(group.error_by_chance, 1) if group.error_by_chance is not None else "",
        over=_signed(group.overconfidence),
        compared=group.error is not None,
        bins=tuple(_bin(group.bins[i]) for i in used),
    )


def _bin(each: ReliabilityBin) -> str:
    if each.accuracy is None or each.confidence is None:
        return f"({each.n})" if each.n else ""
    return f"{number(each.confidence, 0)} → {number(each.accuracy.value, 0)} ({count(each.n)})"


def _share(estimate: Estimate | None) -> str:
    return NOT_ESTIMABLE if estimate is None else rate(estimate.value, estimate.low, estimate.high)


def _signed(estimate: Estimate | None) -> str:
    return "" if estimate is None else difference(estimate.value, estimate.low, estimate.high)


# ---- thresholds ----------------------------------------------------------------------------------------------------------------------


def _thresholds(key: str, title: str, curve: ThresholdCurve) -> ThresholdView:
    groups = range(len(curve.points[0].by_group))
    ends = [
        cell.rate.high for point in curve.points for cell in point.by_group if cell.rate is not None and cell.answered >= ENOUGH_TO_SCALE
    ]
    reach = min(axis(0.0, max(ends, default=1.0))[-1], 1.0)
    fewest = min(point.coverage for point in curve.points)
    return ThresholdView(
        key=key,
        title=title,
        alt=f"{title}: the rate among the answered images of each of {len(groups)} groups, from all images answered to "
        f"{percent(fewest)} of them. The table below has every number.",
        reach=percent(reach),
        fewest=percent(fewest),
        panels=tuple(threshold_panel(curve.points, group, reach) for group in groups),
        columns=tuple(f"{percent(point.coverage)} answered (above {percent(point.threshold, 1)})" for point in curve.points),
        rows=tuple(_threshold_row(curve, group) for group in groups),
        gaps=tuple(NOT_ESTIMABLE if point.gap is None else points(point.gap, 1) for point in curve.points),
        silence=tuple(NOT_ESTIMABLE if point.coverage_gap is None else points(point.coverage_gap, 1) for point in curve.points),
    )


def _threshold_row(curve: ThresholdCurve, group: int) -> ThresholdRow:
    cells = [point.by_group[group] for point in curve.points]
    return ThresholdRow(
        phrases.group(cells[0].group),
        tuple(f"{_among(cell.rate)} ({count(cell.answered)})" if cell.n else "no images" for cell in cells),
    )


def _among(estimate: Estimate | None) -> str:
    return "none answered" if estimate is None else percent(estimate.value, decimals(estimate.low, estimate.high))
