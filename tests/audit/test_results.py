import json
from dataclasses import asdict

import pytest
from pydantic import ValidationError

from audit.errors import DataError
from audit.records.base import Timing
from audit.records.finding import Rate
from audit.results import SCHEMA_VERSION, Results, from_json, json_schema, to_json
from audit.types import Settings
from tests.support import report_samples as samples


def results() -> Results:
    timing = Timing("2026-01-01T00:00:00+00:00", 1.0)
    return Results(SCHEMA_VERSION, "complete", "vlm-audit 0", ("--probe", "x"), Settings(), {"torch": "2"}, (), timing)


def test_json_comes_back_as_the_same_results_with_sorted_keys_and_the_schema_names_every_noun():
    text = to_json(results())
    assert from_json(text) == results()
    assert text == to_json(results())
    assert list(json.loads(text)) == sorted(asdict(results()))
    assert {"Finding", "Rate", "Gap", "AuditResult", "ModelRecord"} <= set(json_schema()["$defs"])


def test_a_rate_that_is_not_a_number_is_refused():
    with pytest.raises(ValidationError, match="finite"):
        Rate(("a",), 1, 1, float("nan"), None, None, "ok")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "schema version None"),
        ('{"schema_version": "0"}', "schema version '0'"),
        ('{"schema_version": "2"}', "does not follow its schema at"),
        ('{"schema_version": "2", "audits": 5}', "does not follow its schema at"),
    ],
)
def test_a_foreign_file_is_refused_by_name(text, said):
    with pytest.raises(DataError, match=said):
        from_json(text)


def test_an_unknown_field_is_refused_with_its_place():
    plain = json.loads(to_json(results())) | {"extra": 1}
    plain["settings"]["sede"] = 1
    with pytest.raises(DataError, match="schema at"):
        from_json(json.dumps(plain))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda plain, finding: plain["audits"][0].update(measurements=[]), "about a measurement that is not there"),
        (lambda plain, finding: finding.update(outcome="zork"), "about an outcome that its measurement does not have"),
        (lambda plain, finding: finding.update(attributes=["zork"]), "by an attribute that the data do not have"),
        (lambda plain, finding: finding.update(attributes=[], by_group=[]), "by an attribute that the data do not have"),
        (lambda plain, finding: finding["by_group"][0].update(group=[]), "has a group of another number of attributes"),
        (lambda plain, finding: plain["settings"].update(alpha=2), "alpha is 2, expected an error rate between 0 and 1"),
    ],
)
def test_facts_that_do_not_fit_together_are_refused(broken, said):
    plain = json.loads(to_json(samples.results(samples.emoji())))
    from_json(json.dumps(plain))
    broken(plain, plain["audits"][0]["findings"][0])
    with pytest.raises(DataError, match=f"is inconsistent\nwhy: .*{said}"):
        from_json(json.dumps(plain))


def test_a_signal_of_a_planned_finding_is_refused():
    broken = json.loads(to_json(samples.results(samples.emoji())))
    next(finding for finding in broken["audits"][0]["findings"] if finding["primary"])["verdict"] = "signal"
    with pytest.raises(DataError, match="was planned and has the verdict 'signal' of an exploratory one"):
        from_json(json.dumps(broken))


def test_a_verdict_of_a_planned_question_on_an_exploratory_finding_is_refused():
    broken = json.loads(to_json(samples.results(samples.emoji())))
    next(finding for finding in broken["audits"][0]["findings"] if not finding["primary"])["verdict"] = "disparity"
    with pytest.raises(DataError, match="is exploratory and has the verdict 'disparity' of a planned question"):
        from_json(json.dumps(broken))
