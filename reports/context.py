"""What the sections of an audit share: its records, and the anchor of each finding on the page."""

from __future__ import annotations

from dataclasses import dataclass

from audit.results import AuditResult, Finding, Results
from audit.statistics.severity import worst_first
from reports.text import sentences


@dataclass(frozen=True)
class PlacedFinding:
    """A finding with its name and its anchor."""

    key: str
    title: str
    finding: Finding


@dataclass(frozen=True)
class AuditContext:
    """One audit of a page."""

    key: str
    audit: AuditResult
    results: Results
    findings: tuple[PlacedFinding, ...]
    """Worst first."""

    @property
    def primary(self) -> tuple[PlacedFinding, ...]:
        """The planned questions."""
        return tuple(finding for finding in self.findings if finding.finding.primary)

    @property
    def exploratory(self) -> tuple[PlacedFinding, ...]:
        """The other comparisons."""
        return tuple(finding for finding in self.findings if not finding.finding.primary)


def audit_contexts(results: Results) -> tuple[AuditContext, ...]:
    """Return the context of every audit on a page."""
    return tuple(AuditContext(f"a{i}", audit, results, _placed(f"a{i}", audit)) for i, audit in enumerate(results.audits, 1))


def _placed(key: str, audit: AuditResult) -> tuple[PlacedFinding, ...]:
    placed = {
        finding.id: PlacedFinding(f"{key}-f{i}", sentences.title(finding, audit), finding) for i, finding in enumerate(audit.findings, 1)
    }
    return tuple(placed[finding.id] for finding in worst_first(audit.findings))
