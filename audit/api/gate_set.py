"""Gates around a run: read and aimed before any work where the questions are known beforehand, decided on the results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audit.errors import UsageError
from audit.gates.junit import junit_xml
from audit.gates.parse import FLAG, Gate, GateQuestion, ResolvedGate, parse, question, require_group, resolve_gate
from audit.output.directory import write_text
from audit.types import Measurement, finding_id
from reports.text.phrases import attributes
from reports.text.sentences import subject_of, title

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from audit.records.results import AuditResult, Results
    from audit.types import Dataset


@dataclass(frozen=True)
class GateSet:
    """The gates of one command."""

    gates: tuple[Gate, ...]
    aimed: tuple[ResolvedGate, ...] | None
    """None where the questions are known only from what is found."""
    junit: Path | None = None
    require_conclusive: bool = False

    def check(self, dataset: Dataset) -> None:
        """Refuse a group that the data do not have, before anything is embedded."""
        for each in self.aimed or ():
            if set(each.attributes) <= set(dataset.levels):
                require_group(each, dataset.levels)

    def settle(self, results: Results) -> Results:
        """Return the results with every gate decided."""
        from audit.gates.decide import decide

        aimed = self.aimed
        if aimed is None:
            known = [question(finding, title(finding, audit)) for audit in results.audits for finding in audit.findings]
            aimed = tuple(resolve_gate(gate, known) for gate in self.gates)
            for each in aimed:
                require_group(each, _levels(results.audits, each))
        return replace(results, gates=tuple(decide(each, results.audits, results.settings) for each in aimed))

    def leave(self, results: Results) -> int:
        """Write the JUnit file if one is wanted, and return the exit code: 1 only if the results say so."""
        from audit.gates.decide import is_breach

        if self.junit is not None:
            write_text(self.junit, junit_xml(results, require_conclusive=self.require_conclusive))
        return 1 if is_breach(results.gates, require_conclusive=self.require_conclusive) else 0


def gate_set(arguments: argparse.Namespace, measurements: Iterable[Measurement] | None) -> GateSet:
    """Read the gates of a command.

    Raises
    ------
    UsageError
        If one is no gate, or names nothing that these measurements ask; if there is none to require or to write about.
    """
    if (arguments.junit or arguments.require_conclusive) and not arguments.fail_on:
        raise UsageError("there is no gate", where="--junit, --require-conclusive", fix=f"{FLAG} 'gap > 0.05'")
    if arguments.junit and not arguments.junit.parent.is_dir():
        raise UsageError(f"no folder {str(arguments.junit.parent)!r} for --junit", fix="make it, or name another file")
    if arguments.junit and arguments.junit.is_dir():
        raise UsageError(f"--junit {str(arguments.junit)!r} is a folder", fix="name a file")
    gates = tuple(map(parse, arguments.fail_on or ()))
    known = None if measurements is None else questions(measurements)
    aimed = None if known is None else tuple(resolve_gate(gate, known) for gate in gates)
    return GateSet(gates, aimed, arguments.junit, arguments.require_conclusive)


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


def _levels(audits: Iterable[AuditResult], aimed: ResolvedGate) -> dict[str, tuple[str, ...]]:
    """Return the levels of the attributes of a finding, as found."""
    groups = [rate.group for audit in audits for finding in audit.findings if finding.id == aimed.finding for rate in finding.by_group]
    return {attribute: tuple(dict.fromkeys(group[place] for group in groups)) for place, attribute in enumerate(aimed.attributes)}
