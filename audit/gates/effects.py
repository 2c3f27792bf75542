"""Decides gates on effect questions: the gap of one is its distance from no effect, on the scale of its tolerance."""

from __future__ import annotations

from audit.gates.parse import COMPARE, ResolvedGate
from audit.records.effect import Effect, EffectResult
from audit.records.gates import GateCheck, GateOutcome
from audit.results import AuditResult
from audit.statistics.bounds import stretched
from audit.types import Note, Settings


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
