"""Gates from outside: exit codes, files, words, on external predictions and before any model is read."""

import csv
import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import audit
from audit.api.junit import junit_of_errors
from audit.errors import DataError
from tests.support.command import command


@pytest.fixture
def predictions(tmp_path):
    """Return a function that plants accuracies of two groups of n images each."""

    def write(first, second, n, name="preds.csv"):
        rows = [(f"{g}{i}", g, "yes", "yes" if i < rate * n else "no") for g, rate in (("a", first), ("b", second)) for i in range(n)]
        np.random.default_rng(0).shuffle(rows)
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([("id", "group", "y_true", "y_pred"), *rows])
        return name

    return write


def gated(tmp_path, name, gate, flags=()):
    done = command("--predictions", name, "--attributes", "group", "--out", "out", "--fail-on", gate, *flags, cwd=tmp_path)
    return done, json.loads((tmp_path / "out" / "results.json").read_text()) if (tmp_path / "out" / "results.json").exists() else None


@pytest.mark.slow
def test_a_planted_gap_breaches_and_a_planted_equality_holds(tmp_path, predictions):
    """.9 against .7 of 2,000 each: .2, and no less than .15. .8 against .8 of 4,000: no more than .02."""
    done, results = gated(tmp_path, predictions(0.9, 0.7, 2000), "gap>0.05", flags=("--junit", "gates.xml"))
    assert done.returncode == 1, done.stderr
    assert [gate["outcome"] for gate in results["gates"]] == ["breached"]
    assert "BREACHED gap>0.05" in done.stdout
    assert "| **Breached** |" in (tmp_path / "out" / "summary.md").read_text()
    assert "Breached</span>" in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "STATUS").read_text() == "complete\n"
    suite = ET.parse(tmp_path / "gates.xml").getroot().find("testsuite")
    assert (suite.get("failures"), suite.get("errors")) == ("1", "0")
    done, results = gated(tmp_path, predictions(0.8, 0.8, 4000), "gap>0.05", flags=("--require-conclusive",))
    assert done.returncode == 0, done.stderr
    assert [gate["outcome"] for gate in results["gates"]] == ["held"]


def test_too_few_images_are_inconclusive_and_say_how_many_would_do(tmp_path, predictions):
    name = predictions(0.8, 0.7, 60)
    done, results = gated(tmp_path, name, "gap>0.05")
    check = results["gates"][0]["checks"][0]
    assert done.returncode == 0, done.stderr
    assert (check["outcome"], check["images"]) == ("inconclusive", 120)
    assert check["images_needed"] > 1000
    assert f"About {check['images_needed']:,} images instead of 120" in " ".join(done.stdout.split())
    assert gated(tmp_path, name, "gap>0.05", flags=("--require-conclusive",))[0].returncode == 1


def one_answer(tmp_path, n=400):
    """A model that answers "yes" to every image, whose truth is "yes" in 60 % of group a and 40 % of group b."""
    truth = {"a": 0.6, "b": 0.4}
    rows = [(f"{g}{i}", g, "yes" if i < share * n else "no", "yes") for g, share in truth.items() for i in range(n)]
    with (tmp_path / "constant.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "group", "y_true", "y_pred"), *rows])
    return "constant.csv"


def suite_of(tmp_path):
    return ET.parse(tmp_path / "gates.xml").getroot().find("testsuite")


def test_a_model_that_gives_one_answer_passes_no_gate(tmp_path):
    name = one_answer(tmp_path)
    done, results = gated(tmp_path, name, "gap > 0.1", flags=("--junit", "gates.xml"))
    assert (done.returncode, [gate["outcome"] for gate in results["gates"]]) == (1, ["not estimable"]), done.stderr
    assert "A gate that cannot be estimated fails, unless the command has --allow-undecided." in " ".join(done.stdout.split())
    suite = suite_of(tmp_path)
    assert int(suite.get("failures")) == len(results["gates"][0]["checks"]) > 0
    assert all(failure.get("message").startswith("not estimable: ") for failure in suite.iter("failure"))
    done, _ = gated(tmp_path, name, "gap > 0.1", flags=("--junit", "gates.xml", "--allow-undecided"))
    assert (done.returncode, suite_of(tmp_path).get("failures")) == (0, "0"), done.stderr
    both = gated(tmp_path, name, "gap > 0.1", flags=("--allow-undecided", "--require-conclusive"))[0]
    assert (both.returncode, "cannot be used with --allow-undecided" in both.stderr) == (2, True)


@pytest.mark.slow_except(
    "--model absent.pt --probe emojy-2-emojy",
    "--model absent.pt --prob emoji-2-the command line cannot be read",
    "--predictions absent.csv-3-absent.csv",
)
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--model absent.pt --probe emoji", 3, "absent.pt"),
        ("--model absent.pt --probe emojy", 2, "emojy"),
        ("--model absent.pt --prob emoji", 2, "the command line cannot be read"),
        ("--predictions absent.csv", 3, "absent.csv"),
    ],
)
def test_a_run_that_fails_leaves_an_error_for_each_gate_in_place_of_an_older_file(tmp_path, words, code, said):
    (tmp_path / "gates.xml").write_text('<testsuites><testsuite failures="0"/></testsuites>')
    gates = ("--fail-on", "gap > 0.1", "--fail-on=verdict == disparity", "--junit", "gates.xml")
    done = command(*words.split(), *gates, "--out", "out", cwd=tmp_path)
    suite = suite_of(tmp_path)
    assert (done.returncode, suite.get("errors"), suite.get("tests")) == (code, "2", "2"), done.stderr
    assert [case.get("name") for case in suite.iter("testcase")] == ["gap > 0.1", "verdict == disparity"]
    assert all(said in error.get("message") for error in suite.iter("error"))


