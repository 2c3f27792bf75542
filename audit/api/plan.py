"""Turns a request into a frozen plan. Errors that can be detected before the first image are raised here, from top to bottom."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.analyses import kinds
from audit.api.inputs import check_gates, dataset_of, gates_of, prediction_plan, predictions_of, probes_of
from audit.api.lookup import locked_questions, planned_questions
from audit.api.models import ModelPlan, loaded, models_of, quiet_log
from audit.embedding.cache import CacheRoot
from audit.engine.external import AnswersPlan, plan_answers
from audit.engine.forecast import SuiteCost, suite_cost
from audit.engine.plan import ProbePlan, check_model, plan_probe
from audit.engine.plan_lock import HeldLock, read_lock
from audit.errors import UsageError
from audit.gates.gate_set import GateSet
from audit.gates.parse import GateQuestion
from audit.measure.asked.questionnaire import questionnaire
from audit.measure.classified.questions import classified_probe, read_label_map
from audit.naming import unique_names
from audit.options.audits import AuditRequest
from audit.output.directory import check_regular, check_writable
from audit.predictions.read import PredictionFile
from audit.replicates import ModelQuestions, check_planned
from audit.types import Answerer, AnyModel, Group, Probe, model_type

LOG = logging.getLogger("audit")


@dataclass(frozen=True)
class FilePlan:
    """A file or data frame of external predictions, with the questions for each model in it."""

    source: Any
    """Its name in the request."""
    file: PredictionFile
    answers: tuple[AnswersPlan, ...]


@dataclass(frozen=True)
class AuditPlan:
    """An audit before its first image: the questions with their data, the models or answers, and the gates."""

    request: AuditRequest
    """Options for the run and its output: device, batches, progress, controls, files."""
    probes: tuple[ProbePlan, ...]
    """Empty for external predictions."""
    models: tuple[ModelPlan, ...]
    files: tuple[FilePlan, ...]
    gates: GateSet
    baselines: Mapping[str, tuple[Any, ...]]
    """Field of the results -> what `--baseline-models` says about other models."""
    suite: SuiteCost | None
    lock: HeldLock | None = None
    """The plan lock that the run is to be compared with."""


def plan_audit(request: AuditRequest) -> AuditPlan:
    """Plan an audit. Embeds and writes nothing, and loads no model; raises an AuditError whose class says whose error it is."""
    probes = probes_of(request)
    lock = read_lock(request.lock) if request.lock else None
    if lock is not None:
        request = _with_locked_gates(request, lock.lock.gates)
    locked = locked_questions(lock.lock) if lock is not None else ()
    check_gates(request)
    gates = GateSet() if request.predictions else gates_of(request, probes, locked)
    _check_outputs(request)
    baselines = kinds.read_points(request.baseline_models)
    if request.predictions:
        files = _files(request, probes)
        plan = AuditPlan(request, (), (), files, _gates_of_files(request, files, locked), baselines, None, lock)
        check_replicates(plan, [model for file in files for model in _models_in(file)])
        return plan
    # Before any model: errors in the data are reported within a second, not after minutes of reading weights.
    plans = tuple(_planned(probe, request, gates) for probe in probes)
    suite = None
    if request.suite is not None:
        suite = suite_cost(request.suite, plans)
        LOG.info("%s", suite.note)
    return AuditPlan(request, plans, models_of(request), (), gates, baselines, suite, lock)


def _with_locked_gates(request: AuditRequest, gates: Group) -> AuditRequest:
    """The request with the gates of its plan lock, as if they had been typed, before those that only the person typed."""
    request = request.model_copy(update={"fail_on": (*gates, *(gate for gate in request.fail_on if gate not in gates))})
    request.check_gates(request.fail_on, "gap > 0.05")
    return request


def check_models(plan: AuditPlan, *checks: Callable[[AnyModel, CacheRoot], object]) -> None:
    """Load each of several models once, and discard it: errors of a later one are raised before the first is audited."""
    if len(plan.models) < 2:
        return
    LOG.info("looking at %d models", len(plan.models))
    named = []
    for model in plan.models:
        with quiet_log(), loaded(model) as (encoder, root):
            check_fit(encoder, plan, root)
            for check in checks:
                check(encoder, root)
            named.append(NamedModel.of(model, encoder, plan))
        del encoder
        gc.collect()  # one model at a time in memory
    check_replicates(plan, named)


def check_fit(model: AnyModel, plan: AuditPlan, root: CacheRoot) -> None:
    """Raise errors about a loaded model before it sees an image."""
    for probe in plan.probes:
        check_model(model, probe, root)
    if model_type(model) == "classifier":
        _check_gates_of_labels(model, plan)


def _classified(model: Any, plan: AuditPlan) -> list[Probe]:
    """The probes with the questions that the labels of a classifier can answer."""
    return [classified_probe(probe.probe, model.labels, probe.label_map).probe for probe in plan.probes]


def _check_gates_of_labels(model: AnyModel, plan: AuditPlan) -> None:
    """Raise UsageError for a gate on a question that no label of a classifier answers."""
    asked = {question.id for probe in _classified(model, plan) for question in planned_questions(probe.measurements)}
    for resolved in plan.gates.resolved:
        if resolved.finding is not None and resolved.finding not in asked:
            why = f"no label of {model.record.name} answers {resolved.finding!r}"
            raise UsageError(f"the gate {resolved.gate.expression!r} cannot be decided", why=why, fix="--label-map FILE, or leave it out")


@dataclass(frozen=True)
class NamedModel:
    """A model, or one of those in a file of predictions, with its questions."""

    source: Any
    """Its name in the request."""
    name: str
    probes: tuple[Probe, ...]

    @classmethod
    def of(cls, model: ModelPlan, encoder: AnyModel, plan: AuditPlan) -> NamedModel:
        """A loaded model; a generative one has more questions than the probe, a classifier may have fewer."""
        if isinstance(encoder, Answerer):
            probes = [questionnaire(probe.probe, plan.request.seed).probe for probe in plan.probes]
        elif model_type(encoder) == "classifier":
            probes = _classified(encoder, plan)
        else:
            probes = [probe.probe for probe in plan.probes]
        return cls(model.model, encoder.record.name, tuple(probes))


def check_replicates(plan: AuditPlan, models: Sequence[NamedModel]) -> None:
    """Raise errors for replicates with different questions. Those of a served model are known only after its answers."""
    if not plan.request.as_replicates or any(model.served for model in plan.models):
        return
    by_probe: dict[str, list[ModelQuestions]] = {}
    for name, model in zip(unique_model_names([(model.source, model.name) for model in models], plan.request), models, strict=True):
        for probe in model.probes:
            by_probe.setdefault(probe.name, []).append(ModelQuestions.of(name, probe))
    for probe_name, replicates in by_probe.items():
        check_planned(replicates, probe_name)


def unique_model_names(models: Sequence[tuple[Any, str]], request: AuditRequest) -> tuple[str, ...]:
    """Distinct names of models, each given with its source: those of --name; else with the folder, if several have the same name."""
    if request.name:
        return request.name  # one for each source, none of which holds several models
    folders = [Path(source).parent.name if isinstance(source, str | Path) else "" for source, _ in models]
    return unique_names([name for _, name in models], folders)


def _check_outputs(request: AuditRequest) -> None:
    if request.junit is not None:
        check_regular(request.junit, "--junit")
    if request.out is not None:
        check_writable(request.out)


def _planned(probe: Probe, request: AuditRequest, gates: GateSet) -> ProbePlan:
    dataset = dataset_of(probe, request)
    gates.check(dataset.levels)
    return plan_probe(probe, dataset, request.settings, request.what_if, read_label_map(request.label_map))


def _files(request: AuditRequest, probes: Sequence[Probe]) -> tuple[FilePlan, ...]:
    questions = prediction_plan(request, probes)
    files = predictions_of(request, probes)
    return tuple(FilePlan(source, file, plan_answers(file, questions)) for source, file in zip(request.predictions, files, strict=True))


def _models_in(file: FilePlan) -> Iterator[NamedModel]:
    names = dict.fromkeys(plan.answered.model.name for plan in file.answers)
    for name in names:
        yield NamedModel(file.source, name, tuple(plan.probe for plan in file.answers if plan.answered.model.name == name))


def _gates_of_files(request: AuditRequest, files: Sequence[FilePlan], locked: Sequence[GateQuestion]) -> GateSet:
    """The gates on external predictions, whose questions depend on the files."""
    plans = [answers for file in files for answers in file.answers]
    asked = planned_questions(measurement for plan in plans for measurement in plan.probe.measurements)
    gates = GateSet.of(request.fail_on, asked, locked)
    levels: dict[str, Group] = {}
    for plan in plans:
        levels |= {name: (*levels.get(name, ()), *own) for name, own in plan.answered.dataset.levels.items()}
    gates.check(levels)
    return gates
