"""Several checkpoints or seeds audited as one model: their combined results."""

from __future__ import annotations

from audit.records.base import FindingVerdict, record
from audit.types import Group


@record
class ReplicatesNeeded:
    """How many replicates would give a narrower interval, if the gap varied between them as it does between these."""

    half_width: float
    """The half-width to reach: the tolerance of the question."""
    replicates: int | None
    """Smallest number of replicates, three or more; None if the images alone leave more than `half_width`."""
    images: float
    """Half-width that the images alone leave, however many replicates there are."""


@record
class MeanGap:
    """The gap of the rates averaged over the replicates, with an interval over images and replicates."""

    highest: Group
    lowest: Group
    value: float
    low: float
    high: float
    """Interval of the largest difference of any two groups, simultaneous over the pairs like `Gap.low`, for similar images and replicates:
    wider than that of any single replicate, which ignores the variation between them. Within [0, 1]."""
    differences: tuple[float, ...]
    """Highest minus lowest group in each replicate; below 0 if the order of the two groups is reversed."""
    low_adjusted: float | None = None
    """The lower end, corrected for all planned questions: a gate on all of them is breached by any."""
    needed: ReplicatesNeeded | None = None
    """For two replicates: with their one degree of freedom the interval is rarely of use. None for more."""


@record
class ReplicatedGap:
    """A planned question over the replicates."""

    finding: str
    """Its id, the same in every replicate."""
    verdicts: tuple[FindingVerdict, ...]
    """Verdicts of the replicates' own audits."""
    gaps: tuple[float | None, ...]
    """Gaps of the replicates' own audits; None if not estimable."""
    standard_deviation: float | None
    """Standard deviation of the gap between replicates; None if fewer than two have one."""
    mean: MeanGap | None
    """None if fewer than two groups can be compared in every replicate."""


@record
class Replicates:
    """The audits in a run that are replicates of one model, under one probe."""

    probe: str
    audits: tuple[int, ...]
    """Indices into `Results.audits`, in the order of the replicates."""
    findings: tuple[ReplicatedGap, ...]
    """One per planned question, in the order of the audits."""
