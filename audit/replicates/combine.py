"""Audits of several checkpoints or seeds, combined as one model: one record per probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from audit.engine import AuditedProbe
from audit.records.replicates import MeanGap, ReplicatedGap, Replicates, ReplicatesNeeded
from audit.replicates.alike import ModelQuestions, check_distinct, check_planned, places_of
from audit.replicates.interval import gap_over_replicates, replicates_needed
from audit.results import Finding
from audit.statistics.metrics import METRICS, Outcome, Tally
from audit.statistics.units.sampling_unit import SamplingUnits, UnitsOf
from audit.types import Predictions, Settings


def replicates(audited: Sequence[AuditedProbe], settings: Settings) -> tuple[Replicates, ...]:
    """The combined results for each probe, from its audits of one model each; raises as the checks in `audit.replicates.alike`."""
    by_probe: dict[str, list[int]] = {}
    for position, audited_probe in enumerate(audited):
        by_probe.setdefault(audited_probe.result.probe.name, []).append(position)
    return tuple(Replicates(name, tuple(places), _findings([audited[i] for i in places], settings)) for name, places in by_probe.items())


def _findings(group: Sequence[AuditedProbe], settings: Settings) -> tuple[ReplicatedGap, ...]:
    first = group[0]
    models = [
        ModelQuestions(one.result.model.name, tuple(finding.id for finding in one.result.findings if finding.primary)) for one in group
    ]
    check_planned(models, first.result.probe.name)
    check_distinct(group)
    # A mean rate is computed from raw answers, not at equal true shares.
    planned = [finding for finding in first.result.findings if finding.primary and not finding.shares]
    questions = first.result.suite.planned if first.result.suite else len(planned)
    stacked = {name: _Stacked.of(group, name) for name in first.predictions}
    own = [{finding.id: finding for finding in replicate.result.findings} for replicate in group]
    return tuple(_gap([by_id[finding.id] for by_id in own], stacked[finding.measurement], settings.alpha, questions) for finding in planned)


@dataclass(frozen=True)
class _Stacked:
    """The answers of all replicates to a measurement, concatenated; the rows about one image (or cluster) are one unit."""

    units: UnitsOf
    outcomes: Mapping[str, Outcome]

    @classmethod
    def of(cls, group: Sequence[AuditedProbe], measurement: str) -> _Stacked:
        result, predictions = group[0].result, [replicate.predictions[measurement] for replicate in group]
        names = [replicate.result.model.name for replicate in group]
        first = predictions[0]
        places = [places_of(first, other, (names[0], name)) for name, other in zip(names[1:], predictions[1:], strict=True)]
        answers = [first.y_pred, *(other.y_pred[rows] for other, rows in zip(predictions[1:], places, strict=True))]
        levels = {name: tuple(counts) for name, counts in result.data.groups.items()}
        record = next(candidate for candidate in result.measurements if candidate.name == measurement)
        return cls(UnitsOf(_stack(first, answers), levels), {name: frozenset(labels) for name, labels in record.outcomes.items()})

    def of_question(self, findings: Sequence[Finding]) -> SamplingUnits:
        """The groups of a question with the answers of all replicates."""
        first = findings[0]
        counts = np.array([[(rate.events, rate.n) for rate in finding.by_group] for finding in findings]).sum(axis=0)
        tallied = Tally(tuple(rate.group for rate in first.by_group), counts[:, 0], counts[:, 1], counts[:, 1])
        outcome = None if first.outcome is None else self.outcomes[first.outcome]
        return self.units(first.attributes, METRICS[first.metric], outcome, tallied)


def _stack(first: Predictions, answers: Sequence[np.ndarray]) -> Predictions:
    times, n = len(answers), len(first.y_pred)
    cluster = np.arange(n) if first.cluster is None else first.cluster
    return replace(
        first,
        y_pred=np.concatenate(answers),
        y_true=None if first.y_true is None else np.tile(first.y_true, times),
        attributes=pd.concat([first.attributes] * times),
        cluster=np.tile(cluster, times),
        weight=None if first.weight is None else np.tile(first.weight, times),
    )


def _gap(findings: Sequence[Finding], stacked: _Stacked, alpha: float, questions: int) -> ReplicatedGap:
    gaps = tuple(finding.gap.value if finding.gap else None for finding in findings)
    known = sorted(gap for gap in gaps if gap is not None)
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return ReplicatedGap(
        findings[0].id, tuple(finding.verdict for finding in findings), gaps, spread, _mean_gap(findings, stacked, alpha, questions)
    )


def _mean_gap(findings: Sequence[Finding], stacked: _Stacked, alpha: float, questions: int) -> MeanGap | None:
    groups = tuple(rate.group for rate in findings[0].by_group)
    ok = np.array([[rate.status == "ok" for rate in finding.by_group] for finding in findings]).all(axis=0)
    places = np.flatnonzero(ok)
    if len(places) < 2:
        return None
    rates = np.array([[finding.by_group[position].value for position in places] for finding in findings], float)
    units = stacked.of_question(findings).of(places)
    gap, corrected = (gap_over_replicates(rates, units, level) for level in (alpha, alpha / questions))
    high, low = (groups[places[end]] for end in (gap.highest, gap.lowest))
    differences = tuple((rates[:, gap.highest] - rates[:, gap.lowest]).tolist())
    needed = None
    if len(rates) == 2:
        tolerance = findings[0].tolerance
        needed = ReplicatesNeeded(tolerance, *replicates_needed(rates, units, alpha, gap, tolerance))
    return MeanGap(high, low, gap.value, gap.low, gap.high, differences, corrected.low, needed)
