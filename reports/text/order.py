"""In which order things are listed: sort keys for findings, pairs and names."""

from __future__ import annotations

from collections.abc import Sequence

from audit.records.base import FindingVerdict
from audit.records.finding import PairedFinding
from audit.results import Finding
from audit.types import Group

_WORST_FIRST: dict[FindingVerdict, int] = {
    "disparity": 0, "signal": 1, "inconclusive": 2, "equivalent": 3, "no signal": 4, "not estimable": 5,
}  # fmt: skip
MOST_SIGNALS = 3
"""Signals that are carried to the first screen, the summary and the terminal."""


def by_severity(finding: Finding) -> tuple[float, ...]:
    """Sort key: disparities first, those beyond their tolerance before others and by what they are at least; then by p and by size.

    Of differences that are shown, how large they surely are says more than how sure they are to be above 0.
    """
    gap = finding.gap
    if gap is None:
        return (_WORST_FIRST[finding.verdict],)
    at_least = gap.low if finding.verdict in ("disparity", "signal") else 0.0
    size = gap.value if gap.leading is None else gap.leading.difference
    return (_WORST_FIRST[finding.verdict], not finding.exceeds_tolerance, -at_least, gap.p_adjusted, -size)


def reversed_at_equal(finding: Finding) -> bool:
    """Whether the sign of its most significant difference turns at equal other attributes."""
    adjustment = finding.evidence.adjustment
    return adjustment is not None and any(pair.shift == "reversed" for pair in adjustment.pairs)


def leading(findings: Sequence[Finding], most: int) -> list[Finding]:
    """Return the first `most`, and of the rest those that another attribute reverses: their verdict must not stand alone."""
    return [finding for rank, finding in enumerate(findings) if rank < most or reversed_at_equal(finding)]


def signals_of(findings: Sequence[Finding]) -> list[Finding]:
    """Return the signals, the smallest p first; without those whose counts are a planned question's, under another name.

    Where every true answer is the same, the share given an answer is the accuracy.
    """
    planned = {(finding.attributes, _counts(finding)) for finding in findings if finding.primary}
    signals = [
        finding
        for finding in findings
        if finding.verdict == "signal" and finding.gap and (finding.attributes, _counts(finding)) not in planned
    ]
    return sorted(signals, key=lambda signal: (signal.gap.p if signal.gap else 1.0, by_severity(signal)))


def _counts(finding: Finding) -> tuple[tuple[Group, int, int], ...]:
    return tuple((cell.group, cell.n, cell.events) for cell in finding.by_group)


def strongest_signals(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the signals to carry everywhere."""
    return tuple(signals_of(findings)[:MOST_SIGNALS])


def by_significance(paired: PairedFinding) -> tuple[float, float]:
    """Sort key: small adjusted p first, then large differences."""
    return (paired.p_adjusted, -abs(paired.difference or 0.0))
