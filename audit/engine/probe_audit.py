"""From answers to facts: tests every question, decides all of them together, and assembles the result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from audit.engine.evidence import add_evidence
from audit.engine.forecast import counted_levels
from audit.engine.plan_lock import restricted
from audit.engine.shares import findings_by_share, without_shares
from audit.evidence.prompt_sensitivity import Answered, SpecificationCurve, specification_curve
from audit.measure.row_options import questions_of_rows, row_texts_record
from audit.predictions.units import clustered
from audit.predictions.weights import weighing
from audit.records.effect import EffectResult
from audit.records.finding import ClaimResult, planned_verdicts
from audit.records.inputs import DataRecord, ProbeRecord, Responsiveness, SuiteRecord, recognises_nothing, undeclared_units
from audit.records.plan_lock import AuditLock
from audit.results import AuditResult, Finding, MeasurementRecord
from audit.stages import Stage, Stages, silent
from audit.statistics.counts import count_record
from audit.statistics.effects import decide_effects, effects, planned_p
from audit.statistics.findings import decide_verdicts
from audit.statistics.max_t import LabelShuffles
from audit.statistics.null import generator
from audit.statistics.paired.findings import answered_once, paired_findings, with_sets
from audit.statistics.responsiveness import responsiveness, with_composition, with_truth_tested
from audit.statistics.verdict import worst
from audit.types import (
    Dataset,
    Exclusion,
    Measurement,
    ModelRecord,
    Note,
    Predictions,
    Probe,
    Settings,
)

NEAR_TIE_MARGIN = 0.01
"""A decision whose two best answers differ by less than this in probability is a near-tie: the prompt or rounding could flip it."""
# The matrices here are small: a second thread of the matrix library mostly waits, which costs as much CPU time as computing.
one_thread = partial(threadpool_limits, limits=1, user_api="blas")


@dataclass(frozen=True)
class AuditedProbe:
    """The result of `audit`: the facts, and the predictions behind them."""

    result: AuditResult
    predictions: Mapping[str, Predictions]
    """measurement -> predictions."""
    texts: pd.DataFrame | None = None
    """The texts about each image (columns ``text:NAME``), with its attributes; None without texts."""


@dataclass(frozen=True)
class Family:
    """The suite of a probe, and the tested questions of the suite's other probes."""

    suite: SuiteRecord
    others: tuple[ClaimResult, ...]
    effects: tuple[float, ...]
    """p of the planned effects of the suite's other probes."""
    missing: int = 0
    """Number of locked questions of the suite that are not planned any more."""


@dataclass(frozen=True)
class UndecidedProbe:
    """A probe whose questions are tested, but not decided: that depends on how many questions are corrected together."""

    name: str
    results: tuple[ClaimResult, ...]
    """With raw p-values and without verdicts."""
    effects: tuple[EffectResult, ...]
    """Likewise."""
    decide: Callable[[Family | None], AuditedProbe]
    """Returns the audit; without a family, p is adjusted for the questions of this probe alone."""
    missing: int = 0
    """Number of locked questions that are not planned any more (`AuditLock.missing`)."""

    def then(self, finish: Callable[[AuditedProbe], AuditedProbe]) -> UndecidedProbe:
        """Add a function to call once the probe is decided."""
        return replace(self, decide=lambda family: finish(self.decide(family)))


