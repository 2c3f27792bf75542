"""Rows that may belong together: the command asks for --cluster or --independent, and judges nothing until it is told."""

import json

import numpy as np
import pandas as pd
import pytest

import audit
from audit.commands.verify import main as verify
from audit.predictions.columns import frame_columns
from audit.predictions.units import possible_units
from audit.run import main
from tests.support.page_text import text_of

PHOTOS, ASKED = 60, 10
GATES = ("gap[accuracy by group] > 0.9", "gap > 0.9", "rate[accuracy by group] < 0.1", "verdict == disparity")
ASKING = "‘image_id’ has 60 values"


@pytest.fixture(scope="module")
def long():
    """Ten rows about each of 60 photos: all right or all wrong, 24 of 30 right in one group and 15 of 30 in the other."""
    photo = np.repeat(np.arange(PHOTOS), ASKED)
    truth = np.where(np.arange(PHOTOS * ASKED) % 2, "yes", "no")
    right = np.where(photo < 30, photo % 5 > 0, photo % 2 > 0)
    answer = np.where(right == (truth == "yes"), "yes", "no")
    group = np.where(photo < 30, "a", "b")
    return pd.DataFrame({"image_id": [f"img_{one:03d}" for one in photo], "group": group, "y_true": truth, "y_pred": answer})


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that audits a file, with the audit, the summary and what the terminal says."""

    def run(source, *flags, code=0, out="out"):
        assert main(["--predictions", str(source), "--out", str(tmp_path / out), *flags]) == code
        terminal = " ".join(capsys.readouterr().out.split())
        results = json.loads((tmp_path / out / "results.json").read_text())
        return results["audits"][0], (tmp_path / out / "summary.md").read_text(), terminal

    return run


@pytest.fixture
def file(tmp_path, long):
    long.to_csv(tmp_path / "long.csv", index=False)
    return tmp_path / "long.csv"


def test_without_an_answer_nothing_is_judged_and_every_gate_fails(run, file, capsys, tmp_path):
    gates = [word for gate in GATES for word in ("--fail-on", gate)]
    found, summary, terminal = run(file, *gates, code=1)
    assert {finding["verdict"] for finding in found["findings"]} == {found["verdict"]} == {"not estimable"}
    assert {finding["unresponsive"] for finding in found["findings"]} == {"units"}
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [gate["outcome"] for gate in results["gates"]] == ["not estimable"] * len(GATES)
    for said in (terminal, summary.replace("\\", ""), text_of((tmp_path / "out" / "report.html").read_text())):
        assert ASKING in said
        assert "--cluster image_id" in said
        assert "--independent" in said
    assert "No signal" not in terminal
    assert verify([str(tmp_path / "out")]) == 0
    assert "0 differs" in capsys.readouterr().out


def test_either_answer_gives_a_verdict(run, file):
    clustered, _, _ = run(file, "--cluster", "image_id")
    independent, _, _ = run(file, "--independent", out="independent")
    verdicts = [{finding["verdict"] for finding in found["findings"] if finding["primary"]} for found in (clustered, independent)]
    assert [found["data"]["cluster"] for found in (clustered, independent)] == ["image_id", None]
    assert verdicts == [{"inconclusive"}, {"disparity"}]  # what ten rows about each photo seem to show, 60 photos do not
    codes = [{note["code"] for note in found["data"]["notes"]} for found in (clustered, independent)]
    assert ["declared_independent" in some for some in codes] == [False, True]
    assert not any("undeclared_units" in some for some in codes)


def test_the_table_that_the_audit_wrote_and_parts_of_a_table_are_asked_too(run, file, long, tmp_path):
    run(file)
    again, _, _ = run(tmp_path / "out" / "predictions.parquet", out="again")
    (tmp_path / "parts").mkdir()
    long.to_parquet(tmp_path / "parts" / "a.parquet")
    parts, _, terminal = run(tmp_path / "parts", out="of_parts")
    assert again["verdict"] == parts["verdict"] == "not estimable"
    assert ASKING in terminal
    declared, _, _ = run(tmp_path / "parts", "--independent", out="declared")
    assert declared["verdict"] == "disparity"


def test_two_audits_that_were_not_told_are_not_compared(long):
    first, second = (audit.audit(predictions=long, name=name) for name in ("first", "second"))
    [compared] = audit.compare(first, second).facts.comparisons
    assert compared.changes == ()
    assert {note.code for note in compared.not_compared} == {"rows_of_units"}


def test_scores_are_not_judged_either(run, file, long, tmp_path):
    sure = np.where(long["y_pred"] == "yes", 0.9, 0.2)
    long.assign(**{"score:yes": sure, "score:no": 1 - sure}).to_csv(tmp_path / "scores.csv", index=False)
    found, _, _ = run(tmp_path / "scores.csv", "--score", "yes")
    assert [(effect["verdict"], effect["reason"]) for effect in found["effects"]] == [("not estimable", "units")]


def test_independent_rows_have_no_cluster(file, capsys):
    assert main(["--predictions", str(file), "--independent", "--cluster", "image_id"]) == 2
    assert "--independent cannot be used with --cluster" in capsys.readouterr().err
    assert main(["--model", "m.pt", "--probe", "fairface", "--independent"]) == 2
    assert "--independent cannot be used without --predictions" in capsys.readouterr().err


# ---- columns of tables that people publish -------------------------------------------------------------------------------------------


def numbered(prefix, values, each):
    return [f"{prefix}{one}" for one in range(values) for _ in range(each)]


def integers(values, each):
    return [one for one in range(values) for _ in range(each)]


UNITS = {
    "COCO captions: image_id": integers(100, 5),
    "VQA: image_id": integers(60, 4),
    "GQA: imageId": numbered("n", 60, 4),
    "Open Images boxes: ImageID": [f"{one:016x}" for one in range(40) for _ in range(3)],
    "POPE: image": numbered("COCO_val2014_000", 50, 6),
    "MIMIC-CXR: subject_id": integers(40, 3),
    "CelebA with identities: identity": integers(200, 20),
    "Casual Conversations: subject_id": numbered("", 60, 4),
    "video frames: video": numbered("clip_", 12, 30),
    "web images: url": [f"https://example.org/{one}.jpg" for one in range(30) for _ in range(2)],
    "hashes: digest": [f"{one:032x}" for one in range(20) for _ in range(2)],
    "scenes: where": numbered("room-", 80, 4),
    "own persons: person": numbered("p", 15, 8),
    "epochs: sample_id": integers(300, 3),
    "circular options: question_id": integers(200, 4),
}
NO_UNITS = {
    "FairFace: file": [f"val/{one}.jpg" for one in range(500)],
    "few images of one lesion: lesion_id": numbered("HAM_", 150, 1) + numbered("HAM_X", 35, 2),
    "ImageNet: wnid": [f"n{1440764 + one:08d}" for one in range(100) for _ in range(5)],
    "ImageNet by code: code_of_answer": [f"n{1440764 + one:08d}" for one in range(100) for _ in range(5)],
    "iNaturalist: category_id": integers(200, 5),
    "SEED-Bench: question_type_id": integers(12, 40),
    "MMMU: subject": ["Art", "Biology", "Chemistry", "Design", "Economics", "Finance", "Geography", "History", "Music", "Physics"] * 20,
    "prompts of all images: prompt_id": integers(80, 100),
    "annotators: worker_id": integers(30, 40),
    "countries: country": [f"country{one}" for one in range(60) for _ in range(5)],
    "scores: confidence": [round(one / 1000, 3) for one in range(500) for _ in range(2)],
    "ages: age": integers(90, 5),
    "years: born": integers(60, 5),
    "dates: taken": [f"2024-{1 + one // 28:02d}-{1 + one % 28:02d}" for one in range(60) for _ in range(3)],
    "captions: caption": [f"a person number {one} at work here" for one in range(60) for _ in range(4)],
    "questions: question": [f"Is there a chair number {one} here?" for one in range(60) for _ in range(4)],
    "occupations: occupation": [f"job{one}" for one in range(80) for _ in range(5)],
    "numbers of faces: person": integers(15, 30),
    "groups of pixels: width": integers(70, 4),
    "topics: topic": numbered("topic_", 100, 5),
    "ICD-10: diagnosis": [f"{letter}{one}.{part}" for letter in "ABC" for one in range(10) for part in range(3) for _ in range(3)],
    "species: species": numbered("sp", 120, 5),
    "few ids: site_id": integers(6, 50),
    "skin tones: fitzpatrick": integers(6, 50),
}


def asked(layout, values):
    name = layout.rpartition(": ")[2]
    table, _ = frame_columns(pd.DataFrame({name: values}))
    return bool(possible_units(table, [name], "asked"))


@pytest.mark.parametrize("layout", UNITS)
def test_a_column_of_units_is_asked_about(layout):
    assert asked(layout, UNITS[layout])
    assert asked(layout, [str(value) for value in UNITS[layout]])


@pytest.mark.parametrize("layout", NO_UNITS)
def test_other_columns_are_not(layout):
    assert not asked(layout, NO_UNITS[layout])
    assert not asked(layout, [str(value) for value in NO_UNITS[layout]])
