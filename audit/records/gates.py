"""Decisions of gates. Frozen, as everything in `results.json`.

Wrong types, unknown fields and NaN are rejected. A missing bound is None.
"""

from __future__ import annotations

from typing import Literal

from audit.records.base import record
from audit.types import Note

GateOutcome = Literal["breached", "held", "inconclusive", "not estimable"]
"""Not estimable: the question has no answer, for example because the model always says the same. Inconclusive: too few images."""
REPLICATES = "the mean of the replicates"
"""Name used instead of a model's if a gate is checked on several replicates together."""


@record
class GateCheck:
    """A gate checked on one finding of one audit, or of the replicates of a probe."""

    model: str
    probe: str
    finding: str | None
    """Its id; None: the verdict of the audit."""
    outcome: GateOutcome
    reasons: tuple[Note, ...]
    value: float | None = None
    low: float | None = None
    """Bounds that decide: see `audit.statistics.bounds`."""
    high: float | None = None
    images: int | None = None
    """Number of images in the groups that are compared."""
    images_needed: int | None = None
    """Number of images that would settle it with unchanged rates and group shares; None if it is settled, or no number would."""
    limited: bool = False
    """Whether it was checked on a sample (`--limit`)."""
    deviates: bool = False
    """Whether the question, or the gate itself, deviates from the plan lock of the run."""


@record
class GateResult:
    """A gate of the command line and its outcome: the worst of its checks, held if all are."""

    expression: str
    outcome: GateOutcome
    checks: tuple[GateCheck, ...]
