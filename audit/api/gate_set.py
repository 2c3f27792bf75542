"""Gates around a run: resolved before any work where the questions are known beforehand, decided on the results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.gates.decide import decide
from audit.gates.parse import Gate, GateQuestion, ResolvedGate, parse, question, require_group, resolve_gate
from audit.naming import finding_id
from audit.output.directory import write_text
from audit.types import Measurement
from reports.exports.junit import junit_xml
from reports.text.phrases import attributes
from reports.text.sentences import subject_of, title

if TYPE_CHECKING:
    from audit.records.results import AuditResult, Results
    from audit.types import Dataset


@dataclass(frozen=True)
class GateSet:
    """The gates of one run."""

    gates: tuple[Gate, ...]
    resolved: tuple[ResolvedGate, ...] | None
    """None where the questions are known only from what is found."""

    @classmethod
    def of(cls, expressions: Sequence[str], measurements: Iterable[Measurement] | None) -> GateSet:
        """Read the gates of a run.

        Raises
        ------
        UsageError
            If one cannot be read, or names nothing that these measurements ask.
        """
        gates = tuple(map(parse, expressions))
        known = None if measurements is None else questions(measurements)
        return cls(gates, None if known is None else tuple(resolve_gate(gate, known) for gate in gates))

    def check(self, dataset: Dataset) -> None:
        """Refuse a group that the data do not have, before anything is embedded."""
        for each in self.resolved or ():
            if set(each.attributes) <= set(dataset.levels):
                require_group(each, dataset.levels)

    def decide(self, results: Results) -> Results:
        """Return the results with every gate decided."""
        resolved = self.resolved
        if resolved is None:
            known = [question(finding, title(finding, audit)) for audit in results.audits for finding in audit.findings]
            resolved = tuple(resolve_gate(gate, known) for gate in self.gates)
            for each in resolved:
                require_group(each, _levels(results.audits, each))
        return replace(results, gates=tuple(decide(each, results.audits, results.settings) for each in resolved))


def write_junit(path: Path, results: Results, *, require_conclusive: bool) -> None:
    """Write the gates as JUnit XML."""
    write_text(path, junit_xml(results, require_conclusive=require_conclusive))


@dataclass(frozen=True)
class _Planned:
    """A claim that will become a finding."""

    id: str
    measurement: str
    metric: str
    outcome: str | None
    attributes: tuple[str, ...]


def questions(measurements: Iterable[Measurement]) -> tuple[GateQuestion, ...]:
    """Return every question that these measurements ask, under the names of the findings that they will become."""
    found = []
    for measurement in measurements:
        for claim in measurement.claims:
            planned = _Planned(finding_id(measurement.name, claim), measurement.name, claim.metric, claim.outcome, claim.by)
            found.append(question(planned, f"{subject_of(planned, measurement.truth)} by {attributes(claim.by)}"))
    return tuple(found)


def _levels(audits: Iterable[AuditResult], gate: ResolvedGate) -> dict[str, tuple[str, ...]]:
    """Return the levels of the attributes of a finding, as found."""
    groups = [rate.group for audit in audits for finding in audit.findings if finding.id == gate.finding for rate in finding.by_group]
    return {attribute: tuple(dict.fromkeys(group[place] for group in groups)) for place, attribute in enumerate(gate.attributes)}
