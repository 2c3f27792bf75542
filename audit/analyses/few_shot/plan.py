"""What a linear probe on frozen embeddings learns from a few images of each class, and for whom."""

from __future__ import annotations

from dataclasses import dataclass

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class FewShotPlan(AnalysisPlan):
    """Labels learned from images and not from their names: accuracy by group over the number of images a class."""

    measurement: str
    """The measurement whose true answers are learned, and whose zero-shot answers are the baseline."""
    by: Group
    """Attributes whose groups are compared, each by itself."""
    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Images of each class that are learned from."""
    draws: int = 5
    """Times that other images are drawn; the mean and the spread over them are shown."""
    unit: str | None = None
    """An attribute whose images stay on one side of the split, such as a scene; besides the probe's cluster and equal pictures."""
