"""In which order things are listed: sort keys for findings, pairs and names."""

from __future__ import annotations

from audit.records.results import Finding, PairedFinding

_WORST_FIRST = {"disparity": 0, "inconclusive": 1, "equivalent": 2, "not estimable": 3}


def by_severity(finding: Finding) -> tuple[int, float, float]:
    """Sort key: disparities first, then by adjusted p, then by the size of the gap."""
    gap = finding.gap
    return (_WORST_FIRST[finding.verdict], gap.p_adjusted if gap else 1.0, -gap.value if gap else 0.0)


def by_significance(paired: PairedFinding) -> tuple[float, float]:
    """Sort key: small adjusted p first, then large differences."""
    return (paired.p_adjusted, -abs(paired.difference or 0.0))
