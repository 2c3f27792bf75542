"""The gates of a run: resolved before any work if the questions are known beforehand, decided on the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.gates.decide import decide, decide_mean
from audit.gates.direction import warn_if_turned
from audit.gates.parse import Gate, GateQuestion, ResolvedGate, parse, require_group, resolve_gate
from audit.naming import levels_of
from audit.results import Results
from audit.types import Dataset


@dataclass(frozen=True)
class GateSet:
    """The gates of one run."""

    gates: tuple[Gate, ...]
    resolved: tuple[ResolvedGate, ...] | None
    """None if the questions are known only from the results."""

    @classmethod
    def of(cls, expressions: Sequence[str], known: Sequence[GateQuestion] | None) -> GateSet:
        """Parse the gates of a run; raises UsageError if one is invalid, or names none of the known questions."""
        gates = tuple(map(parse, expressions))
        resolved = None if known is None else tuple(resolve_gate(gate, known) for gate in gates)
        for gate, resolved_gate in zip(gates, resolved or [None] * len(gates), strict=True):
            warn_if_turned(gate, resolved_gate)
        return cls(gates, resolved)

    def check(self, dataset: Dataset) -> None:
        """Raise UsageError for a group that the data do not have, before anything is embedded."""
        for resolved_gate in self.resolved or ():
            if set(resolved_gate.attributes) <= set(dataset.levels):
                require_group(resolved_gate, dataset.levels)

    def decide(self, results: Results, questions: Sequence[GateQuestion]) -> Results:
        """Decide every gate on the results; `questions` are those of the run's audits."""
        resolved = self.resolved
        if resolved is None:
            resolved = tuple(resolve_gate(gate, questions) for gate in self.gates)
            for resolved_gate in resolved:
                if resolved_gate.gate.subject == "rate":  # for others the direction was known before
                    warn_if_turned(resolved_gate.gate, resolved_gate)
                every = [finding for audit in results.audits for finding in audit.findings if finding.id == resolved_gate.finding]
                require_group(
                    resolved_gate, levels_of(resolved_gate.attributes, [rate.group for finding in every for rate in finding.by_group])
                )
        return replace(
            results,
            gates=tuple(
                decide_mean(resolved_gate, results)
                if resolved_gate.gate.subject == "gap_mean"
                else decide(resolved_gate, results.audits, results.settings)
                for resolved_gate in resolved
            ),
        )
