"""Linear probes on frozen embeddings: accuracy by group after learning from a few images of each class."""

from __future__ import annotations

from dataclasses import dataclass

from audit.plans import AnalysisPlan, Group


@dataclass(frozen=True)
class FewShotPlan(AnalysisPlan):
    """Labels learned from images instead of their names: accuracy by group, by the number of images per class."""

    measurement: str
    """The measurement whose true answers are learned, and whose zero-shot answers are the baseline."""
    by: Group
    """Attributes whose groups are compared, one attribute at a time."""
    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Numbers of training images per class."""
    draws: int = 5
    """How often the training images are redrawn; the mean over draws and its spread are shown."""
    unit: str | None = None
    """An attribute whose images stay on one side of the split, such as a scene, besides the probe's cluster and identical images."""
