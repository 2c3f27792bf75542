"""The gates of a plan lock are applied to every run under it, typed or not."""

import json

import pytest

from audit.__main__ import main
from tests.audit.api.test_locked_table import TABLE

BREACHED, OTHER = "gap[predictions.accuracy by race] > 0.01", "gap[predictions.accuracy by race] > 0.5"
RACE = ("--attributes", "race")


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A folder with a table, a lock with a gate that it breaches, and one without gates."""
    folder = tmp_path_factory.mktemp("gates")
    TABLE.drop(columns="person").assign(shift=["day", "night", "day", "day"] * 150).to_csv(folder / "answers.csv", index=False)
    for name, gates in (("gated", ("--fail-on", BREACHED)), ("open", ())):
        of = ("--predictions", str(folder / "answers.csv"), *RACE, *gates)
        assert main(["plan", *of, "--out", str(folder / f"{name}.json")]) == 0
    return folder


def ended(planned, out, *more, lock="gated"):
    """Run under a lock; return the exit code, the gates with their outcomes, and the deviations of the gates."""
    words = ["run", "--predictions", str(planned / "answers.csv"), "--lock", str(planned / f"{lock}.json"), "--out", str(out), *more]
    code = main(words)
    results = json.loads((out / "results.json").read_text())
    gates = {gate["expression"]: gate["outcome"] for gate in results["gates"]}
    return code, gates, [one["actual"] for one in results["lock"]["deviations"] if one["field"] == ["gates"]]


@pytest.mark.slow
def test_a_locked_gate_is_applied_as_if_it_had_been_typed(planned, tmp_path, capsys):
    bare = ended(planned, tmp_path / "out", *RACE, "--junit", str(tmp_path / "gates.xml"))
    assert bare == (1, {BREACHED: "breached"}, [])
    assert BREACHED.replace(">", "&gt;") in (tmp_path / "gates.xml").read_text()
    assert "BREACHED" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "out")]) == 0
    assert ended(planned, tmp_path / "typed", *RACE, "--fail-on", BREACHED) == bare


def test_another_gate_is_a_deviation_and_replaces_none(planned, tmp_path):
    code, gates, deviations = ended(planned, tmp_path / "out", *RACE, "--fail-on", OTHER)
    assert (code, gates, deviations) == (1, {BREACHED: "breached", OTHER: "inconclusive"}, [[BREACHED, OTHER]])
    assert main(["verify", str(tmp_path / "out")]) == 0


def test_leaving_its_question_out_does_not_pass_a_locked_gate(planned, tmp_path):
    code, gates, _ = ended(planned, tmp_path / "out", "--attributes", "shift")
    assert (code, gates) == (1, {BREACHED: "inconclusive"})
    assert main(["verify", str(tmp_path / "out")]) == 0


def test_options_of_gates_need_a_gate_in_the_lock(planned, tmp_path, capsys):
    words = ["--predictions", str(planned / "answers.csv"), "--lock", str(planned / "open.json"), *RACE]
    assert main(["run", *words, "--junit", str(tmp_path / "gates.xml")]) == 2
    assert "no gate is given" in capsys.readouterr().err
