"""Gates on what changed between models: ``change[gender.accuracy by race] > 0.02`` is breached if the gap demonstrably grew by more.

Outcomes are those of `audit.gates.decide`. The change of a gap, or of a group's rate, is after minus before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from audit.gates.decide import outcome_of, verdict_outcome
from audit.gates.parse import (
    CHANGE_SUBJECTS,
    COMPARE,
    Gate,
    GateQuestion,
    ResolvedGate,
    parse,
    require_group,
    resolve_gate,
    same_group,
    warn_of_mistakes,
)
from audit.naming import levels_of
from audit.records.base import Estimate
from audit.records.comparison import Change, Comparison, Comparisons, RateChange
from audit.records.gates import GateCheck, GateOutcome, GateResult
from audit.statistics.bounds import stretched
from audit.types import Note, Settings

ANY_GROUP = "any group"
"""``change[gender.accuracy by race for any group] < -0.02``: breached if any group's rate fell."""


@dataclass(frozen=True)
class ChangeGates:
    """The gates of one comparison."""

    gates: tuple[Gate, ...]

    @classmethod
    def of(cls, expressions: Sequence[str], planned: Sequence[GateQuestion]) -> ChangeGates:
        """Parse gates; raises UsageError if one is invalid, or names none of the planned questions."""
        gates = tuple(parse(expression, CHANGE_SUBJECTS) for expression in expressions)
        for gate in gates:
            warn_of_mistakes(gate, resolve_gate(gate, planned, "change"))
        return cls(gates)

    def decide(self, facts: Comparisons, questions: Sequence[GateQuestion]) -> Comparisons:
        """Decide every gate of the comparison; `questions` are its own, including those that cannot be paired."""
        return replace(facts, gates=tuple(decide_changes(resolve_gate(gate, questions, "change"), facts) for gate in self.gates))


def decide_changes(resolved: ResolvedGate, facts: Comparisons) -> GateResult:
    """Check a gate on every comparison that has its question."""
    if resolved.group is not None and not same_group(resolved.group, (ANY_GROUP,)):
        every = [change for comparison in facts.comparisons for change in comparison.changes if change.id == resolved.finding]
        require_group(resolved, levels_of(resolved.attributes, [cell.before.group for change in every for cell in change.by_group]))
    pairs = [(comparison, change) for comparison in facts.comparisons for change in comparison.changes if _is_asked(resolved, change)]
    checks = [_Put(resolved, comparison, change, facts.settings, len(pairs)).check() for comparison, change in pairs]
    if resolved.gate.subject == "verdict" and resolved.finding is None:
        checks = [_verdict_check(resolved, comparison, None) for comparison in facts.comparisons]
    elif not checks:
        checks = [check for comparison in facts.comparisons for check in _without_change(resolved, comparison)]
    return GateResult(resolved.gate.expression, outcome_of(checks), tuple(checks))


def _is_asked(resolved: ResolvedGate, change: Change) -> bool:
    return change.primary if resolved.finding is None else change.id == resolved.finding


def _without_change(resolved: ResolvedGate, comparison: Comparison) -> list[GateCheck]:
    """The checks for a gate that cannot be decided, with the reason why its question was not paired."""
    why = [note for note in comparison.not_compared if note.values.get("finding") == resolved.finding]
    reasons = tuple(why) or (Note("not_asked" if resolved.finding else "no_primary"),)
    return [GateCheck(comparison.after, comparison.probe, resolved.finding, "not estimable", reasons, limited=comparison.limited)]


def _verdict_check(resolved: ResolvedGate, comparison: Comparison, change: Change | None) -> GateCheck:
    verdict = comparison.verdict if change is None else change.verdict
    outcome = verdict_outcome(resolved.gate, verdict, limited=comparison.limited)
    finding = None if change is None else change.id
    reasons = (Note("verdict_on_change", {"verdict": verdict}),)
    return GateCheck(comparison.after, comparison.probe, finding, outcome, reasons, limited=comparison.limited)


