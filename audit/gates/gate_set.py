"""The gates of a run: resolved before any work, decided on the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from audit.gates.decide import decide, decide_mean, outcome_of
from audit.gates.parse import GateQuestion, ResolvedGate, parse, require_group, resolve_gate, warn_of_mistakes
from audit.records.gates import REPLICATES, GateCheck, GateResult
from audit.results import AuditResult, Results
from audit.types import Group, Note

# Gates of a run under a plan lock: what deviates from the lock decides none.


def gate_under_lock(gate: GateResult, resolved: ResolvedGate, results: Results) -> GateResult:
    """The result of a gate under the lock of its run: inconclusive for a question that deviates, and for a gate that was not locked."""
    if results.lock is None:
        return gate
    locked = gate.expression not in results.lock.gates
    checks = [_decided(check, _audits_of(check, results), locked=locked) for check in gate.checks]
    checks += [check for audit in results.audits for check in _left_out(gate, resolved, audit)]
    return replace(gate, outcome=outcome_of(checks), checks=tuple(checks))


def _audits_of(check: GateCheck, results: Results) -> list[AuditResult]:
    """The audits that a check is about: one, or all replicates."""
    return [audit for audit in results.audits if audit.probe.name == check.probe and check.model in (audit.model.name, REPLICATES)]


def _decided(check: GateCheck, audits: list[AuditResult], *, locked: bool) -> GateCheck:
    deviating = [claim for audit in audits if audit.lock for claim in (*audit.lock.exploratory, *audit.lock.not_asked)]
    if not locked:
        reason = Note("gate_not_locked")
    elif check.finding in deviating:
        reason = Note("deviates_from_lock")
    elif check.finding is None and deviating and check.outcome != "breached":
        several = Note("several_deviate_from_lock", {"questions": len(deviating)})
        reason = several if len(deviating) > 1 else Note("deviates_from_lock")
    else:
        return check
    return replace(check, outcome="inconclusive", reasons=(reason, *check.reasons), deviates=True, images_needed=None)


def _left_out(gate: GateResult, resolved: ResolvedGate, audit: AuditResult) -> Iterator[GateCheck]:
    """A check for every locked question that a gate on all planned ones leaves out, because it is exploratory now or was not asked."""
    if resolved.finding is not None or (resolved.gate.subject == "verdict") or audit.lock is None:
        return
    for claim in (*audit.lock.exploratory, *audit.lock.not_asked):
        if all((check.model, check.finding) != (audit.model.name, claim) for check in gate.checks):
            reasons = (Note("deviates_from_lock"),)
            yield GateCheck(audit.model.name, audit.probe.name, claim, "inconclusive", reasons, limited=audit.data.limited, deviates=True)


@dataclass(frozen=True)
class GateSet:
    """The gates of one run."""

    resolved: tuple[ResolvedGate, ...] = ()

    @classmethod
    def of(cls, expressions: Sequence[str], known: Sequence[GateQuestion], locked: Sequence[GateQuestion] = ()) -> GateSet:
        """Parse the gates of a run; raises UsageError if one is invalid, or names none of the known questions.

        `locked` are the questions of a plan lock: a gate on one that the run leaves out is not estimable.
        """
        asked = {question.id for question in known}
        known = (*known, *(question for question in locked if question.id not in asked))
        resolved = tuple(resolve_gate(parse(expression), known) for expression in expressions)
        for resolved_gate in resolved:
            warn_of_mistakes(resolved_gate.gate, resolved_gate)
        return cls(resolved)

    def check(self, levels: Mapping[str, Group]) -> None:
        """Raise UsageError for a group that the data do not have, before anything is embedded."""
        for resolved_gate in self.resolved:
            if set(resolved_gate.attributes) <= set(levels):
                require_group(resolved_gate, levels)

    def decide(self, results: Results) -> Results:
        """Decide every gate on the results."""
        gates = [
            decide_mean(resolved_gate, results)
            if resolved_gate.gate.subject == "gap_mean"
            else decide(resolved_gate, results.audits, results.settings)
            for resolved_gate in self.resolved
        ]
        return replace(results, gates=tuple(gate_under_lock(*decided, results) for decided in zip(gates, self.resolved, strict=True)))
