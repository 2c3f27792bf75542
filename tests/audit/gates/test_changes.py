"""Gates on what changed between two models: breached, held, inconclusive; by the command, and by hand."""

import json
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

import audit
from audit.api.audit_output import Clock
from audit.api.comparison_output import assemble_comparisons
from audit.comparison.engine import compare
from audit.comparison.sides import read
from audit.errors import UsageError
from audit.gates.changes import ChangeGates
from audit.gates.parse import CHANGE_SUBJECTS, gate_question, parse, turned
from audit.gates.policy import FAIL_CLOSED, GatePolicy
from audit.statistics.bounds import stretched
from audit.types import Claim
from reports.text.comparison import title
from tests.support import comparison_samples as samples
from tests.support.command import command

ACCURACY = "animal.accuracy by group"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two audits of the same 360 images: of the 120 of group b the first gets 6 wrong, the other 60."""
    folder = tmp_path_factory.mktemp("gates")
    samples.audit(folder / "plain", {"b": 6})
    samples.audit(folder / "skewed", {"b": 60})
    return folder


def compared(place, before, after, *words, out="out"):
    return command(before, after, *words, "--out", place / out, module="audit.compare", cwd=place)


@pytest.mark.slow_except(
    "sides6-change[animal.accuracy by group for any group] < -2 points-1-breached",
    "sides8-verdict == disparity-1-breached",
    "sides9-change > 0-0-held",
    "sides10-change[animal/precision[cat]/group] > 0.02-1-not estimable",
)
@pytest.mark.parametrize(
    ("sides", "gate", "code", "outcome"),
    [
        (("plain", "skewed"), f"change[{ACCURACY}] > 0.02", 1, "breached"),
        (("skewed", "plain"), f"change[{ACCURACY}] > 0.02", 0, "held"),
        (("plain", "skewed"), f"change[{ACCURACY}] > 45 points", 0, "inconclusive"),
        (("plain", "skewed"), "change > 0.02", 1, "breached"),
        (("plain", "skewed"), f"change[{ACCURACY} for b] < -0.02", 1, "breached"),
        (("plain", "skewed"), f"change[{ACCURACY} for a] < -0.02", 0, "held"),
        (("plain", "skewed"), f"change[{ACCURACY} for any group] < -2 points", 1, "breached"),
        (("skewed", "plain"), f"change[{ACCURACY} for any group] < -3 points", 0, "held"),
        (("plain", "skewed"), "verdict == disparity", 1, "breached"),
        (("plain", "plain"), "change > 0", 0, "held"),
        (("plain", "skewed"), "change[animal/precision[cat]/group] > 0.02", 1, "not estimable"),  # cannot be paired
    ],
)
def test_the_command_ends_by_what_a_gate_finds_and_the_files_say_so(place, sides, gate, code, outcome):
    done = compared(place, *sides, "--fail-on", gate)
    assert done.returncode == code, done.stderr
    facts = json.loads((place / "out" / "comparison.json").read_text())
    assert [(each["expression"], each["outcome"]) for each in facts["gates"]] == [(gate, outcome)]
    assert f"{outcome.upper()} {gate}" in " ".join(done.stdout.split())
    assert f"**{outcome.capitalize()}**" in (place / "out" / "comparison.md").read_text()
    assert f"{gate.replace('>', '&gt;').replace('<', '&lt;')}</code>" in (place / "out" / "comparison.html").read_text()
    assert audit.load_changes(place / "out").exit_code == code


def test_a_gate_that_is_not_decided_fails_only_where_it_must_be_and_a_build_server_reads_it(place):
    words = ("--fail-on", f"change[{ACCURACY}] > 0.45", "--junit", "gates.xml")
    for more, code, tag in (((), 0, "skipped"), (("--require-conclusive",), 1, "failure")):
        assert compared(place, "plain", "skewed", *words, *more).returncode == code
        cases = {case.get("name"): case for case in ET.parse(place / "gates.xml").iter("testcase")}
        decided = cases[f"change[{ACCURACY}] > 0.45 :: animal/accuracy/group"]
        assert "either side of the limit of 45 points is possible" in decided.find(tag).get("message")
        assert cases["animal/true_positive_rate[cat]/group"].find("skipped").get("type") == "no gate"
    assert audit.load_changes(place / "out").exit_code == 1


@pytest.mark.slow_except(
    "words0-'gap' is not a subject of a gate",
    "words1-no question is called 'nothing'",
    "words3-outside -1 to 1",
    "words4---fail-on 'change > 0.02'",
)
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--fail-on", "gap > 0.02"), "'gap' is not a subject of a gate"),
        (("--fail-on", "change[nothing] > 0.02"), "no question is called 'nothing'"),
        (("--fail-on", f"change[{ACCURACY} for zebras] > 0.02"), "no group 'zebras'"),
        (("--fail-on", "change > 2"), "outside -1 to 1"),
        (("--require-conclusive",), "--fail-on 'change > 0.02'"),
    ],
)
def test_a_gate_that_cannot_be_put_is_refused(place, words, said):
    done = compared(place, "plain", "skewed", *words, out="refused")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (place / "refused" / "comparison.html").exists()


def test_a_change_is_no_gate_of_an_audit(tmp_path):
    (tmp_path / "p.csv").write_text("g,y_pred\n" + "A,x\nB,y\n" * 40)
    done = command("--predictions", tmp_path / "p.csv", "--fail-on", "change > 0.02", "--out", tmp_path / "out")
    assert (done.returncode, "vlm-audit compare BEFORE AFTER" in done.stderr) == (2, True)


@pytest.mark.slow
def test_a_gate_meant_the_other_way_is_warned_of_and_stands(tmp_path, place):
    (tmp_path / "p.csv").write_text("g,y_pred\n" + ("A,x\n" * 27 + "A,y\n" * 23 + "B,x\nB,y\n" * 25) * 200)  # 4 points
    done = command("--predictions", tmp_path / "p.csv", "--fail-on", "gap < 0.1", "--out", tmp_path / "out")
    assert (done.returncode, "did you mean 'gap > 0.1'?" in done.stderr) == (1, True)
    assert "did you mean" not in command("--predictions", tmp_path / "p.csv", "--fail-on", "gap > 0.1", "--out", tmp_path / "out").stderr
    done = compared(place, "plain", "skewed", "--fail-on", "change < 0.02")
    assert (done.returncode, "did you mean 'change > 0.02'?" in done.stderr) == (0, True)


@pytest.mark.slow_except("rate[predictions/selection_rate[harm]/g] > 0.5-None", "rate[predictions/selection_rate[fun]/g] < 0.5-None")
@pytest.mark.parametrize(
    ("gate", "other"),
    [
        ("rate[Accuracy by g] > 0.9", "rate[Accuracy by g] < 0.9"),
        ("rate[accuracy by g for A] < 0.9", None),
        ("rate[predictions/selection_rate[harm]/g] < 50 %", "rate[predictions/selection_rate[harm]/g] > 50 %"),
        ("rate[predictions/selection_rate[harm]/g] > 0.5", None),
        ("rate[predictions/selection_rate[fun]/g] < 0.5", None),  # which side is better is not said
    ],
)
def test_a_rate_whose_better_side_is_known_is_warned_of_too(tmp_path, gate, other):
    (tmp_path / "p.csv").write_text("g,y_pred,y_true\n" + "A,x,x\nA,y,x\nB,x,x\nB,y,y\n" * 25)
    words = ("--outcome", "harm:low=x", "--outcome", "fun=y", "--fail-on", gate, "--out", tmp_path / "out")
    done = command("--predictions", tmp_path / "p.csv", *words)
    assert done.returncode in (0, 1), done.stderr
    said = f"did you mean {other!r}?" in done.stderr if other else "did you mean" not in done.stderr
    assert said, done.stderr


@pytest.mark.slow_except("for any group] > 2 points-for any group] < -2 points", "for b] < -0.02-None", "for b] > 0-for b] < 0")
@pytest.mark.parametrize(
    ("gate", "other"),
    [
        ("for b] > -0.02", "for b] < -0.02"), ("for any group] > 2 points", "for any group] < -2 points"), ("for b] < -0.02", None),
        ("for b] > 0", "for b] < 0"), ("] > 0.02", None),
    ],
)  # fmt: skip
def test_the_change_of_a_group_is_warned_of_too(place, gate, other):
    done = compared(place, "plain", "skewed", "--fail-on", f"change[{ACCURACY} {gate}", out="turned")
    said = f"did you mean 'change[{ACCURACY} {other}'?" in done.stderr if other else "did you mean" not in done.stderr
    assert (done.returncode in (0, 1), said) == (True, True), done.stderr


def test_python_takes_the_name_that_a_terminal_shows(tmp_path):
    (tmp_path / "p.csv").write_text("g,y_pred,y_true\n" + "A,x,x\nA,y,y\nB,x,x\nB,y,y\nA,x,y\nB,y,x\n" * 40)
    done = command("--predictions", tmp_path / "p.csv", "--out", tmp_path / "out")
    assert "Accuracy by g " in done.stdout
    assert audit.load(tmp_path / "out").metric_frame("Accuracy by g").by_group.shape == (2, 1)


@pytest.mark.parametrize(
    ("written", "other"),
    [
        ("gap >= 5 %", None), ("gap <= 5 %", "gap >= 5 %"), ("ratio > 0.8", "ratio < 0.8"), ("ratio < 0.8", None),
        ("rate[a < b] > 0.8", None), ("verdict == equivalent", "verdict != equivalent"), ("verdict != disparity", "verdict == disparity"),
        ("verdict != equivalent", None), ("verdict == inconclusive", None), ("gap[a > b] < .1", "gap[a > b] > .1"),
    ],
)  # fmt: skip
def test_what_a_gate_is_turned_into(written, other):
    assert turned(parse(written)) == other


# ---- by hand -------------------------------------------------------------------------------------------------------------------------


def put(facts, *gates):
    questions = [gate_question(change, title(change)) for comparison in facts.comparisons for change in comparison.changes]
    return ChangeGates.of(gates, questions).decide(facts, questions).gates


def found(*folders):
    sides = [each for folder in folders for each in read(folder)]
    return assemble_comparisons(compare(sides, samples.SETTINGS), samples.SETTINGS, (), Clock().timing())


def test_one_of_two_questions_must_hold_at_half_of_the_error_rate(place):
    facts = found(place / "plain", place / "skewed")
    change = next(each for each in facts.comparisons[0].changes if each.id == "animal/accuracy/group")
    named, every = put(facts, f"change[{ACCURACY}] > 0.02", "change > 0.02")
    assert (named.checks[0].value, named.checks[0].low) == (pytest.approx(0.45), change.gap.low)
    alpha = facts.settings.alpha
    check = next(each for each in every.checks if each.finding == change.id)
    assert check.low == pytest.approx(stretched(change.gap.difference, change.gap.low, alpha, alpha / 2))
    assert check.high == change.gap.high  # what is held is shown of each question by itself


def test_a_gate_on_one_group_has_the_interval_of_that_group_and_on_any_that_of_all_at_once(place):
    facts = found(place / "plain", place / "skewed")
    change = next(each for each in facts.comparisons[0].changes if each.id == "animal/accuracy/group")
    group = next(cell for cell in change.by_group if cell.before.group == ("b",))
    one, every = (each.checks[0] for each in put(facts, f"change[{ACCURACY} for b] < 0", f"change[{ACCURACY} for any group] < 0"))
    assert (one.value, one.low, one.high) == (-54 / 120, group.low, group.high)
    assert (every.value, every.low, every.high) == (-54 / 120, group.low_adjusted, group.high_adjusted)
    assert every.high > one.high
    assert [dict(check.reasons[0].values).get("group") for check in (one, every)] == ["b", None]


def test_a_change_of_the_gap_of_fewer_than_two_groups_is_not_estimable(place):
    facts = found(place / "plain", place / "skewed")
    alone = tuple(replace(change, gap=None) for change in facts.comparisons[0].changes)
    check = put(replace(facts, comparisons=(replace(facts.comparisons[0], changes=alone),)), f"change[{ACCURACY}] > 0.02")[0].checks[0]
    assert (check.outcome, check.reasons[0].code) == ("not estimable", "too_few_groups")
    assert (dict(check.reasons[0].values)["groups"], FAIL_CLOSED.fails(check)) == (2, True)


def test_a_sample_settles_nothing_and_fails(place):
    facts = found(place / "plain", place / "skewed")
    limited = replace(facts, comparisons=tuple(replace(comparison, limited=True) for comparison in facts.comparisons))
    check = put(limited, f"change[{ACCURACY}] > 0.02")[0].checks[0]
    assert (check.outcome, FAIL_CLOSED.fails(check)) == ("inconclusive", True)


def test_a_change_may_be_below_zero_and_a_gap_may_not():
    assert parse("change[a by b] < -2 points", CHANGE_SUBJECTS).limit == -0.02
    with pytest.raises(UsageError, match="outside 0 to 1"):
        parse("gap > -0.02")


@pytest.mark.slow
def test_models_that_do_not_differ_breach_a_gate_of_no_growth_rarely():
    """Ten models that err at random in a tenth of all images: "change > 0" is a test of no change, and fails at most as often."""
    rng, asked = np.random.default_rng(0), samples.measurement(claims=(Claim("accuracy", ("group",)),))
    wrong = [dict(zip("abc", rng.binomial(120, 0.1, 3).tolist(), strict=True)) for _ in range(10)]
    models = [(f"m{i}", samples.result(samples.model(f"m{i}"), each, asked=asked)) for i, each in enumerate(wrong)]
    gates = [put(samples.facts(*pair), f"change[{ACCURACY}] > 0")[0] for pair in combinations(models, 2)]
    assert sum(gate.outcome == "breached" for gate in gates) <= 4  # of 45 pairs, at .025 on this side


def test_a_gap_that_vanishes_with_the_answers_is_not_estimable(tmp_path):
    """The second model says "x" to every image: its gap would be 0 and the change a fall of 40 points, which held any gate."""
    groups, truth = np.repeat(["A", "B"], 200), np.tile(["x", "y"], 200)
    wrong = np.arange(400) % 200 < np.where(groups == "A", 0, 80)
    answers = {"looks": np.where(wrong, np.where(truth == "x", "y", "x"), truth), "constant": np.full(400, "x")}
    for name, y_pred in answers.items():
        rows = pd.DataFrame({"id": [f"i{row}" for row in range(400)], "group": groups, "y_true": truth, "y_pred": y_pred})
        audit.audit(predictions=rows, draws=199, out=tmp_path / name)
    sides = (tmp_path / "looks", tmp_path / "constant")
    changes = audit.compare(*map(str, sides), fail_on=["change > 0.02", "change[predictions.accuracy by group for B] < -0.2"])
    gap, rate = changes.gates
    assert (gap.outcome, changes.exit_code) == ("not estimable", 1)
    assert {note.code for check in gap.checks for note in check.reasons} == {"side_not_estimable"}
    assert rate.outcome in ("held", "inconclusive", "breached")  # the rate of a group can be estimated
    assert replace(changes, gate_policy=GatePolicy(allow_undecided=True)).exit_code == (rate.outcome == "breached")
