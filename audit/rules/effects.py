"""Recomputes questions about scores and trends, from the scores of the answers and the rates of the findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pandas as pd

from audit.errors import AuditError
from audit.records.effect import EffectResult
from audit.records.inputs import UNDECLARED_UNITS
from audit.results import AuditResult, MeasurementRecord, Results
from audit.statistics.effects import decide_effects, effects, planned_p
from audit.types import UNKNOWN, Claim, EffectClaim, Group, LabelSet, Measurement, Predictions
from verify.answers import AnswerFile, Answers, column_of

# The answers of an audit, as `verify` reads them.


def recorded_answers(audit: AuditResult, measurement: str, table: AnswerFile) -> Answers:
    """The answers to one measurement."""
    record = {"model": {"name": audit.model.name}, "probe": {"name": audit.probe.name}, "data": {"weights": audit.data.weights}}
    return table.answers(record, measurement)


def with_effects(results: Results, table: AnswerFile | None) -> tuple[Results, frozenset[tuple[int, int]]]:
    """The results with their effects tested and decided again, and which of them (by audit and number) were tested.

    Not tested are those whose answers are not here, whose clusters are counterfactual sets, and trends over levels without images, which
    are not recorded.
    """
    again: dict[int, dict[int, EffectResult]] = {}
    for at, audit in enumerate(results.audits):
        again[at] = {} if table is None or not audit.effects else _tested(audit, table, results)
    tested = [
        tuple(again[at].get(number, recorded) for number, recorded in enumerate(audit.effects)) for at, audit in enumerate(results.audits)
    ]
    families = defaultdict(list)
    for at, audit in enumerate(results.audits):
        families[(audit.model.name, audit.suite.name) if audit.suite else at].append(at)
    audits = list(results.audits)
    for family in families.values():
        every = [results.audits[at] for at in family]
        of_rates = [one.gap.p for audit in every for one in audit.findings if one.primary and one.gap]
        missing = [1.0] * sum(audit.lock.missing for audit in every if audit.lock)
        for at in family:
            of_effects = [p for other in family if other != at for p in planned_p(tested[other])]
            audits[at] = _decided(results.audits[at], tested[at], results, (*of_rates, *of_effects, *missing))
    return replace(results, audits=tuple(audits)), frozenset((at, number) for at, those in again.items() for number in those)


def _decided(audit: AuditResult, tested: tuple[EffectResult, ...], results: Results, others: Sequence[float]) -> AuditResult:
    undeclared = any(note.code == UNDECLARED_UNITS for note in audit.data.notes)
    decided = decide_effects(
        tuple(map(_undecided, tested)), audit.findings, results.settings, others, limited=audit.data.limited, undeclared=undeclared
    )
    return replace(audit, effects=decided)


def _undecided(effect: EffectResult) -> EffectResult:
    """As it is before it has a verdict."""
    reason = None if effect.effects else effect.reason
    return replace(effect, p_adjusted=None, minimum_detectable=None, exceeds_tolerance=False, withheld=None, reason=reason)


def _tested(audit: AuditResult, table: AnswerFile, results: Results) -> dict[int, EffectResult]:
    """Number in the audit -> the effect as tested from the answers."""
    found: dict[int, EffectResult] = {}
    for measurement in audit.measurements:
        recorded = {number: one for number, one in enumerate(audit.effects) if one.measurement == measurement.name}
        answers = recorded_answers(audit, measurement.name, table)
        in_sets = answers.cluster is None and any(one.clusters for one in recorded.values())
        if not recorded or in_sets or any(one.attribute in audit.data.several for one in recorded.values()):
            continue
        for number, one in recorded.items():
            claims = [finding for finding in audit.findings if finding.measurement == measurement.name]
            asked, given = _asked(audit, measurement, one), _predictions(answers, one.attribute)
            with suppress(AuditError):  # a question whose form the results do not have
                made = effects(asked, given, _levels(one), claims, results.settings)
                if [again.id for again in made] == [one.id] and made[0].steps >= one.steps:
                    found[number] = made[0]
    return found


def _asked(audit: AuditResult, record: MeasurementRecord, one: EffectResult) -> Measurement:
    """A measurement that asks one effect question, and the claims that it may be about."""
    order = _levels(one)[one.attribute] if one.kind == "trend" else ()
    claim = EffectClaim(one.kind, one.attribute, one.outcome, one.metric, order, one.primary, one.tolerance)
    of = tuple(
        Claim(finding.metric, finding.attributes, finding.outcome) for finding in audit.findings if finding.measurement == record.name
    )
    labels = LabelSet(record.name, record.labels, {})
    return Measurement(record.name, "", labels, "", of, outcomes=record.outcomes, effects=(claim,))


def _levels(effect: EffectResult) -> dict[str, Group]:
    return {effect.attribute: tuple(level.level for level in effect.levels)}


def _predictions(answers: Answers, attribute: str) -> Predictions:
    """The answers as the audit has them, with one attribute."""
    scores = answers.scores or {}
    rows = np.stack([np.asarray(score, np.float32) for score in scores.values()], axis=1) if scores else np.zeros((len(answers.y_pred), 0))
    frame = pd.DataFrame({attribute: answers.columns[column_of(attribute)]}, dtype="str").fillna(UNKNOWN)
    given = tuple(sorted(set(answers.y_pred)))
    return Predictions(
        tuple(scores), given, rows, answers.y_pred, answers.y_true, frame, np.zeros(0, np.float32), answers.cluster, weight=answers.weight
    )
