"""The gates of a run: resolved before any work, decided on the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from audit.gates.decide import decide, decide_mean
from audit.gates.direction import warn_if_turned
from audit.gates.lock import gate_under_lock
from audit.gates.parse import GateQuestion, ResolvedGate, parse, require_group, resolve_gate
from audit.results import Results
from audit.types import Group


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
            warn_if_turned(resolved_gate.gate, resolved_gate)
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
