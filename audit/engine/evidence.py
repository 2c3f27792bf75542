"""Adds every kind of evidence to a decided audit: it supports the verdicts and never affects them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from importlib import import_module
from types import ModuleType
from typing import Any

from audit import evidence
from audit.evidence.base import EvidenceInputs
from audit.results import AuditEvidence, AuditResult, FindingEvidence, MeasurementEvidence
from audit.stages import Stage, Stages, silent
from audit.types import Group, Measurement, Predictions, Settings


def evidence_modules(container: type[FindingEvidence] | type[MeasurementEvidence] | type[AuditEvidence]) -> dict[str, ModuleType]:
    """The module of each kind of evidence in a container: the one with the name of the field."""
    return {field.name: import_module(f"{evidence.__name__}.{field.name}") for field in fields(container)}


def add_evidence(
    result: AuditResult,
    measurements: Sequence[Measurement],
    predictions: Mapping[str, Predictions],
    levels: Mapping[str, Group],
    settings: Settings,
    stages: Stages = silent,
) -> AuditResult:
    """Add every kind of evidence to the decided result, in the stage `evidence`. No verdict, rate or p-value changes.

    Measurements whose images come in clusters or have weights get none, since it treats images as independent and equally weighted, and
    would be overconfident. The same holds for most evidence about a question that is compared inside counterfactual sets: the rest accounts
    for them.
    """
    alike = {name for name, prediction in predictions.items() if prediction.cluster is None and prediction.weight is None}
    measured = {measurement.name: measurement for measurement in measurements if measurement.name in alike}
    inputs = EvidenceInputs(
        result.findings, result.counts, {record.name: len(record.answer_counts) for record in result.measurements}, result.model.dtype,
        result.data.limited, measured, predictions, levels, settings,
    )  # fmt: skip
    kinds = tuple(map(evidence_modules, (FindingEvidence, MeasurementEvidence, AuditEvidence)))
    stage = Stage("evidence", sum(map(len, kinds)), stages)

    def collected(modules: Mapping[str, ModuleType], what: str) -> dict[str, Any]:
        records = {}
        for name, module in modules.items():
            records[name] = getattr(module, what)(inputs)
            stage.advance()
        return records

    by_finding, by_measurement, of_audit = map(collected, kinds, ("by_finding", "by_measurement", "of_audit"))

    def of(key: str, records: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {name: by_key[key] for name, by_key in records.items() if key in by_key}

    return replace(
        result,
        findings=tuple(replace(finding, evidence=FindingEvidence(**of(finding.id, by_finding))) for finding in result.findings),
        measurements=tuple(
            replace(record, evidence=MeasurementEvidence(**of(record.name, by_measurement))) for record in result.measurements
        ),
        evidence=AuditEvidence(**of_audit),
    )
