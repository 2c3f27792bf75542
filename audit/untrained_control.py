"""The untrained twin: the same questions put to the same architecture with weights that nobody trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.engine import AuditedProbe, audit
from audit.records.results import ControlFinding, Finding, UntrainedControl

if TYPE_CHECKING:
    from audit.types import Answerer, Dataset, Encoder, Probe, Settings


def with_untrained_control(
    audited: AuditedProbe,
    encoder: Encoder | Answerer,
    probe: Probe,
    dataset: Dataset,
    settings: Settings,
    *,
    cache_root: Path | None = None,
    batch_size: int = 32,
) -> AuditedProbe:
    """Return the audit with its untrained twin beside it: only the questions that count for the verdict, asked the same way.

    A kind of model whose architecture cannot be built anew gets a warning instead.
    """
    draw = getattr(encoder, "untrained", None)
    twin: Encoder | None = draw(settings.seed) if draw else None
    if twin is None:
        warning = "There is no untrained twin of this kind of model: its architecture cannot be built anew here."
        return replace(audited, result=replace(audited.result, warnings=(*audited.result.warnings, warning)))
    found = audit(twin, _primary(probe), dataset, settings, cache_root=cache_root, batch_size=batch_size).result
    description = f"the same architecture and prompts, its {encoder.record.parameters:,} weights drawn anew (seed {settings.seed})"
    control = UntrainedControl(settings.seed, description, tuple(map(_control, found.findings)), found.verdict)
    return replace(audited, result=replace(audited.result, twin=control))


def _primary(probe: Probe) -> Probe:
    """Return the probe with nothing but the claims that count."""
    counting = [replace(m, claims=claims) for m in probe.measurements if (claims := tuple(claim for claim in m.claims if claim.primary))]
    return replace(probe, measurements=tuple(counting), published=(), specifications=(), paired=())


def _control(finding: Finding) -> ControlFinding:
    gap = finding.gap
    return ControlFinding(
        finding=finding.id,
        overall=finding.overall.value,
        gap=gap.value if gap else None,
        low=gap.low if gap else None,
        high=gap.high if gap else None,
        null_95=gap.null_95 if gap else None,
        p_adjusted=gap.p_adjusted if gap else None,
        verdict=finding.verdict,
    )
