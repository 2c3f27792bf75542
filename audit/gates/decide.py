"""Decides gates on the interval's bound: breached, held, inconclusive or not estimable. For their syntax see `audit.gates.parse`.

A gate states what must not be: ``gap[...] > 0.05``. It is *breached* if that is shown, *held* if the opposite is shown for every group
that is compared, *not estimable* if its question has no answer, and otherwise *inconclusive*. Which outcomes fail a build is defined in
`audit.records.gates.GatePolicy`. A limited run settles no gate, and does not pass any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.gates.parse import COMPARE, Gate, ResolvedGate, same_group
from audit.records.base import Estimate, FindingVerdict
from audit.records.effect import Effect, EffectResult
from audit.records.finding import Rate
from audit.records.gates import REPLICATES, GateCheck, GateOutcome, GateResult
from audit.records.replicates import ReplicatedGap
from audit.results import AuditResult, Finding, Results
from audit.statistics.bounds import MOST_IMAGES, gap_bounds, images_needed, rate_bounds, ratio_bounds, rounded, stretched
from audit.statistics.verdict import truth_filled
from audit.types import Note, Settings

if TYPE_CHECKING:
    from jaxtyping import Int

    from audit.statistics.bounds import Bounded

_WORST_FIRST: Sequence[GateOutcome] = ("breached", "not estimable", "inconclusive", "held")
_MARGIN = 1.01


def decide(resolved: ResolvedGate, audits: Sequence[AuditResult], settings: Settings) -> GateResult:
    """Check a gate on every audit that has its question; `settings.alpha` is the error rate of the bounds.

    The outcome is the worst of its checks: held only if every one is.
    """
    checks = [check for audit in audits for check in _checks(resolved, audit, settings)]
    if not checks:
        code = "not_asked" if resolved.finding else "no_primary"
        checks = [GateCheck(audit.model.name, audit.probe.name, resolved.finding, "not estimable", (Note(code),)) for audit in audits]
    limited = {(audit.model.name, audit.probe.name) for audit in audits if audit.data.limited}
    checks = [replace(check, limited=(check.model, check.probe) in limited) for check in checks]
    return GateResult(resolved.gate.expression, outcome_of(checks), tuple(checks))


def decide_mean(resolved: ResolvedGate, results: Results) -> GateResult:
    """Check a gate on the gaps of the replicates' mean rates: both ends of their intervals over images and replicates decide."""
    checks = []
    for together in results.replicates:
        limited = any(results.audits[audit].data.limited for audit in together.audits)
        gaps = [finding for finding in together.findings if resolved.finding in (None, finding.finding)]
        checks += [_mean_check(resolved.gate, gap, together.probe, family=len(gaps), limited=limited) for gap in gaps]
    checks = checks or [
        GateCheck(REPLICATES, replicate.probe, resolved.finding, "not estimable", (Note("not_asked"),)) for replicate in results.replicates
    ]
    return GateResult(resolved.gate.expression, outcome_of(checks), tuple(checks))


def _mean_check(gate: Gate, gap: ReplicatedGap, probe: str, *, family: int, limited: bool) -> GateCheck:
    key, mean = (REPLICATES, probe, gap.finding), gap.mean
    if mean is None or "not estimable" in gap.verdicts:
        return GateCheck(*key, "not estimable", (Note("mean_not_estimable"),), limited=limited)
    low = mean.low if family == 1 or mean.low_adjusted is None else mean.low_adjusted
    over = {COMPARE[gate.operator](end, gate.limit) for end in (low, mean.high)}
    outcome: GateOutcome = "inconclusive" if limited or len(over) > 1 else "breached" if over == {True} else "held"
    reason = Note("bounded", {
        "subject": gate.subject, "operator": gate.operator, "limit": gate.limit, "replicates": len(gap.gaps),
        "value": mean.value, "low": low, "high": mean.high, "ended": outcome,
    })  # fmt: skip
    return GateCheck(*key, outcome, (reason,), mean.value, low, mean.high, limited=limited)


def outcome_of(checks: Sequence[GateCheck]) -> GateOutcome:
    """The outcome of a gate is the worst of its checks."""
    return min((check.outcome for check in checks), key=_WORST_FIRST.index)


def verdict_outcome(gate: Gate, verdict: FindingVerdict, *, limited: bool) -> GateOutcome:
    """The outcome of a gate on a verdict: breached by the verdict it names; inconclusive for an undecided verdict, or for a sample."""
    if limited:
        return "inconclusive"
    if (verdict == gate.verdict) == (gate.operator == "=="):
        return "breached"
    return verdict if verdict == "inconclusive" or verdict == "not estimable" else "held"


