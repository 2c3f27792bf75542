"""Gates of a run under a plan lock: what deviates from the lock decides none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from audit.gates.decide import outcome_of
from audit.gates.parse import ResolvedGate
from audit.records.gates import REPLICATES, GateCheck, GateResult
from audit.results import AuditResult, Results
from audit.types import Note


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
