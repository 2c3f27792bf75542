"""The same questions under other prompts and labels: what was answered under every specification of a probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from audit.evidence.prompt_sensitivity import Answered
from audit.measure.label_sets import COMMON_KIND
from audit.types import Measurement, Predictions, Probe


def specified(
    probe: Probe, answer: Callable[[Measurement], Predictions], alike: Callable[[Sequence[Measurement]], Sequence[Answered]]
) -> list[list[Answered]]:
    """Return what was answered under every specification of each plan; those of the common kind are asked in one pass over the images."""
    points = [point.measurement for plan in probe.specifications for point in plan.specifications]
    together = iter(alike([point for point in points if point.kind == COMMON_KIND]))
    answered = iter([next(together) if point.kind == COMMON_KIND else answer(point) for point in points])
    return [[next(answered) for _ in plan.specifications] for plan in probe.specifications]
