"""Builds the lock of a planned audit, and puts a run under the lock that it was given."""

from __future__ import annotations

import datetime as dt
import gc
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal

import probes
from audit.analyses import kinds
from audit.api.inputs import probe_sources
from audit.api.models import ModelPlan, loaded, quiet_log
from audit.api.plan import AuditPlan, check_fit
from audit.engine.external import AnswersPlan
from audit.engine.locked_table import locked_table
from audit.engine.plan import ProbePlan
from audit.engine.plan_lock import audit_lock, models_not_run, run_deviations, with_named_model
from audit.engine.served import ServedPlan
from audit.engine.texts import given_texts
from audit.errors import UsageError
from audit.measure.asked.likelihood import PLAIN
from audit.measure.asked.questionnaire import questionnaire
from audit.measure.classified.questions import classified_probe
from audit.naming import finding_id
from audit.predictions.bins import binned_levels
from audit.records.plan_lock import (
    LOCK_SCHEMA,
    LockDeviation,
    LockedClaim,
    LockedData,
    LockedModel,
    LockedProbe,
    LockedTable,
    PlanLock,
    RunLock,
)
from audit.results import AuditResult
from audit.statistics.effects import asked_effects
from audit.statistics.metrics import METRICS
from audit.types import (
    Answerer,
    AnyModel,
    Claim,
    Dataset,
    EffectClaim,
    Exclusion,
    Group,
    Manner,
    Measurement,
    ModelRecord,
    Probe,
    Served,
    Settings,
)
from audit.version import __version__

_PACKAGES = ("audit", "contrastive", "probes", "reports", "strictio", "verify")
_SOURCES = (".py", ".toml", ".html", ".css", ".js")


@dataclass(frozen=True)
class Statement:
    """What only the person who plans can state."""

    who: str | None = None
    why: str | None = None
    stopping_rule: str | None = None


@dataclass(frozen=True)
class _Form:
    """A probe as a model is asked, with its data."""

    probe: Probe
    dataset: Dataset
    images: int
    texts: frozenset[str]
    clusters: str | None
    weights: str | None
    table: LockedTable | None = None
    """Of external predictions."""


Asking = Manner | Group | None
"""How a generative model is asked, the labels of an image classifier, or None for a dual encoder."""


@dataclass(frozen=True)
class PlannedModel:
    """A model of a plan, and what its questions depend on."""

    model: LockedModel
    asking: Asking


