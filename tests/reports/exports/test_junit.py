"""JUnit XML as pytest writes it, whatever the names."""

import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from audit.api.lookup import planned_questions
from audit.gates.decide import decide
from audit.gates.parse import parse, resolve_gate
from audit.gates.policy import GatePolicy
from audit.records.base import Timing
from audit.records.gates import GateCheck, GateResult
from audit.types import Note, Settings
from probes.counterfactual.emoji import PROBE
from reports.exports.junit import error_xml, junit_xml

HOSTILE = ["<script>&]]>\"'", "a\x00b\x1b[31m\x85", "\u202emoc.live\ufffe", "\ud800", "]]>--><!--", "%s{{7*7}}\n\t\r", "🙂é×"]


def gated(outcome="breached", name="m", reason="r", finding="f"):
    return GateResult("gap > 0.05", outcome, (GateCheck(name, "p", finding, outcome, (Note.of(reason),)),))


def read(text):
    return ET.fromstring(text.encode())


@pytest.mark.slow
def test_one_case_for_each_gate_and_finding(everything):
    audit = everything.audits[0]
    gates = tuple(decide(resolve_gate(parse(text), planned_questions(PROBE.measurements)), everything.audits[:1], Settings())
                  for text in ("gap > 0.05", "gap[role.accuracy by gender] > 0.5"))  # fmt: skip
    primary = [finding.id for finding in audit.findings if finding.primary]
    assert [len(gate.checks) for gate in gates] == [len(primary), 1]
    root = read(junit_xml(replace(everything, audits=(audit,), gates=gates)))
    suite = root.find("testsuite")
    names = [case.get("name") for case in suite.iter("testcase")]
    assert names == [f"gap > 0.05 :: {name}" for name in primary] + ["gap[role.accuracy by gender] > 0.5 :: role/accuracy/gender"]
    assert suite.get("tests") == str(len(primary) + 1)
    assert int(suite.get("failures")) == sum(check.outcome == "breached" for gate in gates for check in gate.checks)


def test_how_each_outcome_is_written(everything):
    """A breach fails, what holds has neither failure nor skip, what is inconclusive is skipped, or fails where that is asked for."""
    gates = (gated("breached", reason="too large"), gated("held"), gated("inconclusive"))
    bare = replace(everything, audits=(), gates=gates)
    kinds = [[child.tag for child in case] for case in read(junit_xml(bare)).iter("testcase")]
    assert kinds == [["failure"], ["system-out"], ["skipped"]]
    strict = read(junit_xml(bare, GatePolicy(require_conclusive=True)))
    assert [[child.tag for child in case] for case in strict.iter("testcase")] == [["failure"], ["system-out"], ["failure"]]
    suite = read(junit_xml(bare)).find("testsuite")
    assert (suite.get("failures"), suite.get("skipped"), suite.get("tests"), suite.get("errors")) == ("1", "1", "3", "0")
    failure = read(junit_xml(bare)).find(".//failure")
    assert failure.get("message") == failure.text == "breached: too large"


def test_what_cannot_be_estimated_is_a_failure_with_its_reason_or_skipped_where_that_is_allowed(everything):
    check = replace(gated("not estimable").checks[0], reasons=(Note("unresponsive"),))
    bare = replace(everything, audits=(), gates=(GateResult("gap > 0.05", "not estimable", (check,)),))
    failure = read(junit_xml(bare)).find(".//failure")
    assert failure.get("message") == "not estimable: We found no evidence that the answers depend on the images."
    allowed = read(junit_xml(bare, GatePolicy(allow_undecided=True)))
    assert [(child.tag, child.get("type")) for child in allowed.find(".//testcase")] == [("skipped", "not estimable")]


def test_a_run_that_ended_early_has_an_error_for_each_gate():
    text = error_xml(["gap > 0.05", "rate[x by y] < 0.9"], "no file 'a\x00.pt'\nfix: name one", Timing("2026-01-02T00:00:00+00:00", 0.5))
    suite = read(text).find("testsuite")
    assert [suite.get(name) for name in ("tests", "errors", "failures", "skipped")] == ["2", "2", "0", "0"]
    assert [case.get("name") for case in suite.iter("testcase")] == ["gap > 0.05", "rate[x by y] < 0.9"]
    assert {error.get("message").splitlines()[0] for error in suite.iter("error")} == {"no file 'a#x00.pt'"}


def test_a_gate_that_was_put_to_a_sample_is_a_failure(everything):
    check = replace(gated("inconclusive").checks[0], limited=True, reasons=(Note("not_asked"),))
    suite = read(junit_xml(replace(everything, audits=(), gates=(GateResult("gap > 0.05", "inconclusive", (check,)),))))
    assert [child.tag for child in suite.find(".//testcase")] == ["failure"]
    assert suite.find(".//failure").get("message").startswith("inconclusive: LIMITED RUN")


def test_what_no_gate_was_put_to_is_skipped_not_done_well(everything):
    audit = everything.audits[0]
    cases = list(read(junit_xml(replace(everything, audits=(audit,), gates=()))).iter("testcase"))
    primary = [finding for finding in audit.findings if finding.primary]
    assert [case.get("name") for case in cases] == [finding.id for finding in primary]
    assert all(f"verdict {finding.verdict}" in case.find("skipped").get("message") for case, finding in zip(cases, primary, strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(everything, name):
    gates = (GateResult(name, "breached", (GateCheck(name, name, name, "breached", (Note.of(name),)),)),)
    text = junit_xml(replace(everything, audits=(), gates=gates))
    root = read(text.encode("utf-8").decode("utf-8"))
    assert [element.tag for element in root.iter()] == ["testsuites", "testsuite", "properties", "property", "testcase", "failure"]
    for mark in "\x00\x1b\u202e\ufffe":
        assert mark not in text


def test_equal_results_give_equal_text(everything):
    assert junit_xml(everything) == junit_xml(everything)
    assert read(junit_xml(replace(everything, timing=Timing("2026-01-02T00:00:00+00:00", 12.5)))).find("testsuite").get("time") == "12.500"


@pytest.mark.slow
def test_elements_and_attributes_are_those_that_pytest_writes(everything, tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import pytest\ndef test_a(record_testsuite_property): record_testsuite_property('a', 'b'); print('x')\n"
        "def test_b(): assert False\n@pytest.mark.skip(reason='r')\ndef test_c(): pass\n"
    )
    options = "-q -p no:cacheprovider -o junit_logging=system-out --junitxml=out.xml test_it.py"
    subprocess.run([sys.executable, "-m", "pytest", *options.split()], cwd=tmp_path, capture_output=True, check=False, timeout=60)

    def shape(root):
        found = {}
        for parent in root.iter():
            attributes, children = found.setdefault(parent.tag, (set(), set()))
            attributes.update(parent.attrib)
            children.update(child.tag for child in parent)
        return found

    theirs = shape(ET.parse(tmp_path / "out.xml").getroot())
    ours = shape(read(junit_xml(replace(everything, audits=(), gates=(gated("breached"), gated("held"), gated("inconclusive"))))))
    assert set(ours) == set(theirs)
    for tag, (attributes, children) in ours.items():
        assert attributes <= theirs[tag][0], tag
        assert children <= theirs[tag][1], tag
    # What the usual schema requires.
    assert {"name", "errors", "failures", "tests"} <= ours["testsuite"][0]
    assert {"name", "classname", "time"} <= ours["testcase"][0]