@dataclass(frozen=True)
class _Put:
    """A gate applied to one change."""

    resolved: ResolvedGate
    comparison: Comparison
    change: Change
    settings: Settings
    family: int
    """Number of changes of which one breach is enough."""

    @property
    def compared(self) -> list[RateChange]:
        """The groups that can be compared, among those that the gate is about."""
        wanted = self.resolved.group
        every = wanted is None or same_group(wanted, (ANY_GROUP,))
        return [
            cell for cell in self.change.by_group if cell.before.status == "ok" and (every or same_group(wanted or "", cell.before.group))
        ]

    def check(self) -> GateCheck:
        """The outcome of the gate."""
        if self.resolved.gate.subject == "verdict":
            return _verdict_check(self.resolved, self.comparison, self.change)
        key = (self.comparison.after, self.comparison.probe, self.change.id)
        if without := self._without_answer():
            return GateCheck(*key, "not estimable", (without,), limited=self.comparison.limited)
        bounds = self._of_gap() if self.resolved.group is None else self._of_rates()
        if bounds is None:
            groups = 2 if self.resolved.group is None else 1
            why = Note("too_few_groups", {"groups": groups, "images": max(self.settings.min_group_size, 2)})
            return GateCheck(*key, "not estimable", (why, *self._not_compared()), limited=self.comparison.limited)
        beyond, within = (all(self._holds(end) is wanted for end in (bounds.low, bounds.high)) for wanted in (True, False))
        blocked = beyond and not self._holds(0.0) and not self._is_significant()  # a breach that no change at all would cause needs no test
        settled: GateOutcome = "breached" if beyond else "held" if within else "inconclusive"
        outcome: GateOutcome = "inconclusive" if self.comparison.limited or blocked else settled
        reasons = (self._measured(bounds, "blocked" if blocked else outcome), *self._not_compared())
        images = sum(cell.before.n for cell in self.compared)
        if self._may_change(outcome):
            outcome, reasons = "inconclusive", (*reasons, Note("uncovered"))
        return GateCheck(*key, outcome, reasons, bounds.value, bounds.low, bounds.high, images, limited=self.comparison.limited)

    def _without_answer(self) -> Note | None:
        """Which side has no gap, for example because its model always says the same: compared with it, a gap would only seem to shrink."""
        verdicts = {self.comparison.before: self.change.verdict_before, self.comparison.after: self.change.verdict_after}
        names = tuple(name for name, verdict in verdicts.items() if verdict == "not estimable")
        return Note("side_not_estimable", {"names": names}) if names and self.resolved.group is None else None

    def _may_change(self, outcome: GateOutcome) -> bool:
        """Whether missing true answers leave a gate on the gap undecided: it is breached, or holds, only if it does in any case."""
        gap, missing = self.change.gap, self.change.missing_truth
        if self.resolved.group is not None or gap is None or missing is None or missing.filled is None or self.comparison.same_model:
            return False
        sign, filled = 1 if gap.difference >= 0 else -1, missing.filled
        turned = any(pair.reversed for pair in self.change.pairs)
        ends = (-filled.reach, filled.reach) if turned else (sign * filled.low, sign * filled.reach)
        return outcome in ("breached", "held") and {self._holds(end) for end in ends} != {outcome == "breached"}

    def _holds(self, number: float) -> bool:
        return COMPARE[self.resolved.gate.operator](number, self.resolved.gate.limit)

    def _is_significant(self) -> bool:
        """Whether the test of the change of the gap rejects; for a group, the interval corresponds to the test."""
        gap = self.change.gap
        if self.resolved.group is not None or gap is None:
            return True
        # As in an audit: naming an exploratory question in a gate makes it a planned one.
        return (gap.p_adjusted if self.change.primary else gap.p) <= self.settings.alpha

    def _of_gap(self) -> Estimate | None:
        gap = self.change.gap
        return None if gap is None else self._corrected(Estimate(gap.difference, gap.low, gap.high))

    def _of_rates(self) -> Estimate | None:
        """The largest (or, for a gate on a decrease, the lowest) change of the groups' rates, with an interval over all of them."""
        one = len(self.compared) == 1
        ends = [
            (cell.difference, cell.low if one else cell.low_adjusted, cell.high if one else cell.high_adjusted) for cell in self.compared
        ]
        known = [(value, low, high) for value, low, high in ends if value is not None and low is not None and high is not None]
        if not known:
            return None
        end: Callable[[list[float]], float] = max if self.resolved.gate.operator[0] == ">" else min
        value, low, high = (end(list(values)) for values in zip(*known, strict=True))
        return self._corrected(Estimate(value, low, high))

    def _corrected(self, estimate: Estimate) -> Estimate:
        """Widen the side that may show a breach, since one of several is enough; for held gates each is judged by itself."""
        if self.comparison.same_model:  # identical answers give no information about sampling error
            return Estimate(0.0, 0.0, 0.0)
        alpha = self.settings.alpha
        low, high = (stretched(estimate.value, end, alpha, alpha / self.family) for end in (estimate.low, estimate.high))
        return (
            Estimate(estimate.value, low, estimate.high)
            if self.resolved.gate.operator[0] == ">"
            else Estimate(estimate.value, estimate.low, high)
        )

    def _measured(self, bounds: Estimate, ended: str) -> Note:
        gate, one = self.resolved.gate, {}
        if self.resolved.group is not None and len(self.compared) == 1:
            one = {"group": " × ".join(self.compared[0].before.group)}
        return Note("bounded_change", {
            "subject": "gap" if self.resolved.group is None else "rate", "operator": gate.operator, "limit": gate.limit,
            "groups": len(self.compared), "value": bounds.value, "low": bounds.low, "high": bounds.high, "ended": ended, **one,
        })  # fmt: skip

    def _not_compared(self) -> tuple[Note, ...]:
        others = [cell.before for cell in self.change.by_group if cell.before.status != "ok"]
        groups, n = (" × ".join(rate.group) for rate in others), (rate.n for rate in others)
        return (Note("not_compared", {"groups": tuple(groups), "n": tuple(n)}),) if others else ()
