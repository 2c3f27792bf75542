"""Audits the models of a plan, one after another: loads each, asks it the questions of every probe, and decides them."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from audit.api.models import ModelPlan, iter_models, loaded, quiet_log
from audit.api.plan import AuditPlan, check_fit, check_models
from audit.api.plan_lock import under_lock
from audit.embedding.cache import CacheRoot
from audit.embedding.parts import name_missing_parts
from audit.engine import AuditedProbe, UndecidedProbe, decide_suite
from audit.engine.answers import ask_probe
from audit.engine.drift import SampleAnswers, answer_sample, shortcut_of, with_drift
from audit.engine.examples import with_examples, with_pictures
from audit.engine.plan import ProbePlan
from audit.engine.untrained_control import with_untrained_control
from audit.options.audits import AuditRequest
from audit.output.run_directory import RunDirectory
from audit.stages import Stages
from audit.types import Encoder, Note, Served

LOG = logging.getLogger("audit")


def audit_models(plan: AuditPlan, directory: RunDirectory, stages: Stages) -> Iterator[tuple[Any, list[AuditedProbe]]]:
    """Yield each model, as in the request, with its audits."""
    check_models(plan)
    for model in iter_models(plan.models):
        yield model.model, _audit_model(model, plan, directory, stages)
        if isinstance(model.model, str):
            gc.collect()  # one model at a time in memory; an object of the caller stays, and the search for it takes up to .3 s


def _audit_model(model: ModelPlan, plan: AuditPlan, directory: RunDirectory, stages: Stages) -> list[AuditedProbe]:
    request = plan.request
    audited: list[AuditedProbe] = []
    samples: list[SampleAnswers | None] = []
    with loaded(model) as (encoder, root):
        # An object of the caller cannot be reloaded in full precision, and a generative model takes too long to use twice.
        shortcut = shortcut_of(encoder.record.dtype, model.decode) if isinstance(model.model, str) and isinstance(encoder, Encoder) else ""
        check_fit(encoder, plan, root)
        directory.open()
        plan = under_lock(plan, model, encoder)
        how: dict[str, Any] = {"cache_root": root, "batch_size": request.batch_size, "stages": stages, "verify": request.verify}
        tested = _tested_probes(encoder, plan, how)
        # A suite is decided when all its probes are tested, any other probe before the next one starts.
        decided = (probe.decide(None) for probe in tested) if plan.suite is None else decide_suite(plan.suite.name, list(tested))
        for probe, done in zip(plan.probes, decided, strict=True):
            compared = with_untrained_control(done, encoder, probe, **how) if request.untrained_control else done
            shown = with_pictures(compared, probe.dataset, request.settings.seed)
            audited.append(with_examples(shown, probe.dataset, request.include_examples) if request.include_examples else shown)
            if shortcut:
                samples.append(_sample(encoder, probe, root, request))
    if not shortcut:
        return audited
    del encoder  # one model at a time in memory
    pairs = zip(_samples_in_full(model, plan), samples, strict=True)
    return [with_drift(done, *pair, shortcut, request.settings) for done, pair in zip(audited, pairs, strict=True)]


def _tested_probes(encoder: Any, plan: AuditPlan, how: Mapping[str, Any]) -> Iterator[UndecidedProbe]:
    """Test the questions of one probe after another."""
    for probe in plan.probes:
        name, images = probe.probe.name, len(probe.dataset.images)
        LOG.info("model %s  probe %s  images %d  device %s", encoder.record.name, name, images, plan.request.device)
        if isinstance(encoder, Served):
            LOG.info("%s", Note("to_send", {"images": images, **encoder.place}))
        name_missing_parts(probe.dataset, encoder.record, how["cache_root"])
        yield ask_probe(encoder, probe, **how)


def _samples_in_full(model: ModelPlan, plan: AuditPlan) -> list[SampleAnswers | None]:
    """The model's answers for a sample of each data set without any shortcut."""
    LOG.info("asking a sample of the images again in float32, decoded exactly")
    with quiet_log(), loaded(model.full_precision) as (encoder, root):
        return [_sample(encoder, probe, root, plan.request) for probe in plan.probes]


def _sample(encoder: Any, probe: ProbePlan, root: CacheRoot, request: AuditRequest) -> SampleAnswers | None:
    with quiet_log():
        return answer_sample(encoder, probe, cache_root=root, batch_size=request.batch_size)
