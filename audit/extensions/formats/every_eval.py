"""Every Eval Ever: a record of evaluation results, one model a record (schema 0.3.0, arXiv 2606.14516).

The schema has no field for groups: a rate of a group is a result of its own, and its metric's parameters name attribute and group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.errors import UsageError
from audit.extensions.formats.cyclonedx import WEIGHTS, hash_of
from audit.records.finding import Rate
from audit.results import AuditResult, Finding, Results
from audit.types import Settings
from reports.text.numbers import clean
from reports.text.phrases import answers_only

SCHEMA = "0.3.0"
FOR_ONE = "for this rate alone (docs/method.md, Intervals)"
FOR_ALL = "simultaneous over all pairs of groups (docs/method.md, Intervals)"


@dataclass(frozen=True)
class Evaluator:
    """Who evaluated which model: what only the user knows."""

    organization: str
    relationship: str
    """The evaluator's to the model's developer: first_party, third_party, collaborative or other."""
    model_id: str
    """DEVELOPER/MODEL, as on the hub."""


def evaluation_record(results: Results, sha256: str, evaluator: Evaluator, model: str | None = None) -> dict[str, Any]:
    """Return the record of one model; `model` is its name, None if there is one only. `sha256` is that of results.json.

    Every rate and every gap is a result, regardless of the verdict. Raises UsageError if the model is not among those of the results, if
    there are several and none is named, or if nothing is estimable.
    """
    audits = _of_model(results, model)
    written = [entry for audit in audits for entry in _results(audit, results.settings)]
    if not written:
        raise UsageError("there is nothing to record", why="no rate of this model is estimable")
    created = str(int(datetime.fromisoformat(results.timing.created).timestamp()))
    name, _, number = results.tool.partition(" ")
    probes = "+".join(dict.fromkeys(audit.probe.name for audit in audits))
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{probes}/{clean(evaluator.model_id)}/{created}",
        "evaluation_timestamp": created,
        "retrieved_timestamp": created,
        "source_metadata": {
            "source_name": results.tool,
            "source_type": "evaluation_run",
            "source_organization_name": clean(evaluator.organization),
            "evaluator_relationship": evaluator.relationship,
            "additional_details": {"results.json sha256": sha256},
        },
        "eval_library": {"name": name, "version": number},
        "model_info": _model(audits[0], evaluator.model_id),
        "evaluation_results": written,
    }


def _of_model(results: Results, model: str | None) -> list[AuditResult]:
    names = list(dict.fromkeys(audit.model.name for audit in results.audits))
    if model is None and len(names) > 1:
        raise UsageError(f"the results are of {len(names)} models, and a record is of one", why=", ".join(names), fix="--model NAME")
    if model is not None and model not in names:
        raise UsageError(f"no model {model!r} in the results", why=f"they are of {', '.join(names)}", fix="--model NAME")
    return [audit for audit in results.audits if model is None or audit.model.name == model]


def _model(audit: AuditResult, model_id: str) -> dict[str, Any]:
    """Say what is known of the model; whether its weights are public is not."""
    deployment = "externally_managed" if audit.is_served else "unknown" if answers_only(audit.model) else "self_deployed"
    details = {"deployment_type": deployment, "model_availability": "unknown", f"sha256 of {hash_of(audit)}": audit.model.sha256}
    if hash_of(audit) == WEIGHTS:
        details |= {"kind": clean(audit.model.kind), "parameters": str(audit.model.parameters), "dtype": audit.model.dtype}
    return {"name": clean(audit.model.name), "id": clean(model_id), "additional_details": details}


def _results(audit: AuditResult, settings: Settings) -> Iterator[dict[str, Any]]:
    for finding in audit.findings:
        for rate in (finding.overall, *finding.by_group):
            if rate.value is not None:
                yield _rate(audit, finding, rate, settings)
        if finding.gap is not None:
            yield _gap(audit, finding, settings)


def _rate(audit: AuditResult, finding: Finding, rate: Rate, settings: Settings) -> dict[str, Any]:
    group = "" if rate is finding.overall else " x ".join(rate.group)
    score: dict[str, Any] = {"score": rate.value, "details": {"events": str(rate.events), "group_status": rate.status}}
    uncertainty: dict[str, Any] = {"num_samples": rate.n}
    if rate.low is not None and rate.high is not None:
        uncertainty["confidence_interval"] = _interval(rate.low, rate.high, settings, FOR_ONE)
    result = _result(audit, finding, f"{finding.metric} of {group or 'all images'}", {"group": group or None})
    result["metric_config"] |= {"lower_is_better": finding.better == "low", "min_score": 0, "max_score": 1}
    return result | {"score_details": score | {"uncertainty": uncertainty}}


def _gap(audit: AuditResult, finding: Finding, settings: Settings) -> dict[str, Any]:
    """Return the result of the pair that the report names; of the largest difference if it names none."""
    gap = finding.gap
    assert gap is not None  # noqa: S101  (checked by the caller)
    pair = gap.leading
    of = (pair.difference, pair.low, pair.high) if pair else (gap.value, gap.low, gap.high)
    higher, lower = (pair.higher, pair.lower) if pair else (gap.highest, gap.lowest)
    judged = {
        "verdict": finding.verdict,
        "planned": str(finding.primary).lower(),
        "tolerance": str(finding.tolerance),
        "p_adjusted": str(gap.p_adjusted),
        "better": finding.better,
    }
    parameters = {"group": " x ".join(higher), "compared_with": " x ".join(lower)}
    result = _result(audit, finding, f"gap of {finding.metric}: {parameters['group']} - {parameters['compared_with']}", parameters)
    result["metric_config"] |= {"lower_is_better": True, "min_score": -1, "max_score": 1}
    interval = {"confidence_interval": _interval(of[1], of[2], settings, FOR_ALL)}
    return result | {"score_details": {"score": of[0], "details": judged, "uncertainty": interval}}


def _interval(low: float, high: float, settings: Settings, method: str) -> dict[str, Any]:
    return {"lower": low, "upper": high, "confidence_level": 1 - settings.alpha, "method": method}


def _result(audit: AuditResult, finding: Finding, metric: str, parameters: Mapping[str, str | None]) -> dict[str, Any]:
    """Return what rates and gaps of a finding share."""
    data = audit.data
    facts = {"fingerprint": data.fingerprint, "source": data.source, "licence": data.licence, "images_used": str(data.used)}
    named = {"finding": finding.id, "attribute": " x ".join(finding.attributes), "outcome": finding.outcome, **parameters}
    return {
        "evaluation_name": clean(f"{audit.probe.name}/{finding.id}"),
        "source_data": {
            "dataset_name": clean(data.name),
            "source_type": "other",
            "additional_details": {name: clean(text) for name, text in facts.items()},
        },
        "metric_config": {
            "metric_name": clean(metric),
            "metric_kind": finding.metric,
            "metric_unit": "proportion",
            "metric_parameters": {name: None if text is None else clean(text) for name, text in named.items()},
            "score_type": "continuous",
        },
    }