def _checks(resolved: ResolvedGate, audit: AuditResult, settings: Settings) -> list[GateCheck]:
    if resolved.gate.subject == "verdict" and resolved.finding is None:
        return [_verdict_check(resolved, audit, None, audit.verdict, settings)]
    every: tuple[Finding | EffectResult, ...] = (*audit.findings, *audit.effects)
    meant = [finding for finding in every if (finding.primary if resolved.finding is None else finding.id == resolved.finding)]
    if resolved.gate.subject == "verdict":
        return [_verdict_check(resolved, audit, finding.id, finding.verdict, settings) for finding in meant]
    # Only rates have a ratio; a question of another kind is not meant by a gate on every ratio.
    asked = [one for one in meant if isinstance(one, Finding) or resolved.gate.subject == "gap"]
    return [
        _Bound(resolved, audit, one, settings, len(asked)).check()
        if isinstance(one, Finding)
        else effect_check(resolved, audit, one, settings, len(asked))
        for one in asked
    ]


def _verdict_check(
    resolved: ResolvedGate, audit: AuditResult, finding: str | None, verdict: FindingVerdict, settings: Settings
) -> GateCheck:
    outcome = verdict_outcome(resolved.gate, verdict, limited=audit.data.limited)
    every: tuple[Finding | EffectResult, ...] = (*audit.findings, *audit.effects)
    meant = [one for one in every if (one.primary if finding is None else one.id == finding)]
    outside = outcome == "held" and any(_outside(one, one.tolerance, settings) for one in meant)
    reasons = (Note("verdict", {"verdict": verdict}), *([Note("uncovered")] if outside else []))
    return GateCheck(audit.model.name, audit.probe.name, finding, "inconclusive" if outside else outcome, reasons)


def _outside(question: Finding | EffectResult, limit: float, settings: Settings) -> bool:
    """Whether the compared groups alone decide no gate: images that are left out are shown to differ, or a large group cannot be judged."""
    uncovered = question.uncovered if isinstance(question, Finding) else ()
    return any(one.matters(limit) for one in uncovered) or bool(question.unjudged(settings.min_group_size))


