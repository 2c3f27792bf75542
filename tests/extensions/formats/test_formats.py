"""Formats that other programs read: accepted by the programs' own validators, with the numbers of the results."""

import csv
import importlib.util
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from huggingface_hub._eval_results import parse_eval_result_entries
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from audit.api.lookup import planned_questions
from audit.errors import UsageError
from audit.extensions.formats.command import main
from audit.extensions.formats.every_eval import SCHEMA, Evaluator, evaluation_record
from audit.extensions.formats.github import MOST, gate_annotations
from audit.extensions.formats.hub import Benchmark, eval_results
from audit.extensions.formats.in_toto import gate_statement
from audit.extensions.formats.profile import profile_csv
from audit.extensions.formats.statements import Statements
from audit.gates.decide import decide
from audit.gates.parse import parse, resolve_gate
from audit.results import to_json
from audit.types import Settings
from probes.counterfactual.emoji import PROBE
from tests.extensions.formats.test_cyclonedx import faults
from tests.reports.exports.test_junit import HOSTILE
from tests.support import forked

SHA256 = "5" * 64


@pytest.fixture
def gated(everything):
    """The first audit with a breached gate on women's gap, one that holds, and one of which too little is known."""
    audit = everything.audits[0]
    texts = ("gap[role.accuracy by gender] > 0.05", "gap[role.accuracy by gender] > 0.5", "gap[role.accuracy by tone] > 0.05")
    questions = planned_questions(PROBE.measurements)
    gates = tuple(decide(resolve_gate(parse(text), questions), (audit,), Settings()) for text in texts)
    assert [gate.outcome for gate in gates] == ["breached", "held", "inconclusive"]
    return replace(everything, audits=(audit,), gates=gates)


# ---- in-toto -------------------------------------------------------------------------------------------------------------------------


