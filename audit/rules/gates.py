"""Decides the gates of a run, or of a comparison, again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from audit.api.lookup import found_questions, locked_questions
from audit.errors import UsageError
from audit.gates.changes import decide_changes
from audit.gates.gate_set import GateSet
from audit.gates.parse import CHANGE_SUBJECTS, SUBJECTS, GateQuestion, ResolvedGate, Subject, parse, resolve_gate, same_group
from audit.records.comparison import Comparisons
from audit.records.plan_lock import PlanLock
from audit.results import Results
from audit.types import Group

Recorded = Sequence[Mapping[str, Any]]
"""Gates as their file has them."""


def with_gates(results: Results, gates: Recorded, lock: PlanLock | None) -> Results:
    """The results with their gates decided; raises UsageError for a gate on no question."""
    questions = _known(found_questions(results), () if lock is None else locked_questions(lock))
    groups = [rate.group for audit in results.audits for finding in audit.findings for rate in finding.by_group]
    return GateSet(tuple(_resolved(gate, questions, groups, SUBJECTS) for gate in gates)).decide(results)


def with_change_gates(facts: Comparisons, gates: Recorded, sides: Sequence[Results]) -> Comparisons:
    """A comparison with its gates decided; `sides` are the audits that it compares."""
    questions = _known([question for side in sides for question in found_questions(side)])
    groups = [cell.before.group for one in facts.comparisons for change in one.changes for cell in change.by_group]
    resolved = [_resolved(gate, questions, groups, CHANGE_SUBJECTS) for gate in gates]
    return replace(facts, gates=tuple(decide_changes(gate, facts) for gate in resolved))


def _known(found: Sequence[GateQuestion], locked: Sequence[GateQuestion] = ()) -> list[GateQuestion]:
    """The questions that a gate may name, each once. All were planned when the gate was read, if it needs that."""
    every = {question.id: replace(question, primary=True) for question in (*locked, *found)}
    return list(every.values())


def _resolved(
    gate: Mapping[str, Any], known: Sequence[GateQuestion], groups: Collection[Group], subjects: Sequence[Subject]
) -> ResolvedGate:  # fmt: skip
    """A gate with its question: by its name, or else that of its checks, since some names are known only before a run."""
    parsed = parse(gate["expression"], subjects)
    try:
        return resolve_gate(parsed, known, "change" if subjects is CHANGE_SUBJECTS else "gap")
    except UsageError:
        named = {check["finding"] for check in gate["checks"]}
        if parsed.name is None or len(named) != 1 or None in named:
            raise
        [finding] = named
        question = next((question for question in known if question.id == finding), GateQuestion(finding, (), ()))
        parts = parsed.name.split(" for ")
        written = [" for ".join(parts[at:]) for at in range(1, len(parts))]
        group = next((name for name in written if any(same_group(name, group) for group in groups)), None)
        return ResolvedGate(parsed, question.id, question.attributes, group, question.better)
