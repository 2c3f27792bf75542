"""The untrained control: the same questions for the same architecture with untrained weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from audit.engine.answers import ask_probe
from audit.engine.plan import ProbePlan
from audit.engine.plan_lock import restricted
from audit.engine.probe_audit import AuditedProbe
from audit.records.base import Verdict
from audit.records.finding import planned_verdicts
from audit.results import ControlFinding, Finding, UntrainedControl
from audit.types import AnyModel, Note, Probe


def with_untrained_control(
    audited: AuditedProbe,
    encoder: AnyModel,
    plan: ProbePlan,
    **how: Any,
) -> AuditedProbe:
    """Add the untrained control to an audit: only the planned questions, asked in the same way (`how`: options of `ask_probe`).

    For a kind of model whose architecture cannot be built without its weights, a warning is added instead.
    """
    control = untrained(encoder, plan.settings.seed)
    if control is None:
        warnings = (*audited.result.warnings, Note("no_untrained_control"))
        return replace(audited, result=replace(audited.result, warnings=warnings))
    control_plan = replace(plan, probe=primary(restricted(plan.probe, plan.lock)), methods=())
    control_result = ask_probe(control, control_plan, **how).decide(None).result
    controls = map(_control, control_result.findings, planned_verdicts(control_result.findings))  # all its questions are planned
    record = UntrainedControl(plan.settings.seed, tuple(controls), control_result.verdict)
    return replace(audited, result=replace(audited.result, untrained_control=record))


def untrained(encoder: AnyModel, seed: int) -> AnyModel | None:
    """The same architecture with untrained weights; None if it cannot be built without the trained ones."""
    draw = getattr(encoder, "untrained", None)
    control: AnyModel | None = draw(seed) if draw else None
    return control


def primary(probe: Probe) -> Probe:
    """Only the primary claims of a probe."""
    counting = [replace(m, claims=claims) for m in probe.measurements if (claims := tuple(claim for claim in m.claims if claim.primary))]
    return replace(probe, measurements=tuple(counting), published=(), specifications=(), paired=(), analyses=())


def _control(finding: Finding, verdict: Verdict) -> ControlFinding:
    value = finding.gap.value if finding.gap else None
    others = {name: getattr(finding.gap, name, None) for name in ("low", "high", "null_95", "p_adjusted")}
    return ControlFinding(finding.id, finding.overall.value, value, **others, verdict=verdict)
