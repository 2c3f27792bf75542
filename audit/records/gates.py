"""What gates decided. Frozen, as everything in `results.json`.

A wrong type, an unknown field or a NaN is refused when a value is made. Without a bound there is None.
"""

from __future__ import annotations

from typing import Literal

from audit.records.base import record
from audit.types import Note

GateOutcome = Literal["breached", "held", "inconclusive", "not estimable"]
"""Not estimable: the question has no answer, as of a model that always says the same. Inconclusive: too few images to be sure of it."""
REPLICATES = "the mean of the replicates"
"""What stands in place of a model where a gate is put to several replicates together."""


@record
class GateCheck:
    """A gate put to one finding of one audit, or of the replicates of a probe."""

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
    """Images that count in the groups that are compared."""
    images_needed: int | None = None
    """How many would settle it if every rate and every group's share stayed; None where it is settled, or no number would."""
    limited: bool = False
    """Whether it was put to a sample (`--limit`)."""


@record
class GateResult:
    """A gate of the command line and how it ended: as the worst of its checks, held if all are."""

    expression: str
    outcome: GateOutcome
    checks: tuple[GateCheck, ...]
