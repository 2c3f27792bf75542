"""Robustness: how few near-ties or wrong group labels would overturn a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.evidence import NoisePoint
from audit.records.results import AuditResult
from reports.charts.panels import NoiseCurve, noise_sparkline
from reports.sections.context import AuditContext, PlacedFinding
from reports.text import evidence
from reports.text.numbers import percent

TITLE, PLACE = "Robustness", 20


@dataclass(frozen=True)
class RobustnessRow:
    """How little would overturn a verdict."""

    placed: PlacedFinding
    near_ties: str
    chosen: str
    kept: tuple[str, ...]
    """By share of labels wrong at random."""
    curve: NoiseCurve | None


@dataclass(frozen=True)
class RobustnessView:
    """How little would overturn the verdicts of an audit."""

    near_ties: str
    shares: tuple[str, ...]
    rows: tuple[RobustnessRow, ...]


def view(context: AuditContext) -> RobustnessView | None:
    """Return a row for each pre-specified question whose labels were made wrong."""
    tried = [(each, noise.points) for each in context.primary if (noise := each.finding.evidence.label_noise)]
    if not tried:
        return None
    return RobustnessView(
        evidence.near_ties_sentence(context.audit, {each.finding.id: each.title for each in context.primary}),
        tuple(percent(point.share) for point in tried[0][1]),
        tuple(_row(each, points, context.audit) for each, points in tried),
    )


def _row(placed: PlacedFinding, points: Sequence[NoisePoint], audit: AuditResult) -> RobustnessRow:
    finding = placed.finding
    near_ties = next((record.evidence.near_ties for record in audit.measurements if record.name == finding.measurement), None)
    return RobustnessRow(
        placed, evidence.near_ties_text(finding, near_ties), evidence.wrong_labels_text(finding),
        tuple(percent(point.kept) for point in points), noise_sparkline(points),
    )  # fmt: skip
