"""The untrained control: the same questions put to the same architecture with weights that nobody trained."""

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
    """Return the audit with its untrained control: only the pre-specified questions, asked the same way.

    A kind of model whose architecture cannot be built anew gets a warning instead.
    """
    control = untrained(encoder, settings.seed)
    if control is None:
        warnings = (*audited.result.warnings, Note("no_untrained_control"))
        return replace(audited, result=replace(audited.result, warnings=warnings))
    how: dict[str, Any] = {"cache_root": cache_root, "batch_size": batch_size, "stages": stages, "verify": verify}
    control_result = audit(control, primary(probe), dataset, settings, **how).result
    controls = map(_control, control_result.findings, planned_verdicts(control_result.findings))  # every question of it is planned
    record = UntrainedControl(settings.seed, tuple(controls), control_result.verdict)
    return replace(audited, result=replace(audited.result, untrained_control=record))


def untrained(encoder: Encoder | Answerer, seed: int) -> Encoder | None:
    """Return the same architecture with weights that were never trained; None where it cannot be built anew."""
    draw = getattr(encoder, "untrained", None)
    control: Encoder | None = draw(seed) if draw else None
    return control


def primary(probe: Probe) -> Probe:
    """Return the probe with its primary claims only."""
    counting = [replace(m, claims=claims) for m in probe.measurements if (claims := tuple(claim for claim in m.claims if claim.primary))]
    return replace(probe, measurements=tuple(counting), published=(), specifications=(), paired=(), analyses=())


def _control(finding: Finding, verdict: Verdict) -> ControlFinding:
    value = finding.gap.value if finding.gap else None
    others = {name: getattr(finding.gap, name, None) for name in ("low", "high", "null_95", "p_adjusted")}
    return ControlFinding(finding.id, finding.overall.value, value, **others, verdict=verdict)
