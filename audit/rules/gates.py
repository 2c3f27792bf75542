"""Decides the gates of a run, or of a comparison, again."""

from __future__ import annotations

from collections.abc import Sequence

from audit.api.lookup import found_questions, locked_questions
from audit.gates.changes import ChangeGates
from audit.gates.gate_set import GateSet
from audit.gates.parse import CHANGE_SUBJECTS, parse, resolve_gate
from audit.records.comparison import Comparisons
from audit.records.plan_lock import PlanLock
from audit.results import Results


def with_gates(results: Results, expressions: Sequence[str], lock: PlanLock | None) -> Results:
    """The results with their gates decided; raises UsageError for a gate on no question of the results, nor of the lock."""
    questions = found_questions(results)
    known = {question.id for question in questions}
    questions += () if lock is None else tuple(question for question in locked_questions(lock) if question.id not in known)
    return GateSet(tuple(resolve_gate(parse(expression), questions) for expression in expressions)).decide(results)


def with_change_gates(facts: Comparisons, expressions: Sequence[str], sides: Sequence[Results]) -> Comparisons:
    """A comparison with its gates decided; `sides` are the audits that it compares."""
    questions = tuple(dict.fromkeys(question for side in sides for question in found_questions(side)))
    return ChangeGates(tuple(parse(expression, CHANGE_SUBJECTS) for expression in expressions)).decide(facts, questions)