@dataclass(frozen=True)
class AnsweredProbe:
    """A model's answers for a data set: all that the statistics need from either."""

    model: ModelRecord
    dataset: Dataset
    attributes: pd.DataFrame
    """Attributes of the images that were read."""
    predictions: Mapping[str, Predictions]
    """measurement -> predictions."""
    specifications: Sequence[Sequence[Answered]] = ()
    """One list per plan of the probe, with one entry per specification; empty if other prompts are not available."""
    exclusions: tuple[Exclusion, ...] = ()
    """Images that could not be read, besides those that the data set left out."""
    conversions: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    cluster: str | None = None
    """Name of the column that says which rows belong together, if the predictions come in clusters."""
    weights: str | None = None
    """Name of the column of weights, if the predictions have them."""
    lock: AuditLock | None = None
    """How the audit differs from its plan lock; None without one."""

    @property
    def count(self) -> np.ndarray | None:
        """Number of images that each row of the attributes represents; None: one."""
        return next((prediction.count for prediction in self.predictions.values() if prediction.count is not None), None)

    @property
    def used(self) -> int:
        """Number of images that were read."""
        return len(self.attributes) if self.count is None else int(self.count.sum())


def decide_suite(name: str, probes: Sequence[UndecidedProbe]) -> Iterator[AuditedProbe]:
    """Decide the probes of a suite, with one correction over the questions of all of them."""
    tested = [result for probe in probes for result in probe.results if result.gap is not None]
    of_effects = {probe.name: planned_p(probe.effects) for probe in probes}
    claims = sum(result.primary for result in tested)
    planned = claims + sum(map(len, of_effects.values()))
    suite = SuiteRecord(name, tuple(probe.name for probe in probes), planned, len(tested) - claims)
    missing = sum(probe.missing for probe in probes)
    for probe in probes:
        others = tuple(result for other in probes if other is not probe for result in other.results)
        effects_of_others = tuple(p for name, own in of_effects.items() if name != probe.name for p in own)
        yield probe.decide(Family(suite, others, effects_of_others, missing))


def build_result(answered: AnsweredProbe, probe: Probe, settings: Settings, stages: Stages = silent) -> AuditedProbe:
    """All findings of `probe` about external or own answers: the part of an audit that needs no model."""
    return tested_probe(answered, probe, settings, stages).decide(None)


def _curves(answered: AnsweredProbe, probe: Probe, settings: Settings) -> tuple[SpecificationCurve, ...]:
    """The specification curves. They count each image once, in one group: different rates than a finding's with weights or shares."""
    if answered.weights or probe.weights:
        return ()
    shuffles = LabelShuffles(partial(generator, settings.seed))
    plans = zip(probe.specifications, answered.specifications, strict=bool(answered.specifications))
    levels, several = answered.dataset.levels, set(answered.dataset.several)
    return tuple(
        specification_curve(plan, answers, levels, settings, shuffles) for plan, answers in plans if several.isdisjoint(plan.claim.by)
    )


def tested_probe(answered: AnsweredProbe, probe: Probe, settings: Settings, stages: Stages) -> UndecidedProbe:
    """Test every question about the answers."""
    probe, missing = restricted(probe, answered.lock), answered.lock.missing if answered.lock else 0
    beside = ThreadPoolExecutor(1)
    with one_thread():
        curves = beside.submit(_curves, answered, probe, settings)
        beside.shutdown(wait=False)  # the thread ends with the curves
        tested = _test_questions(answered, probe, settings, stages)

    def decide(family: Family | None) -> AuditedProbe:
        with one_thread():
            audited = _build_result(tested, family, settings, stages)
            return replace(audited, result=replace(audited.result, specifications=curves.result()))

    return UndecidedProbe(probe.name, tested.results, tested.effects, decide, missing)


@dataclass(frozen=True)
class _Tested:
    answered: AnsweredProbe
    probe: Probe
    predictions: Mapping[str, Predictions]
    """With clusters, weights and counterfactual sets."""
    results: tuple[ClaimResult, ...]
    """Without verdicts."""
    effects: tuple[EffectResult, ...]
    """Without verdicts."""
    dependence: Mapping[str, Responsiveness]