@cache
def code_sha256() -> str:
    """The hash of the program: of the path and content of every source file of its packages, in the order of their paths."""
    root, digest = Path(probes.__file__).parents[1], hashlib.sha256()
    files = (path for package in _PACKAGES for path in (root / package).rglob("*") if path.suffix in _SOURCES)
    for path in sorted(files, key=lambda path: path.relative_to(root).as_posix()):
        digest.update(f"{path.relative_to(root).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def plan_lock(plan: AuditPlan, statement: Statement, *, any_model: bool = False) -> PlanLock:
    """The lock of a plan. Models are loaded, and see no image; without one, and with `any_model`, the lock allows any.

    Raises UsageError if its models, or files, would get different questions or data: one lock plans one set of questions.
    """
    models = tuple(_planned_models(plan))
    if plan.files:
        models = tuple(PlannedModel(LockedModel(*model_identity(a.answered.model)), None) for file in plan.files for a in file.answers)
    locked: dict[str, LockedProbe] = {}
    for name, probe in _all_probes(plan, dict.fromkeys(model.asking for model in models) or (None,)):
        if locked.setdefault(name, probe) != probe:
            why = "one lock plans one set of questions about one data set"
            raise UsageError(f"the models are asked different questions of {name!r}, or about different data", why=why, fix="plan each")
    named: Literal["any"] | tuple[LockedModel, ...] = (
        "any" if any_model or not models else tuple(dict.fromkeys(model.model for model in models))
    )
    created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return replace(_frame(plan, locked), models=named, who=statement.who, why=statement.why, stopping_rule=statement.stopping_rule,
                   created=created)  # fmt: skip


def _frame(plan: AuditPlan, locked: dict[str, LockedProbe]) -> PlanLock:
    """The fields of the run, with these probes."""
    settings = plan.request.settings
    return PlanLock(
        schema_version=LOCK_SCHEMA, software=f"vlm-audit {__version__}", code_sha256=code_sha256(), models="any", probes=locked,
        alpha=settings.alpha, draws=settings.draws, seed=settings.seed, min_group_size=settings.min_group_size, max_skip=settings.max_skip,
        limit=settings.limit, gates=plan.request.fail_on, stopping_rule=None, who=None, why=None, created="",
    )  # fmt: skip


# ---- a run under its lock ------------------------------------------------------------------------------------------------------------


def run_lock(plan: AuditPlan, audits: Sequence[AuditResult]) -> RunLock | None:
    """What the results record about the lock of a run, given its audits; None without a lock."""
    if (held := plan.lock) is None:
        return None
    served = [_planned_served(model.served).model for model in plan.models if model.served is not None]
    models = (*served, *(LockedModel(*model_identity(audit.model, served=audit.is_served)) for audit in audits))
    lock, gates = held.lock, tuple(gate for gate in plan.request.fail_on if gate not in held.lock.gates)
    deviations = (*_of_run(plan, lock), *models_not_run(lock, models))
    return RunLock(held.sha256, lock.created, lock.who, lock.why, lock.stopping_rule, gates, deviations)


def under_lock(plan: AuditPlan, model: ModelPlan, encoder: AnyModel) -> AuditPlan:
    """The plan for a loaded model: each probe says how it differs from the lock of the run, if there is one."""
    if (held := plan.lock) is None:
        return plan
    identity = LockedModel(*model_identity(encoder.record)) if model.served is None else _planned_served(model.served).model
    forms, run = dict(_all_probes(plan, (_asking(encoder),))), _of_run(plan, held.lock)
    locks = [audit_lock(held.lock, run, probe.probe.name, forms[probe.probe.name], identity) for probe in plan.probes]
    return replace(plan, probes=tuple(replace(probe, lock=lock) for probe, lock in zip(plan.probes, locks, strict=True)))


def answers_under_lock(plan: AuditPlan, answers: AnswersPlan) -> AnswersPlan:
    """The plan for the answers of one model, with their lock."""
    if (held := plan.lock) is None:
        return answers
    form, identity = _locked(_form_of_answers(answers), plan, None), LockedModel(*model_identity(answers.answered.model))
    lock = audit_lock(held.lock, _of_run(plan, held.lock), answers.probe.name, form, identity)
    return replace(answers, answered=replace(answers.answered, lock=lock))


def with_model_name(result: AuditResult, name: str) -> AuditResult:
    """The result with its model under the name of the request, in the deviations from its lock, too."""
    if name == result.model.name:
        return result
    model = replace(result.model, name=name)
    lock = None if result.lock is None else with_named_model(result.lock, LockedModel(*model_identity(model, served=result.is_served)))
    return replace(result, model=model, lock=lock)


def _of_run(plan: AuditPlan, lock: PlanLock) -> tuple[LockDeviation, ...]:
    names = {probe.probe.name for probe in plan.probes} | {answers.probe.name for file in plan.files for answers in file.answers}
    return run_deviations(lock, _frame(plan, {}), names)


# ---- models --------------------------------------------------------------------------------------------------------------------------


def _planned_models(plan: AuditPlan) -> Iterator[PlannedModel]:
    for model in plan.models:
        if model.served is not None:
            yield _planned_served(model.served)
            continue
        with quiet_log(), loaded(model, note=False) as (encoder, root):
            check_fit(encoder, plan, root)
            yield PlannedModel(LockedModel(*model_identity(encoder.record)), _asking(encoder))
        del encoder
        gc.collect()  # one model at a time in memory


def _planned_served(served: ServedPlan) -> PlannedModel:
    return PlannedModel(LockedModel(served.name, "", served.form), served.manner)


def _asking(encoder: AnyModel) -> Asking:
    if isinstance(encoder, Served):
        return encoder.manner
    return PLAIN if isinstance(encoder, Answerer) else encoder.record.labels or None


def model_identity(record: ModelRecord, *, served: bool = False) -> tuple[str, str, str]:
    """Name, hash and form of a model; the form leaves out what differs between machines. A served model has no weights to hash."""
    if served:
        return record.name, "", record.kind
    form = ", ".join((record.dtype, record.architecture, record.preprocessing, record.tokenizer))
    return record.name, record.sha256, form


# ---- probes --------------------------------------------------------------------------------------------------------------------------


def _all_probes(plan: AuditPlan, askings: Iterable[Asking]) -> Iterator[tuple[str, LockedProbe]]:
    """Each probe by name, once for every way in which it is asked."""
    if plan.files:
        forms = [_form_of_answers(answers) for file in plan.files for answers in file.answers]
        yield from ((form.probe.name, _locked(form, plan, None)) for form in forms)
        return
    for asking in askings:
        forms = [_form(probe, asking) for probe in plan.probes]
        size = sum(map(_planned_number, forms)) if plan.suite else None
        yield from ((form.probe.name, _locked(form, plan, size)) for form in forms)


def _form(plan: ProbePlan, asking: Asking) -> _Form:
    probe = plan.probe
    if isinstance(asking, Manner):
        written, _ = kinds.split(probe.analyses, "generative")
        probe = replace(questionnaire(probe, plan.settings.seed, asking).probe, analyses=written)
    elif asking is not None:
        probe = classified_probe(probe, asking, plan.label_map).probe
        return _Form(probe, plan.dataset, len(plan.dataset.images), _meanings(probe), probe.cluster, probe.weights)
    texts = frozenset(given_texts(probe, () if asking else plan.what_ifs).texts)
    return _Form(probe, plan.dataset, len(plan.dataset.images), texts, probe.cluster, probe.weights)


def _meanings(probe: Probe) -> frozenset[str]:
    """What every label of a classifier means in every measurement: it receives no other texts."""
    return frozenset(
        f"{m.name}: {label} means {m.label_set.answers.get(label, label)}" for m in probe.measurements for label in m.label_set.labels
    )


def _form_of_answers(plan: AnswersPlan) -> _Form:
    answered = plan.answered
    cluster, weights = answered.cluster or plan.probe.cluster, answered.weights or plan.probe.weights
    return _Form(
        plan.probe, answered.dataset, answered.used, frozenset(), cluster, weights,
        locked_table(answered.predictions, cluster, weights, identified=not answered.dataset.numbered),
    )  # fmt: skip


def _planned_number(form: _Form) -> int:
    measurements = form.probe.measurements
    effects = sum(claim.primary for measurement in measurements for _, claim in asked_effects(measurement))
    return sum(claim.primary for measurement in measurements for claim in measurement.claims) + effects


def _locked(form: _Form, plan: AuditPlan, suite_size: int | None) -> LockedProbe:
    probe, settings = form.probe, plan.request.settings
    claims = [(finding_id(m.name, claim), m, claim) for m in probe.measurements for claim in m.claims]
    effects = [(name, m, claim) for m in probe.measurements for name, claim in asked_effects(m)]
    prompts = {m.name: {label: tuple(map(_sha256, texts)) for label, texts in m.label_set.prompts.items()} for m in probe.measurements}
    own = set(chain.from_iterable(texts for m in probe.measurements for texts in m.label_set.prompts.values()))
    source = probe_sources(plan.request).get(probe.name)
    return LockedProbe(
        source_sha256=source.sha256 if source else None, prompts=prompts,
        questions={m.name: _sha256(m.asked.text) for m in probe.measurements if m.asked},
        texts=tuple(sorted(map(_sha256, form.texts - own))),
        data=LockedData(form.dataset.fingerprint, form.images, _left_out(form.dataset.exclusions), form.table),
        bins=binned_levels(note for note in form.dataset.notes), clusters=form.clusters, weights=form.weights,
        claims={name: _claim(m, claim, settings) for name, m, claim in claims if claim.primary}
        | {name: _effect(m, claim, settings) for name, m, claim in effects if claim.primary},
        exploratory=(
            *(name for name, _, claim in claims if not claim.primary), *(name for name, _, claim in effects if not claim.primary),
        ),
        family=f"suite {plan.suite.name}" if plan.suite else f"probe {probe.name}",
        family_size=_planned_number(form) if suite_size is None else suite_size,
    )  # fmt: skip


def _claim(measurement: Measurement, claim: Claim, settings: Settings) -> LockedClaim:
    tolerance = settings.tolerance if claim.tolerance is None else claim.tolerance
    general = None if claim.metric == "retrieval_rate" else settings.ratio_tolerance
    ratio = general if claim.ratio_tolerance is None else claim.ratio_tolerance
    better = claim.better or METRICS[claim.metric].better
    return LockedClaim(measurement.name, claim.metric, claim.outcome, claim.by, better, tolerance, ratio)


def _effect(measurement: Measurement, claim: EffectClaim, settings: Settings) -> LockedClaim:
    metric = claim.kind if claim.metric is None else f"{claim.kind} of {claim.metric}"
    tolerance = settings.tolerance if claim.tolerance is None else claim.tolerance
    return LockedClaim(measurement.name, metric, claim.outcome, (claim.by,), "neither", tolerance, None, claim.order)


def _left_out(exclusions: Sequence[Exclusion]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for exclusion in exclusions:
        reason = exclusion.reason
        listed = {} if isinstance(reason, str) else reason.values
        name = reason if isinstance(reason, str) else reason.code
        counts[f"{name} (sha256 {listed['sha256']})" if "sha256" in listed else name] += exclusion.count
    return dict(counts)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
