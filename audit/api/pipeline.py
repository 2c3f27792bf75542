"""The pipeline from a request to a finished audit, shared by the command, comparisons and notebooks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from audit.analyses import kinds
from audit.api.audit_output import Clock, assemble_results, write
from audit.api.audits import Audit
from audit.api.inputs import probe_sources
from audit.api.junit import junit_of_errors
from audit.api.plan import AuditPlan, plan_audit, unique_model_names
from audit.api.plan_lock import answers_under_lock, run_lock, with_model_name
from audit.comparison.within import has_several_models, pair_models
from audit.engine import AuditedProbe
from audit.engine.external import audit_answers
from audit.errors import UsageError
from audit.options.audits import AuditRequest
from audit.output.directory import write_text
from audit.output.run_directory import RunDirectory
from audit.records.inputs import ProbeSource
from audit.replicates import replicates
from audit.results import Results
from audit.stages import Stages
from audit.types import Note, Settings
from reports.exports.junit import junit_xml
from reports.text.notes import sentence

LOG = logging.getLogger("audit")


def audit(model: Any = (), probe: Any = (), *, settings: Settings | None = None, what_ifs: Sequence[str] = (), **options: Any) -> Audit:
    """Audit models with probes, or external predictions.

    A model is a spec as for `--model`, or an object with `encode_images` and `encode_texts`; a probe is a name, a
    file with one, or a `Probe`; either may be a list. `settings` sets seed, alpha, tolerance, min_group_size, draws, limit and
    max_skip at once, `what_ifs` sets the option `what_if`, and `options` are the fields of `AuditRequest`: `data`, `predictions`,
    `fail_on`, `out`, …, like the flags of the same names. Raises a subclass of AuditError that identifies the cause; its `exit_code` is
    that with which the command would have ended.
    """
    if settings is not None and not isinstance(settings, Settings):
        raise UsageError(f"settings of type {type(settings).__name__}", fix="audit.types.Settings(…), or its fields by name")
    from_settings = asdict(settings) if settings else {}
    if twice := sorted(from_settings.keys() & options.keys()):
        raise UsageError(f"{twice[0]} is given twice", why="it is a field of the settings", fix="give it once")
    if what_ifs and "what_if" in options:
        raise UsageError("what-ifs are given twice", where="what_ifs, what_if", fix="give what_if alone")
    if what_ifs:
        options["what_if"] = what_ifs
    with junit_of_errors(options.get("junit"), options.get("fail_on")):
        return run_audit(AuditRequest(**{"model": model, "probe": probe, **from_settings, **options}))


def run_audit(request: AuditRequest) -> Audit:
    """Audit every model with every probe; write the directory if the request names one."""
    LOG.addFilter(notes_in_words)
    clock, stages = Clock(), _stages(request)
    stages("reading", 0, 1)
    plan = plan_audit(request)
    request.check_outputs()
    sources = probe_sources(request)
    with RunDirectory(request.out, log=LOG, log_format=request.log_format) as directory:
        by_source = _audit_files(plan, directory, stages) if plan.files else _audit_models(plan, directory, stages)
        audited = [_with_source(each, sources) for each in _rename_models(list(by_source), request)]
        audited = _with_effective_robustness(audited, plan)
        ran_on = {"device": request.device, "dtype": request.dtype}
        results = assemble_results(audited, request.settings, request.command, ran_on, clock.timing())
        results = replace(_combine_models(results, audited, request), lock=run_lock(plan, results.audits))
        results = plan.gates.decide(results)
        if directory.folder is not None:
            stages("writing", 0, 1)
            write(directory.folder, results, audited, plan.lock)
            stages("writing", 1, 1)
        if request.junit is not None:
            write_text(request.junit, junit_xml(results, request.gate_policy))
    done = Audit(results, tuple(audited), request.out, request.gate_policy, plan.lock)
    request.make_outputs(done)
    return done


def _with_effective_robustness(audited: list[AuditedProbe], plan: AuditPlan) -> list[AuditedProbe]:
    """Complete analyses by what the other models show; replicates of one model do not count as other models."""
    if not kinds.any_beside([audited_probe.result for audited_probe in audited]):
        if plan.request.baseline_models is not None:
            LOG.warning("no probe asks about a natural shift: --baseline-models is not used")
        return audited
    together = (
        [[audited_probe.result] for audited_probe in audited]
        if plan.request.as_replicates
        else [[audited_probe.result for audited_probe in audited]]
    )
    completed = [result for results in together for result in kinds.with_other_models(results, plan.baselines, plan.request.alpha)]
    return [replace(audited_probe, result=result) for audited_probe, result in zip(audited, completed, strict=True)]


def _stages(request: AuditRequest) -> Stages:
    """The callbacks for the engine's stages: that for all stages, and that for images only."""

    def tell(stage: str, done: int, total: int) -> None:
        if request.progress is not None and stage == "images" and done:
            request.progress(done, total)
        if request.stages is not None:
            request.stages(stage, done, total)

    return tell


def notes_in_words(record: logging.LogRecord) -> bool:
    """Log notes as sentences: the packages that create them only have codes."""
    if isinstance(record.args, tuple):
        record.args = tuple(sentence(arg) if isinstance(arg, Note) else arg for arg in record.args)
    return True


def _combine_models(results: Results, audited: Sequence[AuditedProbe], request: AuditRequest) -> Results:
    """Add the combined results of several models: as replicates of one, or each compared with the first."""
    if request.as_replicates:
        return replace(results, replicates=replicates(audited, request.settings))
    if not has_several_models(results):
        return results
    return replace(results, paired_models=pair_models(Audit(results, tuple(audited)).sides, request.settings))


_Audited = Iterator[tuple[Any, list[AuditedProbe]]]
"""A model, or predictions, as in the request, with its audits."""


def _rename_models(audited: Sequence[tuple[Any, list[AuditedProbe]]], request: AuditRequest) -> list[AuditedProbe]:
    """The audits in their order, with models (or files) renamed that have a name in the request, or the same name as another.

    Predictions and pages identify them by name.
    """
    named = [
        (source, name)
        for source, audited_probes in audited
        for name in dict.fromkeys(audited_probe.result.model.name for audited_probe in audited_probes)
    ]
    apart = iter(unique_model_names(named, request))
    done = []
    for _, audited_probes in audited:
        names = {name: next(apart) for name in dict.fromkeys(audited_probe.result.model.name for audited_probe in audited_probes)}
        done += [replace(one, result=with_model_name(one.result, names[one.result.model.name])) for one in audited_probes]
    return done


def _with_source(audited: AuditedProbe, sources: Mapping[str, ProbeSource]) -> AuditedProbe:
    """With where its probe is from."""
    probe = audited.result.probe
    return replace(audited, result=replace(audited.result, probe=replace(probe, made=sources.get(probe.name))))


def _audit_files(plan: AuditPlan, directory: RunDirectory, stages: Stages) -> _Audited:
    directory.open()
    for file in plan.files:
        for note in file.file.notes:
            LOG.info("%s", note)
        locked = [answers_under_lock(plan, answers) for answers in file.answers]
        yield file.source, [audit_answers(answers, plan.request.settings, stages) for answers in locked]


def _audit_models(plan: AuditPlan, directory: RunDirectory, stages: Stages) -> _Audited:
    from audit.api.model_audits import audit_models  # models and their embeddings, which a table does not need

    return audit_models(plan, directory, stages)