def _test_questions(answered: AnsweredProbe, probe: Probe, settings: Settings, stages: Stages) -> _Tested:
    dataset, cluster, weights = answered.dataset, answered.cluster or probe.cluster, answered.weights or probe.weights
    predictions = {
        name: weighing(clustered(prediction, cluster), weights, dataset.name) for name, prediction in answered.predictions.items()
    }
    asked = {measurement.name: measurement for measurement in probe.measurements}
    predictions = {
        name: prediction if weights or name not in asked else with_sets(asked[name], prediction, probe.paired)
        for name, prediction in predictions.items()
    }
    tested = Stage("testing", sum(len(m.claims) for m in probe.measurements), stages).advance
    raw = [finding for m in probe.measurements for finding in findings_by_share(m, predictions[m.name], dataset, settings, tested)]
    questions = {m.name: questions_of_rows(m, dataset.texts, predictions[m.name].attributes.index) for m in probe.measurements}
    dependence = responsiveness(predictions, settings, questions)
    results = tuple(with_truth_tested(raw, predictions, dependence, dataset, settings))
    of_effects = tuple(effect for m in probe.measurements for effect in effects(m, predictions[m.name], dataset.levels, results, settings))
    return _Tested(answered, probe, predictions, results, of_effects, dependence)


def _build_result(tested: _Tested, family: Family | None, settings: Settings, stages: Stages) -> AuditedProbe:
    answered, probe, predictions, dependence = tested.answered, tested.probe, tested.predictions, tested.dependence
    dataset, cluster, weights = answered.dataset, answered.cluster or probe.cluster, answered.weights or probe.weights
    others = family.others if family else ()
    missing = family.missing if family else answered.lock.missing if answered.lock else 0
    effects_of_others = family.effects if family else ()
    undeclared = undeclared_units(map(Note.of, dataset.notes))
    decided, _ = decide_verdicts(
        tested.results, settings, limited=dataset.limited, looks={name: record.code for name, record in dependence.items()},
        invalid=recognises_nothing(dependence.values()), others=others, effects=(*planned_p(tested.effects), *effects_of_others),
        missing=missing, undeclared=bool(undeclared),
    )  # fmt: skip
    of_claims = [result.gap.p for result in (*tested.results, *others) if result.primary and result.gap]
    decided_effects = decide_effects(
        tested.effects, decided, settings, (*of_claims, *effects_of_others, *[1.0] * missing), limited=dataset.limited,
        undeclared=bool(undeclared),
    )  # fmt: skip
    # In a count table each image is in one cell.
    single = {name: levels for name, levels in dataset.levels.items() if name not in dataset.several}
    counts = tuple(count_record(m, predictions[m.name], single) for m in probe.measurements)
    measurements = tuple(_measurement_record(m, predictions[m.name], dataset, dependence.get(m.name)) for m in probe.measurements)
    # Composition uses shares of images, without weights.
    answered_claims = decided if weights else with_composition(decided, counts, settings)
    result = AuditResult(
        model=replace(answered.model, notes=tuple(map(Note.of, answered.model.notes)), asked=tuple(map(Note.of, answered.model.asked))),
        probe=ProbeRecord(probe.name, probe.question, probe.source, probe.licence, probe.limits, probe.not_tested),
        data=replace(_data_record(answered, cluster, predictions), weights=weights), measurements=measurements,
        findings=tuple(map(Finding.of, answered_claims)),
        paired=answered_once(paired_findings(  # each pair counts once
            () if weights else probe.paired, predictions, settings, {plan.name: plan.outcomes for plan in probe.measurements}
        ), decided),
        specifications=(), published=probe.published,
        verdict=worst(planned_verdicts((*decided, *decided_effects))), effects=decided_effects,
        warnings=tuple(_warnings(measurements, predictions, answered.used)),
        counts=counts, suite=family.suite if family else None, lock=answered.lock,
    )  # fmt: skip
    return AuditedProbe(_with_evidence(result, probe.measurements, predictions, dataset, settings, stages), predictions)


