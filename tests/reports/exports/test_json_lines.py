"""``--json`` and ``--log-format json`` through the commands: scripts read every line, and the fields are those of docs/output.md."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from audit.results import from_json
from reports.exports.terminal.json_lines import audit_json, comparison_json
from reports.text.headline import headline_of
from tests.support import comparison_samples
from tests.support import report_samples as samples
from tests.support.command import command

DOCS = (Path(__file__).parents[3] / "docs" / "output.md").read_text("utf-8").partition("## For scripts")[2].partition("## Replacing")[0]
ROWS = [f"i{i},{'AB'[i % 2]},yes,{'no' if i % 2 and i // 2 % 5 == 0 else 'yes'}" for i in range(800)]
"""All 400 answers about A are right, 80 of 400 about B are wrong: a gap of 20 points."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "answers.csv").write_text("\n".join(["id,group,y_true,y_pred", *ROWS]) + "\n")
    return folder


def names(value):
    """Every field name in a JSON value."""
    if isinstance(value, dict):
        return set(value).union(*map(names, value.values()))
    return set().union(*map(names, value)) if isinstance(value, list) else set()


def test_a_run_prints_one_line_and_logs_lines_that_all_are_json(place):
    words = ("--predictions", "answers.csv", "--out", "out", "--fail-on", "gap > 0.1", "--json", "--log-format", "json")
    done = command(*words, cwd=place)
    [line] = done.stdout.splitlines()
    said = json.loads(line)

    assert (done.returncode, said["exit_code"], said["gates"]) == (1, 1, [{"gate": "gap > 0.1", "outcome": "breached"}])
    assert (said["model"], said["images"], said["verdict"], said["limited"]) == ("answers.csv", 800, "disparity", False)
    assert said["finding"]["groups"] == [{"group": ["B"], "n": 400, "rate": 0.8}, {"group": ["A"], "n": 400, "rate": 1.0}]
    assert said["finding"]["gap"] == pytest.approx(0.2)
    assert said["finding"]["low"] < 0.2 < said["finding"]["high"]
    assert (said["page"], said["results"]) == ("out/report.html", "out/results.json")
    facts = from_json((place / said["results"]).read_text("utf-8"))
    assert said["headline"] == headline_of(facts.audits[0], facts.settings).text.replace("\u00a0", " ")

    shown, kept = (list(map(json.loads, text.splitlines())) for text in (done.stderr, (place / "out" / "run.log").read_text("utf-8")))
    stages = [line["stage"] for line in shown if "stage" in line]
    assert stages == ["reading", "testing", "evidence", "writing"]
    assert [line for line in shown if line["message"] in [each["message"] for each in kept]]
    assert {field for line in shown for field in line} == {"time", "level", "message", "stage", "step", "steps", "total"}


def test_an_error_is_a_line_of_the_log_and_nothing_on_stdout(place):
    done = command("--predictions", "absent.csv", "--json", "--log-format", "json", cwd=place)
    error = json.loads(done.stderr.splitlines()[-1])

    assert (done.returncode, done.stdout, error["exit_code"], error["level"]) == (3, "", 3, "error")
    assert error["message"].startswith("error[E3] no file 'absent.csv'")
    assert command("--predictions", "answers.csv", "--json", "--check", cwd=place).returncode == 2


def test_a_long_message_is_not_cut_in_a_json_log(place):
    """A line of text is cut after 500 characters, which would leave half an object."""
    done = command("--predictions", f"{'a' * 200}/{'b' * 200}/{'c' * 200}.csv", "--log-format", "json", cwd=place)
    assert "c" * 200 in json.loads(done.stderr.splitlines()[-1])["message"]


def test_a_comparison_prints_one_line_per_model_that_is_compared(tmp_path):
    for name, wrong in (("skewed", 60), ("plain", 6)):
        comparison_samples.audit(tmp_path / name, {"b": wrong})
    done = command("skewed", "plain", "--out", "out", "--json", "-q", module="audit.compare", cwd=tmp_path)
    said = json.loads(done.stdout)

    assert (done.returncode, said["verdict"], said["outcome"], said["change"]["changed"]) == (0, "disparity", "gap shrank", "gap shrank")
    assert said["change"]["after"]["gap"] < said["change"]["before"]["gap"]
    assert (said["change"]["before"]["lowest"], said["page"]) == (["b"], "out/comparison.html")
    assert (tmp_path / said["results"]).is_file()


def test_the_docs_name_every_field():
    documented = set(re.findall(r"`(\w+)`", DOCS))
    fields = names([json.loads(line) for line in audit_json(samples.results(samples.emoji(), samples.fairface()), "out", 0).splitlines()])
    fields |= names(json.loads(comparison_json(comparison_samples.skewed_and_plain(), "out", 0)))

    assert fields <= documented
    assert {"finding", "rate", "p_adjusted", "change", "highest"} <= fields


def test_what_cannot_be_estimated_is_null():
    audit = samples.emoji()
    only = replace(audit, findings=tuple(finding for finding in audit.findings if finding.gap is None), verdict="not estimable")
    said = json.loads(audit_json(samples.results(only), "out", 0))

    assert (said["finding"], said["planned_verdicts"]) == (None, [])
