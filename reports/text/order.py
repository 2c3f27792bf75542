"""Sort orders of findings, signals and pairs."""

from __future__ import annotations

from collections.abc import Sequence

from audit.records.finding import PairedFinding, Rate
from audit.results import Finding
from audit.statistics.severity import by_severity, worst_first
from audit.types import Group
from reports.text.phrases import leading_groups, rate_of

MOST_SIGNALS = 3
"""How many signals the first screen, the summary and the terminal show."""


def planned(findings: Sequence[Finding]) -> list[Finding]:
    """Return the planned questions, worst first."""
    return worst_first(finding for finding in findings if finding.primary)


def reversed_at_equal(finding: Finding) -> bool:
    """Whether adjusting for other attributes reverses the sign of the most significant difference."""
    adjustment = finding.evidence.adjustment
    return adjustment is not None and any(pair.shift == "reversed" for pair in adjustment.pairs)


def leading(findings: Sequence[Finding], most: int) -> list[Finding]:
    """Return the first `most` findings, and those of the rest that another attribute reverses: their verdict alone would mislead."""
    return [finding for rank, finding in enumerate(findings) if rank < most or reversed_at_equal(finding)]


def signals_of(findings: Sequence[Finding]) -> list[Finding]:
    """Return the signals, smallest p first, without those that repeat the counts of a planned question under another name.

    If all true answers are the same, for example, the share given that answer is the accuracy.
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
    """Return the signals that page, summary and terminal show: no rate of a disparity among the planned questions again."""
    disparities = [finding for finding in findings if finding.primary and finding.verdict == "disparity"]
    fresh = [signal for signal in signals_of(findings) if not any(_repeats(signal, disparity) for disparity in disparities)]
    return tuple(fresh[:MOST_SIGNALS])


def _repeats(signal: Finding, planned: Finding) -> bool:
    """Whether the affected group of a signal has the images and errors of that of a planned question.

    The accuracy of men in a group, for example, is how often ‘man’ is recognised in it.
    """
    if signal.diffuse or planned.diffuse:
        return False
    (own, named), (other, within) = (_worse(finding) for finding in (signal, planned))
    return within.items() <= named.items() and own.n == other.n and other.events in (own.events, own.n - own.events)


def _worse(finding: Finding) -> tuple[Rate, dict[str, str]]:
    """Return the affected group's rate, and its level of each attribute."""
    group = leading_groups(finding)[0]
    return rate_of(finding, group), dict(zip(finding.attributes, group, strict=True))


def by_significance(paired: PairedFinding) -> tuple[float, float]:
    """Sort key: smallest adjusted p first, then largest difference."""
    return (paired.p_adjusted, -abs(paired.difference or 0.0))
