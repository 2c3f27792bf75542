"""A mistake in a probe of one's own: exit code 2 with file and line, before any model is loaded."""

from dataclasses import replace

import pytest

import audit
from audit.analyses.plans import RankingPlan
from audit.errors import UsageError
from audit.probe.check import mistakes
from audit.types import Claim, LabelSet, Measurement, Probe, Retrieval
from tests.support.command import command

GOOD = """\
from audit.data import load_dataset; from audit.data.schema import Schema
from audit.types import Claim, LabelSet, Measurement, PairedClaim, Probe

LABELS = LabelSet(
    "things",
    ("cup", "glass"),
    {"cup": ("a cup",), "glass": ("a glass",)},
)
PROBE = Probe(
    name="things",
    question="Are cups and glasses told apart?",
    load=lambda options: load_dataset(options.location, Schema(), name="things", licence="none"),
    measurements=(
        Measurement(
            "thing", "Cup or glass?", LABELS, preset="plain v1", truth="thing",
            outcomes={"drink": ("cup",)},
            claims=(
                Claim("accuracy", ("hand",)),
                Claim("selection_rate", ("hand",), "drink"),
            ),
        ),
    ),
    source="the test",
    licence="none",
    limits=("Nothing is real.",),
    not_tested=("everything else",),
)
"""
MISTAKES = {
    "a string for a tuple of labels": ('("cup", "glass"),', '"cup",', 6, "labels: 'cup', expected a tuple of strings"),
    "a list of labels": ('("cup", "glass"),', '["cup", "glass"],', 6, "labels: ['cup', 'glass'], expected a tuple"),
    "one label": ('("cup", "glass"),', '("cup",),', 5, "a label set needs two labels"),
    "a label twice": ('("cup", "glass"),', '("cup", "glass", "cup"),', 6, "the label 'cup' stands twice"),
    "a string for prompts": ('"glass": ("a glass",)', '"glass": "a glass"', 7, "the prompts of 'glass': 'a glass', expected a tuple"),
    "a label without prompts": (', "glass": ("a glass",)', "", 6, "the label 'glass' has no prompts"),
    "prompts without a label": ('"glass": (', '"glas": (', 7, "prompts for 'glas', which is no label"),
    "prompts that cannot be a mapping": ('{"cup": ("a cup",), ', '{["cup"]: ("a cup",), ', 7, "TypeError: unhashable type: 'list'"),
    "a string for attributes": ('"accuracy", ("hand",)', '"accuracy", "hand"', 18, "by: 'hand', expected a tuple of strings"),
    "no attribute": ('"accuracy", ("hand",)', '"accuracy", ()', 18, "a claim by no attribute"),
    "an unknown metric": ('"accuracy"', '"acuracy"', 18, "did you mean accuracy"),
    "an unknown outcome": ('"drink")', '"drnk")', 19, "unknown outcome 'drnk'"),
    "an outcome that is needed": (', "drink")', ")", 19, "selection_rate needs an outcome"),
    "an answer that cannot be given": ('("cup",)},', '("mug",)},', 16, "the outcome 'drink' has an answer 'mug', which cannot be given"),
    "a string for an outcome": ('{"drink": ("cup",)}', '{"drink": "cup"}', 16, "the outcome 'drink': 'cup', expected a tuple"),
    "no truth": ('truth="thing",', "", 18, "accuracy needs true answers"),
    "one claim for a tuple": (
        "claims=(\n",
        "claims=Claim('accuracy', ('hand',)) or (\n",
        14,
        "a comma makes a tuple of one: (Claim(…),)",
    ),
    "a claim twice": ('Claim("selection_rate", ("hand",), "drink")', 'Claim("accuracy", ("hand",))', 18, "is made twice"),
    "a tolerance in points": ('("hand",)),', '("hand",), tolerance=5),', 18, "invalid tolerance 5: expected 0 ≤ x < 1"),
    "an unknown kind": ('truth="thing",', 'truth="thing", kind="guess",', 15, "unknown kind 'guess'"),
    "a limit that is no tuple": ('("Nothing is real.",)', '"Nothing is real."', 25, "a comma makes a tuple of one: ('Nothing is real.',)"),
    "no name": ('name="things",\n    q', 'name="",\n    q', 10, "name is '': expected text"),
    "a load that is none": ("lambda options: load_dataset(options.location,", "(lambda *a, **k: {})(", 12, "load is a value of type dict"),
    "an unknown keyword": ('licence="none",\n    limits', 'license="none",\n    limits', 9, "unexpected keyword argument 'license'"),
    "a missing argument": ('    source="the test",\n', "", 9, "missing 1 required positional argument: 'source'"),
    "a word that is not Python": ("LABELS = ", "LABELS := ", 4, "SyntaxError"),
    "an exception": ("LABELS = ", "LABELS = 1 / 0 or ", 4, "ZeroDivisionError"),
    "a package that is missing": ("LABELS = ", "import absent_package\nLABELS = ", 4, "absent_package"),
    "an end": ("LABELS = ", "raise SystemExit(0)\nLABELS = ", 4, "SystemExit"),
    "no probe": ("PROBE = ", "MINE = ", None, "PROBE = MINE"),
    "two probes": ("PROBE = ", "PROBE = 1\nPROBE = ", 10, "has two probes"),
    "a tuple of probes": ('everything else",),\n)\n', 'everything else",),\n)\nPROBE = (PROBE, PROBE)\n', 9, "holds 2 probes"),
    "another type": ("PROBE = Probe(", "PROBE = dict(", 9, "is of type dict"),
    "a pair of nothing": (
        "    limits=",
        '    paired=(PairedClaim("absent", "hand", "a", "b", (), "thing"),),\n    limits=',
        25,
        "names the measurement 'absent'",
    ),
    "an outcome of a pair that nothing defines": (
        "    limits=",
        '    paired=(PairedClaim("thing", "hand", "a", "b", (), "thing", outcome="drnk"),),\n    limits=',
        25,
        "a pair names an unknown outcome 'drnk'",
    ),
    "a ranking of words": (
        "    limits=",
        '    analyses=("nurse",),\n    limits=',
        25,
        "analyses: 'nurse' in it, expected a tuple of AnalysisPlan values",
    ),
}
AFTER_LOADING = {
    "a misspelt truth": ('truth="thing"', 'truth="thin"', 15, "no attribute 'thin' with the true answers"),
    "a misspelt attribute": ('"accuracy", ("hand",)', '"accuracy", ("hnad",)', 18, "did you mean hand"),
    "a misspelt attribute of a pair": (
        "    limits=", '    paired=(PairedClaim("thing", "hand", "a", "b", ("thng",), "thing"),),\n    limits=', 25,
        "'thng' to pair images by",
    ),
    "a schema of letters": ("Schema()", 'Schema(columns="hand")', 12, "columns: 'hand', expected a tuple; a comma makes a tuple"),
    "a loader that fails": ("load_dataset(options.location,", "1 / 0 or load_dataset(options.location,", 12, "ZeroDivisionError"),
}  # fmt: skip


