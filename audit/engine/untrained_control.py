"""The untrained control: the same questions for the same architecture with untrained weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from audit.embedding.cache import CacheRoot
from audit.engine.probe_audit import AuditedProbe, audit
from audit.records.base import Verdict
from audit.records.finding import planned_verdicts
from audit.results import ControlFinding, Finding, UntrainedControl
from audit.stages import Stages, silent
from audit.types import Answerer, Dataset, Encoder, Note, Probe, Settings


def with_untrained_control(
    audited: AuditedProbe,
    encoder: Encoder | Answerer,
    probe: Probe,
    dataset: Dataset,
    settings: Settings,
    *,
    cache_root: CacheRoot = None,
    batch_size: int = 32,
    stages: Stages = silent,
    verify: bool = False,
) -> AuditedProbe:
    """Add the untrained control to an audit: only the pre-specified questions, asked in the same way.

    For a kind of model whose architecture cannot be built without its weights, a warning is added instead.
    """
    control = untrained(encoder, settings.seed)
    if control is None:
        warnings = (*audited.result.warnings, Note("no_untrained_control"))
        return replace(audited, result=replace(audited.result, warnings=warnings))
    how: dict[str, Any] = {"cache_root": cache_root, "batch_size": batch_size, "stages": stages, "verify": verify}
    control_result = audit(control, primary(probe), dataset, settings, **how).result
    controls = map(_control, control_result.findings, planned_verdicts(control_result.findings))  # all its questions are planned
    record = UntrainedControl(settings.seed, tuple(controls), control_result.verdict)
    return replace(audited, result=replace(audited.result, untrained_control=record))


def untrained(encoder: Encoder | Answerer, seed: int) -> Encoder | None:
    """The same architecture with untrained weights; None if it cannot be built without the trained ones."""
    draw = getattr(encoder, "untrained", None)
    control: Encoder | None = draw(seed) if draw else None
    return control


def primary(probe: Probe) -> Probe:
    """Only the primary claims of a probe."""
    counting = [replace(m, claims=claims) for m in probe.measurements if (claims := tuple(claim for claim in m.claims if claim.primary))]
    return replace(probe, measurements=tuple(counting), published=(), specifications=(), paired=(), analyses=())


def _control(finding: Finding, verdict: Verdict) -> ControlFinding:
    value = finding.gap.value if finding.gap else None
    others = {name: getattr(finding.gap, name, None) for name in ("low", "high", "null_95", "p_adjusted")}
    return ControlFinding(finding.id, finding.overall.value, value, **others, verdict=verdict)
