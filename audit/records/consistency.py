"""Whether facts fit together: what the schema cannot say of a `results.json` that somebody cut, merged or wrote by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audit.records.results import AuditResult, Finding, Results


def inconsistency(results: Results) -> str | None:
    """Return the first thing that does not fit, in words; None where everything does."""
    return next(_misfits(results), None)


def _misfits(results: Results) -> Iterator[str]:
    if not 0 < results.settings.alpha < 1:
        yield f"alpha is {results.settings.alpha:g}, expected an error rate between 0 and 1"
    for audit in results.audits:
        for finding in audit.findings:
            yield from _of_finding(finding, audit)


def _of_finding(finding: Finding, audit: AuditResult) -> Iterator[str]:
    record = next((each for each in audit.measurements if each.name == finding.measurement), None)
    if record is None:
        yield f"{finding.id} is about a measurement that is not there"
    elif finding.outcome is not None and finding.outcome not in record.outcomes:
        yield f"{finding.id} is about an outcome that its measurement does not have"
    if not finding.attributes or not set(finding.attributes) <= set(audit.data.groups):
        yield f"{finding.id} is by an attribute that the data do not have"
    if any(len(rate.group) != len(finding.attributes) for rate in finding.by_group):
        yield f"{finding.id} has a group of another number of attributes"