@dataclass(frozen=True)
class _Bound:
    """A gate on a number, checked on one finding."""

    resolved: ResolvedGate
    audit: AuditResult
    finding: Finding
    settings: Settings
    family: int
    """Number of findings of which one breach is enough."""

    @property
    def gate(self) -> Gate:
        return self.resolved.gate

    @property
    def rates(self) -> list[Rate]:
        wanted = self.resolved.group
        return [rate for rate in self.finding.by_group if wanted is None or same_group(wanted, rate.group)]

    @property
    def compared(self) -> list[Rate]:
        return [rate for rate in self.rates if rate.status == "ok"]

    @property
    def counts(self) -> tuple[Int[np.ndarray, "g"], Int[np.ndarray, "g"]]:
        """Events and images of each compared group."""
        return np.array([rate.events for rate in self.compared], np.int64), np.array([rate.n for rate in self.compared], np.int64)

    @property
    def outside(self) -> bool:
        """Whether images outside the compared groups leave a gate on all groups undecided."""
        limit = self.gate.limit if self.gate.subject == "gap" else self.finding.tolerance
        return self.resolved.group is None and _outside(self.finding, limit, self.settings)

    @property
    def unfilled(self) -> bool:
        """Whether missing true answers leave a breach by a gap or a ratio undecided: a gap must be beyond the limit in any case."""
        filled, subject = truth_filled(self.finding), self.gate.subject
        kept = filled is None or (subject == "gap" and self.finding.withheld is None and self.holds(filled.low))
        return subject != "rate" and not kept

    def holds(self, number: float) -> bool:
        """Whether this number would breach the gate."""
        return COMPARE[self.gate.operator](number, self.gate.limit)

    @property
    def clustered(self) -> bool:
        """Whether counts do not determine the rates: images come in clusters, have weights, or count at equal true shares."""
        return bool(self.finding.shares) or any(rate.clusters is not None or rate.effective_n is not None for rate in self.compared)

    def check(self) -> GateCheck:
        """The outcome of the gate."""
        key = (self.audit.model.name, self.audit.probe.name, self.finding.id)
        if self.finding.unresponsive == "units":
            return GateCheck(*key, "not estimable", (Note("rows_together"),))
        if self.finding.unresponsive and self.gate.subject != "rate":
            return GateCheck(*key, "not estimable", (Note("unresponsive"),))
        enough = len(self.compared) >= (1 if self.gate.subject == "rate" else 2)
        bounds = None if not enough else self.by_cluster() if self.clustered else self.bounded()(*self.counts)
        if bounds is None:
            return GateCheck(*key, "not estimable", (self.why_not_estimable(), *self.not_compared()))
        blocked = self.blocked(bounds)
        settled: GateOutcome = "breached" if self.beyond(bounds) else "held" if self.within(bounds) else "inconclusive"
        outcome: GateOutcome = "inconclusive" if self.audit.data.limited or blocked else settled
        if self.finding.unresponsive and outcome != "breached":  # for example the rate of a harmful answer that never occurs for any image
            return GateCheck(*key, "not estimable", (Note("unresponsive"), self.measured(bounds, outcome)))
        needed, hints = None, []
        if outcome == "inconclusive" and not self.audit.data.limited and not blocked and truth_filled(self.finding) is None:
            needed, hint = self.would_settle(bounds)
            hints.append(hint)
        reasons = (self.measured(bounds, "blocked" if blocked else outcome), *hints, *self.not_compared())
        if (outcome == "held" and self.outside) or (outcome == "breached" and self.unfilled):
            outcome, reasons = "inconclusive", (*reasons, Note("uncovered"))
        return GateCheck(*key, outcome, reasons, bounds.value, bounds.low, bounds.high, int(self.counts[1].sum()), needed)

    def would_settle(self, bounds: Estimate) -> tuple[int | None, Note]:
        """How many images would settle it, and a note about that."""
        images = int(self.counts[1].sum())
        if not self.clustered:
            needed = images_needed(*self.counts, self.bounded(), lambda estimate: self.beyond(estimate) or self.within(estimate))
            return needed, _needed(needed, images, "images")
        # There is no formula for cluster intervals with more clusters: they narrow with the square root of their number.
        clusters, limit = self.finding.overall.clusters or 0, self.gate.limit
        end = bounds.low if bounds.value > limit else bounds.high
        times = ((end - bounds.value) / (limit - bounds.value)) ** 2 * _MARGIN if bounds.value != limit else np.inf
        if images * times > MOST_IMAGES:
            return None, _needed(None, images, "images")
        if self.finding.overall.clusters is None:
            return rounded(images * times), _needed(rounded(images * times), images, "images")
        return rounded(images * times), _needed(rounded(clusters * times), clusters, "clusters of images")

    def by_cluster(self) -> Estimate | None:
        """The bounds from the finding's own intervals, in which a cluster is one unit."""
        gap, alpha = self.finding.gap, self.settings.alpha
        if self.gate.subject == "gap" and gap is not None and gap.equivalence_bound is not None:
            pairs = len(self.compared) * (len(self.compared) - 1) // 2
            low = stretched(gap.value, gap.low, alpha / pairs, alpha / (pairs * self.family))
            return Estimate(gap.value, max(low, 0.0), gap.equivalence_bound)
        if self.gate.subject == "rate":
            rates = [(rate.value or 0.0, rate.low or 0.0, 1.0 if rate.high is None else rate.high) for rate in self.compared]
            corrected = alpha / (len(rates) * self.family)
            lows = [stretched(value, low, alpha, corrected) for value, low, _ in rates]
            highs = [stretched(value, high, alpha, corrected) for value, _, high in rates]
            end = max if self.gate.operator in (">", ">=") else min
            return Estimate(end(value for value, _, _ in rates), max(end(lows), 0.0), min(end(highs), 1.0))
        return None

    def bounded(self) -> Bounded:
        """The function that bounds the gate's number."""
        alpha, family = self.settings.alpha, self.family
        if self.gate.subject == "gap":
            return lambda events, n: gap_bounds(events, n, alpha, family)
        if self.gate.subject == "ratio":
            return lambda events, n: ratio_bounds(events, n, alpha, family)
        return lambda events, n: rate_bounds(events, n, alpha, "highest" if self.gate.operator in (">", ">=") else "lowest", family)

    def beyond(self, bounds: Estimate) -> bool:
        """Whether all values within the bounds breach the gate."""
        return self.holds(bounds.low) and self.holds(bounds.high)

    def within(self, bounds: Estimate) -> bool:
        """Whether no value within the bounds does."""
        return not self.holds(bounds.low) and not self.holds(bounds.high)

    def blocked(self, bounds: Estimate) -> bool:
        """Whether a gap is beyond the limit although the test of the whole question is not significant: a breach needs both."""
        gap = self.finding.gap
        # Naming an exploratory question in a gate makes it a planned one: its own p counts, not that among all exploratory ones.
        p = None if gap is None else gap.p_adjusted if self.finding.primary else gap.p
        return self.gate.subject == "gap" and self.beyond(bounds) and (p is None or p > self.settings.alpha)

    def measured(self, bounds: Estimate, ended: str) -> Note:
        """A note about the bounded number, the number of groups, and its relation to the limit."""
        one = {"group": " × ".join(self.compared[0].group)} if self.resolved.group is not None else {}
        return Note("bounded", {
            "subject": self.gate.subject, "operator": self.gate.operator, "limit": self.gate.limit, "groups": len(self.compared),
            "value": bounds.value, "low": bounds.low, "high": bounds.high, "ended": ended, **one,
        })  # fmt: skip

    def why_not_estimable(self) -> Note:
        if self.gate.subject == "ratio" and self.finding.shares:
            return Note("ratio_of_shares")
        if self.gate.subject == "ratio" and self.clustered:
            return Note("ratio_of_weights" if self.finding.overall.effective_n is not None else "ratio_of_clusters")
        if self.gate.subject == "ratio" and len(self.compared) > 1:
            return Note("ratio_without_events")
        needed = 1 if self.gate.subject == "rate" else 2
        return Note("too_few_groups", {"groups": needed, "images": max(self.settings.min_group_size, 2)})

    def not_compared(self) -> tuple[Note, ...]:
        """Notes about the groups that a gate does not cover."""
        others = [rate for rate in self.rates if rate.status != "ok"]
        groups, n = (" × ".join(rate.group) for rate in others), (rate.n for rate in others)
        return (Note("not_compared", {"groups": tuple(groups), "n": tuple(n)}),) if others else ()


