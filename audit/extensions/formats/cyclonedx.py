"""CycloneDX: a bill of materials whose model cards hold what an audit measured (ECMA-424, versions 1.6 and 1.7).

A metric of a card has a value, a slice and an interval, all as text, and no field for a verdict, a tolerance or a number of images: these
are properties of the card, one per finding. Benefits and mitigation are left out, because an audit does not know them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from audit.results import AuditResult, Finding, Results
from audit.types import Settings
from reports.text.headline.differences import affected, size_sentence, statement
from reports.text.numbers import clean
from reports.text.phrases import answers_only, intervals

VERSIONS = ("1.6", "1.7")
PREFIX = "vlm-audit:"
WEIGHTS = "the weights"


def bill_of_materials(results: Results, sha256: str, version: str = VERSIONS[0]) -> dict[str, Any]:
    """Return a bill of materials: a component for each model, with its card, and one for each data set.

    `sha256` is that of results.json: from it the serial number follows, so that equal results give an equal bill. `version` is one of
    `VERSIONS`.
    """
    models: dict[tuple[str, str], list[AuditResult]] = {}
    data = {audit.data.fingerprint: audit for audit in results.audits}
    for audit in results.audits:
        models.setdefault((audit.model.name, audit.model.sha256), []).append(audit)
    name, _, number = results.tool.partition(" ")
    tool = {"type": "application", "name": name, "version": number}
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'vlm-audit:{sha256}')}",
        "version": 1,
        "metadata": {
            "timestamp": results.timing.created,
            "tools": {"components": [tool]},
            "properties": _properties({"results.json sha256": sha256}),
        },
        "components": [*(_model(audits, results.settings) for audits in models.values()), *map(_data, data.values())],
    }


def _model(audits: list[AuditResult], settings: Settings) -> dict[str, Any]:
    model = audits[0].model
    limits = [limit for audit in audits for limit in (*audit.probe.limits, *(f"Not tested: {what}" for what in audit.probe.not_tested))]
    hashed = hash_of(audits[0])
    facts = {"kind": model.kind, "intervals": intervals(settings.alpha), f"sha256 of {hashed}": model.sha256}
    findings = {
        f"finding:{audit.probe.name}/{finding.id}": json.dumps(_judged(finding), ensure_ascii=False)
        for audit in audits
        for finding in audit.findings
    }
    card = {
        "modelParameters": {"datasets": [{"ref": ref} for ref in dict.fromkeys(_reference(audit) for audit in audits)]},
        "quantitativeAnalysis": {"performanceMetrics": [metric for audit in audits for metric in _metrics(audit)]},
        "considerations": {
            "technicalLimitations": [clean(limit) for limit in dict.fromkeys(limits)],
            "fairnessAssessments": [risk for audit in audits for risk in _risks(audit, settings)],
        },
        "properties": _properties(facts | findings),
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{model.sha256}:{clean(model.name)}",
        "name": clean(model.name),
        **({"hashes": [{"alg": "SHA-256", "content": model.sha256}]} if hashed == WEIGHTS else {}),
        "modelCard": card,
    }


def hash_of(audit: AuditResult) -> str:
    """Say what was hashed as an audit's model: `WEIGHTS`, or something else if no model was loaded."""
    if audit.is_served:
        return "the settings, versions and dates of the endpoint"
    return "the file of answers" if answers_only(audit.model) else WEIGHTS


def _metrics(audit: AuditResult) -> Iterator[dict[str, Any]]:
    """Yield the rates of every finding, of all images first, and its gap: also where no difference was shown."""
    for finding in audit.findings:
        what, by = f"{audit.probe.name}/{finding.id.rpartition('/')[0]}", " x ".join(finding.attributes)
        for rate in (finding.overall, *finding.by_group):
            slice_ = f"{by}={' x '.join(rate.group)}" if rate is not finding.overall else f"{by}: all images"
            if rate.value is not None and rate.low is not None and rate.high is not None:
                yield _metric(what, slice_, (rate.value, rate.low, rate.high))
        pair = finding.gap and finding.gap.leading
        if pair:
            slice_ = f"{by}: {' x '.join(pair.higher)} - {' x '.join(pair.lower)}"
            yield _metric(f"{what} gap", slice_, (pair.difference, pair.low, pair.high))
        elif finding.gap:
            yield _metric(f"{what} gap", f"{by}: highest - lowest", (finding.gap.value, finding.gap.low, finding.gap.high))


def _metric(kind: str, of: str, estimate: tuple[float, float, float]) -> dict[str, Any]:
    value, low, high = (f"{number:.6f}" for number in estimate)
    return {"type": clean(kind), "slice": clean(of), "value": value, "confidenceInterval": {"lowerBound": low, "upperBound": high}}


def _judged(finding: Finding) -> dict[str, Any]:
    """Return what a metric has no field for."""
    return {
        "verdict": finding.verdict,
        "planned": finding.primary,
        "better": finding.better,
        "tolerance": finding.tolerance,
        "ratio_tolerance": finding.ratio_tolerance,
        "p_adjusted": None if finding.gap is None else finding.gap.p_adjusted,
        "images": {" x ".join(rate.group): rate.n for rate in finding.by_group},
        "not_judged": [" x ".join(rate.group) for rate in finding.by_group if rate.status != "ok"],
    }


def _risks(audit: AuditResult, settings: Settings) -> Iterator[dict[str, str]]:
    """Yield the groups for which a planned question found a worse rate, with what was measured."""
    for finding in audit.findings:
        if finding.primary and finding.verdict == "disparity":
            groups = " and ".join(" x ".join(group) for group in affected(finding))
            harm = f"{statement(finding, audit)}. {size_sentence(finding, settings)}"
            yield {"groupAtRisk": clean(f"{' x '.join(finding.attributes)}: {groups}"), "harms": clean(harm)}


def _data(audit: AuditResult) -> dict[str, Any]:
    data = audit.data
    facts = {"fingerprint": data.fingerprint, "source": data.source, "licence": data.licence, "listed": data.listed, "used": data.used}
    return {
        "type": "data",
        "bom-ref": _reference(audit),
        "name": clean(data.name),
        "data": [{"type": "dataset", "name": clean(data.name)}],
        "properties": _properties(facts),
    }


def _reference(audit: AuditResult) -> str:
    return f"data:{audit.data.fingerprint}"


def _properties(facts: dict[str, Any]) -> list[dict[str, str]]:
    return [{"name": f"{PREFIX}{clean(name)}", "value": clean(str(value))} for name, value in facts.items()]