def _with_evidence(
    result: AuditResult, measurements: Sequence[Measurement], predictions: Mapping[str, Predictions], dataset: Dataset, settings: Settings,
    stages: Stages,
) -> AuditResult:  # fmt: skip
    """Add the evidence; findings with shares get none: all of it counts an image once."""
    by_share = set(dataset.several)
    once = tuple(finding for finding in result.findings if not by_share & set(finding.attributes))
    unshared = without_shares(measurements, dataset)
    supported = add_evidence(replace(result, findings=once), unshared, predictions, dataset.levels, settings, stages)
    with_evidence = {finding.id: finding for finding in supported.findings}
    return replace(supported, findings=tuple(with_evidence.get(finding.id, finding) for finding in result.findings))


def _data_record(answered: AnsweredProbe, cluster: str | None, predictions: Mapping[str, Predictions]) -> DataRecord:
    dataset, used, count = answered.dataset, answered.used, answered.count
    units = [np.unique(prediction.cluster) for prediction in predictions.values() if prediction.cluster is not None]
    # Counted by reason and group, without the names of files: those are for the terminal and the log.
    exclusions = tuple(
        replace(exclusion, reason=Note.of(exclusion.reason), examples=()) for exclusion in (*dataset.exclusions, *answered.exclusions)
    )
    return DataRecord(
        name=dataset.name, source=dataset.source, licence=dataset.licence, fingerprint=dataset.fingerprint,
        listed=used + sum(exclusion.count for exclusion in exclusions), used=used, limited=dataset.limited,
        groups={
            name: counted_levels(answered.attributes[name], levels, several=name in dataset.several, images=count)
            for name, levels in dataset.levels.items()
        },
        exclusions=exclusions, conversions=answered.conversions, notes=tuple(map(Note.of, dataset.notes)),
        cluster=cluster, clusters=max(map(len, units)) if units else None, numbered=dataset.numbered,
        several=dataset.several,
    )  # fmt: skip


def _measurement_record(
    measurement: Measurement, predictions: Predictions, dataset: Dataset, looks: Responsiveness | None
) -> MeasurementRecord:
    counted = pd.Series(predictions.images_of_rows).groupby(predictions.y_pred).sum()
    margin, labels = predictions.margin, measurement.label_set
    images = np.ones(len(margin), np.int64) if predictions.margin_count is None else predictions.margin_count
    return MeasurementRecord(
        name=measurement.name, question=measurement.question, preset=measurement.preset, labels=labels.labels,
        prompts={label: labels.prompts.get(label, ()) for label in labels.labels} if measurement.options else labels.prompts,
        answers=labels.answers, combine=labels.combine, truth=measurement.truth, outcomes=measurement.outcomes,
        near_tie_margin=NEAR_TIE_MARGIN, near_ties=int(images[margin < NEAR_TIE_MARGIN].sum()) / int(images.sum()) if len(margin) else None,
        # Summed exactly, so that the last digit does not depend on the order of the images.
        mean_margin=math.fsum(margin * images) / int(images.sum()) if len(margin) else None,
        answer_counts={answer: int(counted.get(answer, 0)) for answer in predictions.answers},
        asked=measurement.asked.text if measurement.asked else None, kind=measurement.kind,
        responsiveness=looks, row_texts=row_texts_record(measurement, dataset.texts),
        gallery=measurement.retrieval.gallery if measurement.retrieval else None,
    )  # fmt: skip


def _warnings(measurements: Sequence[MeasurementRecord], predictions: Mapping[str, Predictions], used: int) -> Iterator[Note]:
    """Yield what readers must know before trusting a number."""
    for measurement in measurements:
        if (measurement.near_ties or 0.0) > 0.5:
            yield Note("near_ties", {"measurement": measurement.name, "share": measurement.near_ties or 0.0})
        if missing := used - predictions[measurement.name].images:
            code = "not_in_gallery" if measurement.kind == "retrieved" else "not_scored"
            yield Note(code, {"measurement": measurement.name, "count": missing})
