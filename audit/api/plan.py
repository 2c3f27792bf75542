"""The plan of a request without executing it: probes, data, gates and every model are read."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace

from audit.api.inputs import dataset_of, gates_of, predictions_of, probes_of
from audit.api.models import answer_folder, args_by_model, check_fit, loaded, quiet_log
from audit.engine.plan import AuditPlan, PlannedModel, PlannedProbe, SuiteCost, counted_levels, planned_model, planned_probe, suite_cost
from audit.engine.served import planned_manner, planned_upload
from audit.measure.asked.likelihood import PLAIN
from audit.models.endpoint.model import answers_kept
from audit.models.endpoint.settings import EndpointSettings, model_name
from audit.options.audits import AuditRequest
from audit.options.endpoint import is_served
from audit.output.directory import check_regular
from audit.output.run_directory import RunDirectory
from audit.types import Answerer, Dataset, Manner, Probe


def plan_audit(request: AuditRequest) -> AuditPlan:
    """What an audit would do. Errors that can be detected before the first image are raised as in the audit; nothing is written."""
    probes = probes_of(request)
    gates = gates_of(request, probes)
    RunDirectory(request.out)
    if request.junit is not None:
        check_regular(request.junit, "--junit")
    models: list[PlannedModel] = []
    suite: SuiteCost | None = None
    if request.predictions:
        planned = _of_predictions(request, probes)
    else:
        datasets = [dataset_of(probe, request) for probe in probes]
        for dataset in datasets:
            gates.check(dataset)
        probes_with_data = list(zip(probes, datasets, strict=True))
        manners: list[Manner | None] = []
        for model, args in zip(request.model, args_by_model(request), strict=True):
            if is_served(model):
                settings = request.endpoint_settings(model)
                models.append(planned_endpoint(model, settings, probes_with_data, request))
                manners.append(planned_manner(settings))
                continue
            with quiet_log(), loaded(model, args, request, note=False) as (encoder, root):
                check_fit(encoder, probes_with_data, request, root)
                models.append(planned_model(encoder, root, datasets))
                manners.append(PLAIN if isinstance(encoder, Answerer) else None)
            del encoder
            gc.collect()  # one model at a time in memory
        planned = [planned_probe(*probe_with_data, manners, request.seed) for probe_with_data in probes_with_data]
        first = {dataset.fingerprint: index for index, dataset in reversed([*enumerate(datasets)])}
        planned = [
            replace(plan, repeated=first[dataset.fingerprint] < i) for i, (plan, dataset) in enumerate(zip(planned, datasets, strict=True))
        ]
        suite = suite_cost(request.suite, probes_with_data) if request.suite else None
    replaces = request.out is not None and (request.out / "report.html").exists()
    return AuditPlan(tuple(models), tuple(planned), request.fail_on, request.out, replaces, request.junit, suite)


def _of_predictions(request: AuditRequest, probes: Sequence[Probe]) -> list[PlannedProbe]:
    planned = []
    for file in predictions_of(request, probes):
        for answers in file.answers:
            predictions, texts = answers.predictions, tuple(answers.texts or ())
            counts = {str(name): counted_levels(column, images=predictions.count) for name, column in predictions.attributes.items()}
            rows = predictions.images
            planned.append(PlannedProbe(answers.measurement, file.name, rows, 0, 0, counts, texts=texts))
    return planned


def planned_endpoint(
    spec: str, settings: EndpointSettings, probes_with_data: Sequence[tuple[Probe, Dataset]], request: AuditRequest
) -> PlannedModel:
    """What would be sent to a model behind an endpoint; nothing is sent."""
    upload = planned_upload(settings, probes_with_data, request.seed, answers_kept(spec, settings, answer_folder(request)))
    kind = f"endpoint at {settings.host}"
    return PlannedModel(model_name(spec), kind, 0, (), None, upload)
