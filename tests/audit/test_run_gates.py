"""Gates from outside: exit codes, files, words, on external predictions and before any model is read."""

import csv
import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest

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
    (["--fail-on", "gap > 0.1", "--junit", "."], "is a folder"),
    (["--fail-on", "gap > 0.1", "--junit", "nowhere/x.xml"], "no folder 'nowhere'"),
]


@pytest.mark.parametrize(("flags", "said"), REFUSED)
def test_what_is_wrong_with_a_gate_is_said_before_any_model_is_read(tmp_path, flags, said):
    done = command("--model", "absent.pt", "--probe", "fairface", *flags, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "absent.pt" not in done.stderr


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
