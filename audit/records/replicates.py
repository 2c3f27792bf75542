"""Several checkpoints or seeds audited as one model: what their audits say together."""

from __future__ import annotations

from audit.records.base import FindingVerdict, record
from audit.types import Group


@record
class MeanGap:
    """The gap of the rates averaged over the replicates, with an interval over images and replicates."""

    highest: Group
    lowest: Group
    value: float
    low: float
    high: float
    """Of the largest difference of any two groups, simultaneous over the pairs as `Gap.low` is, for images and replicates like these: a
    wider one than of any single replicate, which knows nothing of the others. Within [0, 1]."""
    differences: tuple[float, ...]
    """Highest minus lowest in each replicate; below 0 where the two groups change places."""
    low_adjusted: float | None = None
    """The lower end, corrected for all pre-specified questions: a gate on all of them is breached by any. None in older files."""


@record
class ReplicatedGap:
    """A planned question over the replicates."""

    finding: str
    """Its id, the same in every replicate."""
    verdicts: tuple[FindingVerdict, ...]
    """Of each replicate's own audit."""
    gaps: tuple[float | None, ...]
    """Of each replicate's own audit; None where it could not be estimated."""
    standard_deviation: float | None
    """Between replicates, of their gaps; None where fewer than two have one."""
    mean: MeanGap | None
    """None where fewer than two groups can be compared in every replicate."""


@record
class Replicates:
    """Audits of one run that are of one model, under one probe."""

    probe: str
    audits: tuple[int, ...]
    """Places in `Results.audits`, in the order of the replicates."""
    findings: tuple[ReplicatedGap, ...]
    """Of every planned question, in the order of the audits."""