def _needed(needed: int | None, counted: int, unit: str) -> Note:
    return Note("images_needed", {"counted": counted, "unit": unit, **({} if needed is None else {"needed": needed})})


# Decides gates on effect questions: the gap of one is its distance from no effect, on the scale of its tolerance.


def effect_check(resolved: ResolvedGate, audit: AuditResult, effect: EffectResult, settings: Settings, family: int) -> GateCheck:
    """Check a gate on the gap of an effect question; `family` is the number of questions of which one breach is enough."""
    key, gate = (audit.model.name, audit.probe.name, effect.id), resolved.gate
    if not effect.effects or effect.reason is not None:
        return GateCheck(*key, "not estimable", (Note("effect_not_estimable", {"reason": effect.reason or "groups"}),))
    value, low, high = effect_bounds(effect, settings.alpha, family)
    over = {COMPARE[gate.operator](end, gate.limit) for end in (low, high)}
    p = effect.p_adjusted if effect.primary else effect.p
    blocked = over == {True} and (p is None or p > settings.alpha)
    undecided = audit.data.limited or blocked or len(over) > 1
    outcome: GateOutcome = "inconclusive" if undecided else "breached" if over == {True} else "held"
    reason = Note("bounded", {
        "subject": effect.kind, "operator": gate.operator, "limit": gate.limit, "groups": len(effect.effects), "value": value, "low": low,
        "high": high, "ended": "blocked" if blocked else outcome,
    })  # fmt: skip
    images = sum(level.n for level in effect.levels if level.status == "ok")
    unjudged = outcome == "held" and bool(effect.unjudged(settings.min_group_size))
    if unjudged or _may_change(outcome, effect, resolved):
        return GateCheck(*key, "inconclusive", (reason, Note("uncovered")), value, low, high, images)
    return GateCheck(*key, outcome, (reason,), value, low, high, images)


def _may_change(outcome: GateOutcome, effect: EffectResult, resolved: ResolvedGate) -> bool:
    """Whether missing true answers leave a gate undecided: it is breached, or holds, only if it does however they are filled."""
    filled, gate = effect.filled, resolved.gate
    if filled is None or outcome not in ("breached", "held"):
        return False
    ends = (filled.low - effect.none) * effect.steps, filled.reach
    over = {COMPARE[gate.operator](end, gate.limit) for end in ends}
    return over != {outcome == "breached"} or (outcome == "breached" and effect.withheld is not None)


def effect_bounds(effect: EffectResult, alpha: float, family: int) -> tuple[float, float, float]:
    """The largest distance from no effect of any pair, and its bounds: simultaneous over pairs and family below, of equivalence above."""
    pairs = len(effect.effects)

    def least(one: Effect) -> float:
        ends = (stretched(one.value, end, alpha / pairs, alpha / (pairs * family)) - effect.none for end in (one.low, one.high))
        low, high = ends
        return max(low, -high, 0.0) * effect.steps

    value = max(abs(one.value - effect.none) for one in effect.effects) * effect.steps
    return value, max(map(least, effect.effects)), max(one.reach for one in effect.effects)
