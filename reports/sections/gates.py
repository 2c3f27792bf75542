"""Gates in words: how each ended, which finding decided it, and why. Formats only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.records.gates import GateCheck, GateOutcome, GateResult
from audit.records.results import AuditResult, Results, Verdict
from reports.text.gates import check_reason
from reports.text.numbers import in_words
from reports.text.sentences import title

WORDS: Mapping[GateOutcome, str] = {"breached": "Breached", "held": "Held", "inconclusive": "Inconclusive"}
LOOKS_LIKE: Mapping[GateOutcome, Verdict] = {"breached": "disparity", "held": "equivalent", "inconclusive": "inconclusive"}
"""The verdict whose icon and colour an outcome has."""
_ORDER: Sequence[GateOutcome] = ("breached", "inconclusive", "held")


@dataclass(frozen=True)
class GateRow:
    """A gate put to one audit, in texts."""

    expression: str
    outcome: GateOutcome
    word: str
    looks: str
    why: str


def gate_rows(results: Results, audit: AuditResult) -> tuple[GateRow, ...]:
    """Return the gates that were put to an audit, each with the check that decided it."""
    rows = []
    for gate in results.gates:
        own = [check for check in gate.checks if (check.model, check.probe) == (audit.model.name, audit.probe.name)]
        if own:
            rows.append(_row(gate, own, audit, results))
    return tuple(rows)


def _row(gate: GateResult, checks: Sequence[GateCheck], audit: AuditResult, results: Results) -> GateRow:
    decisive = min(checks, key=lambda check: _ORDER.index(check.outcome))
    why = check_reason(decisive, results)
    if len(checks) > 1:
        counted = ", ".join(f"{n} {outcome}" for outcome in _ORDER if (n := sum(check.outcome == outcome for check in checks)))
        why = f"{_titled(decisive, audit)}: {why} Of {in_words(len(checks), 'question')}: {counted}."
    return GateRow(gate.expression, decisive.outcome, WORDS[decisive.outcome], LOOKS_LIKE[decisive.outcome], why)


def _titled(check: GateCheck, audit: AuditResult) -> str:
    return next((title(finding, audit) for finding in audit.findings if finding.id == check.finding), "The audit")


def gates_sentence(results: Results) -> str:
    """Return how many gates ended in which way."""
    return _counted([gate.outcome for gate in results.gates])


def rows_sentence(rows: Sequence[GateRow]) -> str:
    """Return how many of the gates that were put to one audit ended in which way."""
    return _counted([row.outcome for row in rows])


def _counted(outcomes: Sequence[GateOutcome]) -> str:
    parts = [f"{n} {outcome}" for outcome in _ORDER if (n := outcomes.count(outcome))]
    return f"{in_words(len(outcomes), 'gate')}: {', '.join(parts)}."
