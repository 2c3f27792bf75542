"""Gates around a run: resolved before any work where the questions are known beforehand, decided on the results."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.gates.decide import decide
from audit.gates.parse import FLAG, Gate, GateQuestion, ResolvedGate, parse, require_group, resolve_gate, turned
from audit.naming import levels_of
from audit.records.results import Results
from audit.types import Dataset

LOG = logging.getLogger("audit")


@dataclass(frozen=True)
class GateSet:
    """The gates of one run."""

    gates: tuple[Gate, ...]
    resolved: tuple[ResolvedGate, ...] | None
    """None where the questions are known only from what is found."""

    @classmethod
    def of(cls, expressions: Sequence[str], known: Sequence[GateQuestion] | None) -> GateSet:
        """Read the gates of a run; UsageError if one cannot be read, or names none of the known questions."""
        gates = tuple(map(parse, expressions))
        for gate in gates:
            warn_if_turned(gate)
        return cls(gates, None if known is None else tuple(resolve_gate(gate, known) for gate in gates))

    def check(self, dataset: Dataset) -> None:
        """Refuse a group that the data do not have, before anything is embedded."""
        for each in self.resolved or ():
            if set(each.attributes) <= set(dataset.levels):
                require_group(each, dataset.levels)

    def decide(self, results: Results, found: Sequence[GateQuestion]) -> Results:
        """Return the results with every gate decided; `found` are their questions."""
        resolved = self.resolved
        if resolved is None:
            resolved = tuple(resolve_gate(gate, found) for gate in self.gates)
            for each in resolved:
                every = [finding for audit in results.audits for finding in audit.findings if finding.id == each.finding]
                require_group(each, levels_of(each.attributes, [rate.group for finding in every for rate in finding.by_group]))
        return replace(results, gates=tuple(decide(each, results.audits, results.settings) for each in resolved))


def warn_if_turned(gate: Gate, *, of_group: bool = False) -> None:
    """Warn of a gate that fails what is better: it stands as it was written."""
    if other := turned(gate, of_group=of_group):
        LOG.warning("%s %r fails where this holds, and holds what is worse; did you mean %r?", FLAG, gate.expression, other)