def test_the_file_says_that_a_run_did_not_end_until_it_has(tmp_path):
    """What a killed run leaves: the file is written before the work, and by its end."""
    with junit_of_errors(tmp_path / "gates.xml", "gap > 0.1"):
        assert "did not end" in suite_of(tmp_path).find(".//error").get("message")
    with pytest.raises(DataError), junit_of_errors(str(tmp_path / "gates.xml"), None):
        raise DataError("no rows")
    assert [(case.get("name"), case.find("error").get("message")) for case in suite_of(tmp_path)] == [("the whole run", "no rows")]


def test_an_audit_from_python_leaves_an_error_too(tmp_path):
    with pytest.raises(DataError):
        audit.audit(predictions=tmp_path / "absent.csv", fail_on="gap > 0.1", junit=tmp_path / "gates.xml")
    assert suite_of(tmp_path).get("errors") == "1"


def test_a_check_writes_no_file_of_gates(tmp_path, predictions):
    done = gated(tmp_path, predictions(0.8, 0.7, 60), "gap > 0.1", flags=("--junit", "gates.xml", "--check"))[0]
    assert (done.returncode, (tmp_path / "gates.xml").exists()) == (0, False), done.stderr


@pytest.mark.parametrize("flags", [("--cluster", "person"), ("--weights", "w")])
def test_a_ratio_that_can_never_be_decided_is_refused_before_any_work(tmp_path, flags):
    rows = "".join(f"{i},{i // 2},{1 + i % 2},{'ab'[i % 4 // 2]},{'yes' if i % 3 else 'no'},yes\n" for i in range(400))
    (tmp_path / "rows.csv").write_text(f"id,person,w,group,y_pred,y_true\n{rows}")
    for gate in ("ratio < 0.8", "ratio[predictions.accuracy by group] < 0.8"):
        done, results = gated(tmp_path, "rows.csv", gate, flags=(*flags, "--check"))
        assert (done.returncode, results) == (2, None), done.stderr
        assert "can never be decided" in done.stderr
        assert flags[1] in done.stderr
    assert gated(tmp_path, "rows.csv", "ratio < 0.8", flags=("--check",))[0].returncode == 0


def test_a_name_that_is_not_there_leaves_no_report_and_names_the_nearest(tmp_path, predictions):
    done, results = gated(tmp_path, predictions(0.9, 0.7, 100), "gap[accuracy by grup] > 0.05")
    assert (done.returncode, results) == (2, None)
    assert "Traceback" not in done.stderr
    assert "by group" in done.stderr


REFUSED = [
    (["--fail-on", "gapp > 0.05"], "position 1"),
    (["--fail-on", "gap[harm.crime by gender] > 0.05"], "harm-21.crime-related by gender"),
    (["--fail-on", "rate[gender.accuracy by race] < 90"], "outside 0 to 1"),
    (["--require-conclusive"], "no gate is given"),
    (["--junit", "x.xml"], "no gate is given"),
    (["--allow-undecided"], "no gate is given"),
    (["--fail-on", "ratio[gender.accuracy by race] < 0.8", "--cluster", "person"], "can never be decided"),
    (["--fail-on", "gap > 0.1", "--junit", "."], "is a folder"),
    (["--fail-on", "gap > 0.1", "--junit", "nowhere/x.xml"], "no folder 'nowhere'"),
]


@pytest.mark.parametrize(("flags", "said"), REFUSED)
def test_what_is_wrong_with_a_gate_is_said_before_any_model_is_read(tmp_path, flags, said):
    done = command("--model", "absent.pt", "--probe", "fairface", *flags, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "absent.pt" not in done.stderr


@pytest.mark.extension("whatif")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--predictions preds.csv --attributes group --what-if all", "--what-if cannot be used with --predictions"),
        ("--model absent.pt --probe emoji --what-if projektion", "did you mean projection"),
        ("--model absent.pt --probe mine.py --what-if all", "plans no what-ifs"),
    ],
)
def test_a_what_if_that_makes_no_sense_is_refused_before_any_model_is_read(tmp_path, predictions, words, said):
    predictions(0.9, 0.7, 100)
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom probes.counterfactual.emoji import PROBE as E\nPROBE = replace(E, what_ifs=())\n"
    )
    done = command(*words.split(), cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (2, True)