def audited(folder, text, *more):
    (folder / "mine.py").write_text(text)
    return command("--model", "absent.pt", "--probe", "mine.py", "--out", "out", *more, cwd=folder)


def test_the_probe_is_right_without_a_mistake(tmp_path, faces):
    done = audited(tmp_path, GOOD, "--data", faces / "nowhere")
    assert (done.returncode, "nowhere" in done.stderr) == (3, True)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(tmp_path, name):
    right, wrong, line, said = MISTAKES[name]
    assert right in GOOD
    done = audited(tmp_path, GOOD.replace(right, wrong, 1))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert said in done.stderr, done.stderr
    assert (f"(mine.py, line {line})" if line else "(mine.py)") in done.stderr, done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", AFTER_LOADING)
def test_what_only_the_data_show_is_named_before_a_model_is_loaded(tmp_path, name):
    right, wrong, line, said = AFTER_LOADING[name]
    assert right in GOOD
    from PIL import Image

    for name in ("a.png", "b.png"):
        Image.new("RGB", (16, 16)).save(tmp_path / name)
    (tmp_path / "data.csv").write_text("image,hand,thing\na.png,left,cup\nb.png,right,glass\n")
    done = audited(tmp_path, GOOD.replace(right, wrong, 1), "--data", "data.csv")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert f"(mine.py, line {line})" in done.stderr, done.stderr


@pytest.mark.extension("whatif")
def test_a_what_if_about_no_question_is_named_too(tmp_path):
    plan = '    what_ifs=(WhatIfPlan("?", "thing/accuracy/hnad"),),\n    limits='
    text = GOOD.replace("    limits=", plan, 1).replace("LABELS = ", "from audit.plans import WhatIfPlan\nLABELS = ", 1)
    done = audited(tmp_path, text, "--what-if", "projection")
    assert (done.returncode, "which is not a finding by one attribute (mine.py, line 26)" in done.stderr) == (2, True), done.stderr


def test_a_probe_made_in_python_is_checked_too():
    labels = LabelSet("things", ("cup", "glass"), {"cup": ("a cup",), "glass": ("a glass",)})
    measured = Measurement("thing", "?", labels, "plain v1", claims=(Claim("accuracy", ("hand",)),))
    probe = Probe("things", "?", lambda options: None, (measured,), "here", "none", ("none",), ("all",))
    with pytest.raises(UsageError, match="accuracy needs true answers") as caught:
        audit.audit("absent.pt", probe)
    assert caught.value.where == "measurement 'thing'"


def test_a_file_runs_once_and_again_when_it_changes(tmp_path):
    import probes

    (tmp_path / "mine.py").write_text(f"print('run')\n{GOOD}")
    assert probes.get(str(tmp_path / "mine.py")) is probes.get(str(tmp_path / "mine.py"))
    (tmp_path / "mine.py").write_text(GOOD.replace('name="things",\n    q', 'name="others",\n    q'))
    assert probes.get(str(tmp_path / "mine.py")).name == "others"


def _searched(**changed):
    plan = RankingPlan("Who is found?", {"cup": ("a cup",), "glass": ("a glass",)}, ("hand",), "v1", gallery="place")
    return replace(plan.planned(5, "search"), **changed)


@pytest.mark.parametrize(
    ("measurement", "said", "fix"),
    [
        (_searched(retrieval=None), "kind is 'retrieved' and retrieval is None", "RankingPlan.planned"),
        (_searched(kind="zero_shot"), "kind is 'zero_shot' and retrieval is", "RankingPlan.planned"),
        (_searched(retrieval=Retrieval(0, {"cup": ("a cup",)}, "place")), "k is 0: expected a whole number from 1", "k=10"),
        (_searched(retrieval=Retrieval(5, {"a": ("a",), "b": ("b",)})), "2 queries rank the same images", "query='…'"),
        (
            _searched(claims=(Claim("retrieval_rate", ("hand", "tone"), "among the first 5 of the place"),)),
            "by hand x tone",
            "one attribute",
        ),
    ],
)
def test_a_planned_ranking_that_cannot_be_asked_is_refused(measurement, said, fix):
    probe = Probe("searches", "?", lambda options: None, (measurement,), "the test", "none", (), ())
    mistake = next(mistakes(probe))
    assert said in mistake.what
    assert fix in mistake.fix
    assert not list(mistakes(replace(probe, measurements=(_searched(),))))
