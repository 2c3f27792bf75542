"""CycloneDX: accepted by its own validator, with the numbers of the results."""

import json
from dataclasses import replace

import pytest

from audit.extensions.formats.cyclonedx import bill_of_materials
from tests.reports.exports.test_junit import HOSTILE

SHA256 = "5" * 64
VERSIONS = ("1.6", "1.7")


def faults(bill):
    """What the official schema says against a bill: None if nothing."""
    from cyclonedx.schema import SchemaVersion  # takes two seconds, in every process that collects tests
    from cyclonedx.validation.json import JsonStrictValidator

    versions = dict(zip(VERSIONS, (SchemaVersion.V1_6, SchemaVersion.V1_7), strict=True))
    return JsonStrictValidator(versions[bill["specVersion"]]).validate_str(json.dumps(bill))


def models(bill):
    return [component for component in bill["components"] if component["type"] == "machine-learning-model"]


@pytest.mark.slow_except("1.7")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_schema_of_cyclonedx_accepts_the_bill(everything, version):
    bill = bill_of_materials(everything, SHA256, version)
    assert faults(bill) is None
    del bill["components"][0]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["slice"]
    bill["components"][0]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["n"] = "7"
    assert faults(bill) is not None  # the validator looks into cards


def test_every_rate_and_gap_of_every_finding_is_in_the_card(everything):
    """Also of questions where no difference was shown: a card of the differences alone would be cherry-picking."""
    audit = everything.audits[0]
    (model,) = models(bill_of_materials(replace(everything, audits=(audit,)), SHA256))
    metrics = {(metric["type"], metric["slice"]): metric for metric in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]}
    for finding in audit.findings:
        what, by = f"{audit.probe.name}/{finding.id.rpartition('/')[0]}", " x ".join(finding.attributes)
        for rate in finding.by_group:
            if rate.value is not None:
                metric = metrics[what, f"{by}={' x '.join(rate.group)}"]
                ends = metric["confidenceInterval"]
                measured = (float(metric["value"]), float(ends["lowerBound"]), float(ends["upperBound"]))
                assert measured == pytest.approx((rate.value, rate.low, rate.high), abs=1e-6)
    properties = {entry["name"]: entry["value"] for entry in model["modelCard"]["properties"]}
    judged = {finding.id: json.loads(properties[f"vlm-audit:finding:{audit.probe.name}/{finding.id}"]) for finding in audit.findings}
    assert {name: facts["verdict"] for name, facts in judged.items()} == {finding.id: finding.verdict for finding in audit.findings}
    gender = next(finding for finding in audit.findings if finding.id == "role/accuracy/gender")
    assert judged[gender.id]["images"] == {rate.group[0]: rate.n for rate in gender.by_group}
    assert metrics["emoji/role/accuracy gap", "gender: man - woman"]["value"] == "0.260000"


def test_a_group_is_at_risk_only_where_a_planned_question_found_a_difference(everything):
    audit = everything.audits[0]
    shown = [finding for finding in audit.findings if finding.primary and finding.verdict == "disparity"]
    (model,) = models(bill_of_materials(replace(everything, audits=(audit,)), SHA256))
    risks = model["modelCard"]["considerations"]["fairnessAssessments"]
    assert len(risks) == len(shown) > 0
    assert risks[0]["groupAtRisk"] == "gender: woman"
    assert "72" in risks[0]["harms"]
    assert all(set(risk) == {"groupAtRisk", "harms"} for risk in risks)
    none = replace(audit, findings=tuple(finding for finding in audit.findings if finding.verdict != "disparity"))
    (model,) = models(bill_of_materials(replace(everything, audits=(none,)), SHA256))
    assert model["modelCard"]["considerations"]["fairnessAssessments"] == []


def test_a_hash_is_that_of_weights_or_is_none(everything):
    audit = everything.audits[0]
    file = replace(audit, model=replace(audit.model, parameters=0, dimensions=0))
    (loaded,), (read,) = (models(bill_of_materials(replace(everything, audits=(one,)), SHA256)) for one in (audit, file))
    assert loaded["hashes"] == [{"alg": "SHA-256", "content": audit.model.sha256}]
    assert "hashes" not in read
    assert {"name": "vlm-audit:sha256 of the file of answers", "value": audit.model.sha256} in read["modelCard"]["properties"]


def test_equal_results_give_equal_bills_and_others_another_serial_number(everything):
    first, again, other = (bill_of_materials(everything, sha256) for sha256 in (SHA256, SHA256, "6" * 64))
    assert first == again
    assert first["serialNumber"] != other["serialNumber"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_leave_a_bill_valid(everything, name):
    audit = everything.audits[0]
    named = replace(audit, model=replace(audit.model, name=name), probe=replace(audit.probe, limits=(name,)))
    assert faults(bill_of_materials(replace(everything, audits=(named,)), SHA256)) is None
