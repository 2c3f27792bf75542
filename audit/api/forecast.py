"""What an audit would do: its plan, with every model checked and timed; nothing is written."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace

from audit.api.models import ModelPlan, loaded, quiet_log
from audit.api.plan import AuditPlan, FilePlan, NamedModel, check_fit, check_replicates, plan_audit
from audit.engine.forecast import AuditForecast, ModelForecast, ProbeForecast, counted_levels, forecast_model, forecast_probe, shared_images
from audit.engine.plan import check_asks_texts
from audit.measure.asked.likelihood import PLAIN
from audit.options.audits import AuditRequest
from audit.types import Answerer, Manner


def forecast_audit(request: AuditRequest) -> AuditForecast:
    """What an audit would do. Errors that can be detected before the first image are raised as in the audit."""
    plan = plan_audit(request)
    models = [_model(plan, model) for model in plan.models]
    check_replicates(plan, [named for _, _, named in models if named])
    manners = [manner for _, manner, _ in models]
    probes = [forecast_probe(probe, manners) for probe in plan.probes]
    shared = shared_images([probe.dataset for probe in plan.probes])
    probes = [replace(forecast, shared=count) for forecast, count in zip(probes, shared, strict=True)]
    probes += [answers for file in plan.files for answers in _of_file(file)]
    replaces = request.out is not None and (request.out / "report.html").exists()
    names = request.name if plan.models and request.name else [model.name for model, _, _ in models]
    forecasts = tuple(replace(model, name=name) for name, (model, _, _) in zip(names, models, strict=True))
    return AuditForecast(forecasts, tuple(probes), request.fail_on, request.out, replaces, request.junit, plan.suite)


def _model(plan: AuditPlan, model: ModelPlan) -> tuple[ModelForecast, Manner | None, NamedModel | None]:
    """What a model would do, how it would be prompted (None if it embeds), and its questions. Nothing is sent over a network."""
    if (served := model.served) is not None:
        for probe in plan.probes if served.manner is None else ():
            check_asks_texts(probe.probe, served.name)
        return served.forecast(plan.probes, model.answers), served.manner, None
    with quiet_log(), loaded(model, note=False) as (encoder, root):
        check_fit(encoder, plan, root)
        forecast = forecast_model(encoder, root, [probe.dataset for probe in plan.probes])
        manner = PLAIN if isinstance(encoder, Answerer) else None
        named = NamedModel.of(model, encoder, plan)
    del encoder
    gc.collect()  # one model at a time in memory
    return forecast, manner, named


def _of_file(plan: FilePlan) -> Iterator[ProbeForecast]:
    for answers in plan.file.answers:
        predictions, texts = answers.predictions, tuple(answers.texts or ())
        counts = {str(name): counted_levels(column, images=predictions.count) for name, column in predictions.attributes.items()}
        yield ProbeForecast(answers.measurement, plan.file.name, predictions.images, 0, 0, counts, texts=texts)
