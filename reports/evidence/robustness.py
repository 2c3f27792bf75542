"""Robustness: how few near-ties or wrong labels would overturn a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.evidence.label_noise import NoisePoint
from audit.results import AuditResult
from reports.context import AuditContext, PlacedFinding
from reports.text import evidence
from reports.text.numbers import percent

TITLE, PLACE = "Robustness", 20


@dataclass(frozen=True)
class RobustnessRow:
    """What would overturn the verdict of one question."""

    placed: PlacedFinding
    near_ties: str
    chosen: str
    """How many labels would have to be wrong in the worst case."""
    kept: tuple[str, ...]
    """How often the verdict stays the same, by share of wrong labels."""


@dataclass(frozen=True)
class RobustnessView:
    """How few near-ties or wrong labels would overturn the verdicts of an audit."""

    near_ties: str
    unequal: Sequence[tuple[PlacedFinding, str]]
    """How much more often the true labels of one group would have to be wrong."""
    shares: tuple[str, ...]
    """Shares of random wrong labels that were tried."""
    rows: tuple[RobustnessRow, ...]


def view(context: AuditContext) -> RobustnessView | None:
    """Return one row per planned question that was tested with wrong labels."""
    tried = [(finding, noise.points) for finding in context.primary if (noise := finding.finding.evidence.label_noise)]
    if not tried:
        return None
    return RobustnessView(
        near_ties=evidence.near_ties_sentence(context.audit, {finding.finding.id: finding.title for finding in context.primary}),
        unequal=[(finding, text) for finding, _ in tried if (text := evidence.unequal_labels_sentence(finding.finding))],
        shares=tuple(percent(point.share) for point in tried[0][1]),
        rows=tuple(_row(finding, points, context.audit) for finding, points in tried),
    )


def _row(placed: PlacedFinding, points: Sequence[NoisePoint], audit: AuditResult) -> RobustnessRow:
    finding = placed.finding
    near_ties = next((record.evidence.near_ties for record in audit.measurements if record.name == finding.measurement), None)
    return RobustnessRow(
        placed=placed,
        near_ties=evidence.near_ties_text(finding, near_ties),
        chosen=evidence.wrong_labels_text(finding),
        kept=tuple(percent(point.kept) for point in points),
    )