def parsed_statement(statement):
    """The statement and its predicate as in-toto's own messages, which refuse unknown fields."""
    message = json_format.ParseDict(json.loads(json.dumps(statement)), statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    return json_format.ParseDict(statement["predicate"], test_result_pb2.TestResult())


def test_gates_are_tests_and_in_toto_reads_them(gated):
    statement = gate_statement(gated, SHA256)
    predicate = parsed_statement(statement)
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert predicate.result == "FAILED"
    assert [len(tests) for tests in (predicate.passed_tests, predicate.warned_tests, predicate.failed_tests)] == [1, 1, 1]
    assert "gap[role.accuracy by gender] > 0.05" in predicate.failed_tests[0]
    assert predicate.configuration[0].digest["sha256"] == SHA256


def test_the_subjects_are_weights_that_were_hashed_or_the_results(everything):
    audit = everything.audits[0]
    file = replace(audit, model=replace(audit.model, parameters=0, dimensions=0))
    assert subjects(everything, file) == ["results.json"]
    assert subjects(everything, audit) == [audit.model.name]


def subjects(everything, audit):
    gates = (decide(resolve_gate(parse("gap > 0.05"), planned_questions(PROBE.measurements)), (audit,), Settings()),)
    return [subject["name"] for subject in gate_statement(replace(everything, audits=(audit,), gates=gates), SHA256)["subject"]]


def test_the_result_follows_the_policy_of_the_command(gated):
    held, open_ = gated.gates[1], gated.gates[2]
    results = [replace(gated, gates=gates) for gates in ((held,), (held, open_))]
    results.append(replace(results[1], command=("run", "--require-conclusive")))
    assert [gate_statement(each, SHA256)["predicate"]["result"] for each in results] == ["PASSED", "WARNED", "FAILED"]
    with pytest.raises(UsageError, match="no gates"):
        gate_statement(replace(gated, gates=()), SHA256)


# ---- Every Eval Ever -------------------------------------------------------------------------------------------------------------------

EVALUATOR = Evaluator("An auditor", "third_party", "org/model")


@pytest.fixture(scope="module")
def official():
    """The schema in the package of Every Eval Ever, which is not imported: it asks for other versions of libraries."""
    spec = importlib.util.find_spec("every_eval_ever")
    if spec is None:
        pytest.skip("every-eval-ever, whose JSON Schema is needed, is not installed: `make test` installs .ci/schemas.txt")
    schema = json.loads((Path(spec.origin).parent / "schemas" / "eval.schema.json").read_text("utf-8"))
    assert schema["version"] == SCHEMA
    import jsonschema  # takes two seconds, in every process that collects tests

    return jsonschema.Draft7Validator(schema)


def of_one_model(everything):
    return replace(everything, audits=tuple(audit for audit in everything.audits if audit.model.name == everything.audits[0].model.name))


def test_the_schema_of_every_eval_ever_accepts_the_record(everything, official):
    from jsonschema import ValidationError

    record = evaluation_record(of_one_model(everything), SHA256, EVALUATOR)
    official.validate(json.loads(json.dumps(record, allow_nan=False)))
    entry = record["evaluation_results"][0]
    for wrong in ({"score_details": {"score": "0.5"}}, {"metric_config": {"score_type": "continuous", "lower_is_better": True}}):
        with pytest.raises(ValidationError):  # the validator looks into results
            official.validate(record | {"evaluation_results": [entry | wrong]})


def test_every_rate_and_gap_is_a_result_with_its_group_interval_and_verdict(everything):
    audit = everything.audits[0]
    record = evaluation_record(replace(everything, audits=(audit,)), SHA256, EVALUATOR)
    entries = {
        (entry["metric_config"]["metric_parameters"]["finding"], entry["metric_config"]["metric_name"]): entry
        for entry in record["evaluation_results"]
    }
    estimable = [rate for finding in audit.findings for rate in (finding.overall, *finding.by_group) if rate.value is not None]
    assert len(entries) == len(record["evaluation_results"]) == len(estimable) + sum(finding.gap is not None for finding in audit.findings)
    gender = next(finding for finding in audit.findings if finding.id == "role/accuracy/gender")
    for rate in gender.by_group:
        entry = entries[gender.id, f"accuracy of {rate.group[0]}"]
        score, ends = entry["score_details"], entry["score_details"]["uncertainty"]["confidence_interval"]
        assert (score["score"], ends["lower"], ends["upper"]) == (rate.value, rate.low, rate.high)
        assert score["uncertainty"]["num_samples"] == rate.n
        assert entry["metric_config"]["metric_parameters"] | {"outcome": None} == {
            "finding": gender.id, "attribute": "gender", "outcome": None, "group": rate.group[0],
        }  # fmt: skip
    gap = entries[gender.id, "gap of accuracy: man - woman"]
    assert gap["score_details"]["score"] == gender.gap.leading.difference
    assert gap["score_details"]["details"]["verdict"] == gender.verdict
    assert gap["metric_config"]["lower_is_better"] is True
    assert entries[gender.id, "accuracy of man"]["metric_config"]["lower_is_better"] is False


def test_a_record_is_of_one_model_and_says_what_is_not_known(everything):
    audit = everything.audits[0]
    other = replace(audit, model=replace(audit.model, name="other", parameters=0, dimensions=0))
    both = replace(everything, audits=(audit, other))
    with pytest.raises(UsageError, match="of 2 models"):
        evaluation_record(both, SHA256, EVALUATOR)
    with pytest.raises(UsageError, match="no model 'third'"):
        evaluation_record(both, SHA256, EVALUATOR, "third")
    info = [evaluation_record(both, SHA256, EVALUATOR, name)["model_info"] for name in (audit.model.name, "other")]
    assert [model["additional_details"]["deployment_type"] for model in info] == ["self_deployed", "unknown"]
    assert {model["additional_details"]["model_availability"] for model in info} == {"unknown"}
    with pytest.raises(UsageError, match="nothing to record"):
        evaluation_record(replace(everything, audits=(replace(audit, findings=()),)), SHA256, EVALUATOR)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_leave_a_record_valid(everything, official, name):
    audit = replace(everything.audits[0], model=replace(everything.audits[0].model, name=name))
    record = evaluation_record(replace(everything, audits=(audit,)), SHA256, Evaluator(name, "other", name))
    official.validate(json.loads(json.dumps(record, allow_nan=False)))


# ---- GitHub and Hugging Face -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_leave_statements_and_annotations_valid(gated, name):
    named = replace(gated.audits[0], model=replace(gated.audits[0].model, name=name))
    gates = tuple(replace(gate, checks=tuple(replace(check, model=name) for check in gate.checks)) for gate in gated.gates)
    results = replace(gated, audits=(named,), gates=gates)
    parsed_statement(gate_statement(results, SHA256))
    assert all(re.fullmatch(r"::(error|warning) title=[^:,\r\n]*::[^\r\n]*", line) for line in gate_annotations(results))


def test_annotations_are_errors_where_the_build_fails_and_at_most_ten_of_a_kind(gated):
    lines = list(gate_annotations(gated))
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::warning"]
    assert lines[0].startswith("::error title=gap[role.accuracy by gender] > 0.05 · role/accuracy/gender::breached for ")
    many = list(gate_annotations(replace(gated, gates=gated.gates[:1] * 25)))
    assert len(many) == MOST
    assert "16 more gate checks" in many[-1]


def test_the_hubs_own_reader_takes_the_entry(gated):
    finding = gated.audits[0].findings[0]
    (entry,) = parse_eval_result_entries(yaml.safe_load(eval_results(gated, Benchmark("org/data", "gender"), finding.id)))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("org/data", "gender", pytest.approx(finding.overall.value, abs=1e-6))
    assert finding.verdict in entry.notes
    assert entry.verify_token is None
    with pytest.raises(UsageError, match="planned questions"):
        eval_results(gated, Benchmark("org/data", "gender"))
    with pytest.raises(UsageError, match="no question 'x'"):
        eval_results(gated, Benchmark("org/data", "gender"), "x")


# ---- the command -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_prints_each_format_and_refuses_what_it_cannot_say(gated, tmp_path):
    (tmp_path / "results.json").write_text(to_json(gated), "utf-8")

    def run(*words):
        done = forked.run([sys.executable, "-m", "audit", "convert", str(tmp_path), *words], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    code, out, _ = run("--to", "cyclonedx-1.7")
    assert (code, json.loads(out)["specVersion"], faults(json.loads(out))) == (0, "1.7", None)
    code, out, _ = run("--to", "in-toto")
    assert parsed_statement(json.loads(out)).result == "FAILED"
    code, out, _ = run("--to", "github")
    assert (code, out.splitlines()) == (0, list(gate_annotations(gated)))
    code, out, err = run("--to", "eval-results")
    assert (code, "needs --benchmark, --task" in err) == (2, True)
    code, out, _ = run("--to", "eval-results", "--benchmark", "o/d", "--task", "t", "--question", gated.audits[0].findings[0].id)
    assert (code, yaml.safe_load(out)[0]["dataset"]) == (0, {"id": "o/d", "task_id": "t"})
    words = ("--organization", "An auditor", "--relationship", "third_party", "--model-id", "org/model")
    code, out, _ = run("--to", "every-eval", *words)
    assert (code, json.loads(out)["model_info"]["id"]) == (0, "org/model")
    code, _, err = run("--to", "every-eval", *words[:4])
    assert (code, "needs --organization, --relationship, --model-id" in err) == (2, True)
    code, _, err = run("--to", "github", "--model", "x")
    assert (code, "--model belong to --to every-eval" in err) == (2, True)


def test_the_command_prints_both_forms_of_a_profile(everything, tmp_path, capsys):
    (tmp_path / "results.json").write_text(to_json(everything))
    assert main([str(tmp_path), "--to", "profile.csv"]) == 0
    printed, rows = (csv.DictReader(io.StringIO(text)) for text in (capsys.readouterr().out, profile_csv(everything, Statements())))
    assert len(list(printed)) == len(list(rows))
    assert main([str(tmp_path), "--to", "profile.html"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")
    assert main([str(tmp_path), "--to", "cyclonedx", "--statements", "x.toml"]) == 2
    assert "belong to a profile" in capsys.readouterr().err
