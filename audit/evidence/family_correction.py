"""p-values corrected only within a family: an exploratory metric of several outcomes, by the same attributes.

Signals depend on all exploratory findings of an audit (`audit.statistics.findings`); this is for readers of a single list.
"""

from __future__ import annotations

import numpy as np

from audit.evidence.base import DRAWS, EvidenceInputs, claim_of
from audit.records.base import record
from audit.records.finding import ClaimResult
from audit.statistics.max_t import max_t, patterns
from audit.statistics.metrics import resolve, row_events
from audit.statistics.null import generator


@record
class FamilyCorrection:
    """The p-value of one outcome, corrected for the other outcomes of its family: the same metric by the same attributes."""

    size: int
    """Number of outcomes in the family."""
    max_t: float
    """Controls the probability of any false positive: all outcomes share the shuffles of the group labels."""
    benjamini_hochberg: float | None = None
    """From earlier versions; the adjusted p of a finding is over all exploratory findings."""


def by_finding(inputs: EvidenceInputs) -> dict[str, FamilyCorrection]:
    """The correction for every exploratory finding that is not alone in its family."""
    families: dict[tuple[str, str, tuple[str, ...]], list[ClaimResult]] = {}
    for finding in inputs.independent:
        if not finding.primary and finding.outcome and finding.gap and inputs.cells[finding.measurement].has(finding.attributes):
            families.setdefault((finding.measurement, finding.metric, finding.attributes), []).append(finding)
    return {name: correction for family in families.values() if len(family) > 1 for name, correction in _corrected(family, inputs).items()}


def _corrected(family: list[ClaimResult], inputs: EvidenceInputs) -> dict[str, FamilyCorrection]:
    name, metric, by, settings = family[0].measurement, family[0].metric, family[0].attributes, inputs.settings
    cells, measurement = inputs.cells[name], inputs.measurements[name]
    flags = [row_events(cells.answered, *resolve(measurement, claim_of(finding), cells.answered)) for finding in family]
    groups, codes = cells.place(by)
    known = codes >= 0
    events, counted = (np.stack([getattr(flag, column)[known] for flag in flags], axis=1) for column in ("event", "counted"))
    table = patterns(events, counted, codes[known], len(groups), cells.n[known])
    rng = generator(settings.seed, f"{name}/{metric}/{' x '.join(by)}/list")
    any_alarm = max_t(table, settings.min_group_size, min(settings.draws, DRAWS), rng).p_adjusted.tolist()
    return {finding.id: FamilyCorrection(len(family), adjusted) for finding, adjusted in zip(family, any_alarm, strict=True)}
