"""Several models of one run: compared with each other in its report, as `audit.compare` compares their audits."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import audit
from audit.comparison.within import pair_models
from audit.results import from_json, to_json
from audit.testing import FakeEncoder, four_faces, gender_probe
from reports.exports.markdown import summary_markdown
from reports.exports.tables import csv_tables
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from reports.text.notes import sentence
from tests.support import comparison_samples as samples

N = 400
RACE = np.where(np.arange(N) % 2, "A", "B")
ANSWERS = {"first": (170, 120), "second": (172, 165), "third": (168, 118)}
"""Right answers among the 200 images of A and of B."""


def table(name):
    right = np.arange(N) // 2 < np.where(RACE == "A", *ANSWERS[name])
    truth = np.where(np.arange(N) // 2 % 2, "m", "f")
    other = np.where(truth == "m", "f", "m")
    return pd.DataFrame({"id": [f"i{row}" for row in range(N)], "race": RACE, "y_true": truth, "y_pred": np.where(right, truth, other)})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in ANSWERS:
        table(name).to_csv(folder / f"{name}.csv", index=False)
    return folder


def run(place, *names, **options):
    files = [place / f"{name}.csv" for name in names]
    return audit.audit(predictions=files, **{"attributes": "race", "draws": 999, **options})


@pytest.fixture(scope="module")
def three(place):
    return run(place, *ANSWERS)


@pytest.mark.slow
def test_every_model_is_compared_with_the_first_as_finished_audits_are(place, three):
    paired = three.results.paired_models
    assert [(comparison.after, comparison.before) for comparison in paired.comparisons] == [
        ("second.csv", "first.csv"),
        ("third.csv", "first.csv"),
    ]
    alone = [run(place, name) for name in ANSWERS]
    compared = audit.compare(*alone).facts
    assert paired.family == compared.family
    for own, theirs in zip(paired.comparisons, compared.comparisons, strict=True):
        assert own.changes == tuple(change for change in theirs.changes if change.primary)
        assert (own.verdict, own.direction, own.images) == (theirs.verdict, theirs.direction, N)
    accuracy = paired.comparisons[0].changes[0]
    assert accuracy.gap.difference == pytest.approx(7 / 200 - 50 / 200)  # B gains 45 of 200, A 2
    assert (accuracy.verdict, accuracy.direction) == ("disparity", "shrank")


@pytest.mark.slow
def test_no_verdict_of_an_audit_depends_on_the_others(place, three):
    assert [each.findings for each in three.results.audits] == [run(place, name).results.audits[0].findings for name in ANSWERS]


def test_it_is_drawn_and_told(three):
    results = three.results
    page = render(results)
    for said in (page, summary_markdown(results), audit_lines(results)):
        assert "second.csv against first.csv · predictions" in said
        assert "Gap shrank" in said
    assert page.count('<table class="marks moved">') == len(results.paired_models.comparisons)  # the groups before and after
    assert "audit.compare does" not in page
    assert {'id="c1"', 'id="c2"'} <= set(page.split())
    assert from_json(to_json(results)) == results
    assert csv_tables(results)["changes.csv"].count("\n") == 1 + sum(
        len(comparison.changes) for comparison in results.paired_models.comparisons
    )


@pytest.mark.slow
def test_no_image_is_embedded_for_it(tmp_path):
    probe = gender_probe(four_faces(20))
    encoders = [FakeEncoder(), FakeEncoder({"woman": [0.0, 1.0, 0.0], "man": [1.0, 0.0, 0.0]})]
    for encoder, digit in zip(encoders, "ab", strict=True):
        encoder.record = replace(encoder.record, fingerprint=digit * 64)
    found = audit.audit(encoders, probe, cache_root=tmp_path, draws=199)
    assert [sum(encoder.calls) for encoder in encoders] == [2, 2]  # two pictures, each once
    assert found.results.paired_models.comparisons[0].images == 80


@pytest.mark.slow
def test_one_model_and_replicates_are_not_compared(place):
    assert run(place, "first").results.paired_models is None
    assert run(place, "first", "third", as_replicates=True).results.paired_models is None


@pytest.mark.slow_except("<lambda>-The measurement 'predictions' is missing from an audit")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda rows: rows.assign(id=[f"j{row}" for row in range(N)]), "was audited on other data than"),
        (lambda rows: rows.rename(columns={"y_pred": "y_pred:sex"}), "The measurement 'predictions' is missing from an audit"),
    ],
)
def test_models_that_cannot_be_compared_are_audited_all_the_same(place, tmp_path, change, why):
    change(table("second")).to_csv(tmp_path / "other.csv", index=False)
    found = audit.audit(predictions=[place / "first.csv", tmp_path / "other.csv"], attributes="race", draws=199).results
    assert len(found.audits) == 2
    paired = found.paired_models
    assert not any(comparison.changes for comparison in paired.comparisons)
    assert why in " ".join(map(sentence, paired.notes))
    for said in (render(found), audit_lines(found), summary_markdown(found)):
        assert why in " ".join(said.replace("&#39;", "'").replace("\\", "").split())


@pytest.mark.slow_except("False-False")
@pytest.mark.parametrize("other_first", [False, True])
@pytest.mark.parametrize("truth", [True, False])
def test_a_file_of_answers_to_another_question_does_not_keep_the_others_from_a_comparison(place, tmp_path, other_first, truth):
    other = table("first")
    files = {"other": other.assign(y_true=other["race"], y_pred=other["race"]), "first": other, "second": table("second")}
    for name, rows in files.items():
        (rows if truth else rows.drop(columns="y_true")).to_csv(tmp_path / f"{name}.csv", index=False)
    order = ["other", "first", "second"] if other_first else ["first", "other", "second"]
    paired = audit.audit(predictions=[tmp_path / f"{name}.csv" for name in order], attributes="race", draws=199).results.paired_models
    [comparison] = paired.comparisons

    assert (comparison.before, comparison.after) == ("first.csv", "second.csv")
    assert paired.family == len(comparison.changes)
    why = "disagree about what the images show" if truth else "have no answer in common"
    assert f"Not compared: first.csv and other.csv {why}." in map(sentence, paired.notes)
    if truth:
        accuracy = next(change for change in comparison.changes if change.id == "predictions/accuracy/race")
        # 170 and 120 of 200 right before, 172 and 165 after: 25 points became 3.5.
        assert [round(gap, 3) for gap in (accuracy.gap.before.value, accuracy.gap.after.value)] == [0.25, 0.035]


def test_what_one_model_never_answers_keeps_nobody_from_a_comparison(place, tmp_path):
    table("second").assign(y_pred="f").drop(columns="y_true").to_csv(tmp_path / "one.csv", index=False)
    table("first").drop(columns="y_true").to_csv(tmp_path / "two.csv", index=False)
    found = audit.audit(predictions=[tmp_path / "two.csv", tmp_path / "one.csv"], attributes="race", draws=199).results
    assert [change.gap.after.value for change in found.paired_models.comparisons[0].changes] == [0.0]


@pytest.mark.slow
def test_checkpoints_of_one_run_are_each_compared_with_the_first():
    # `audit.compare` follows such a series step by step and compares its ends alone.
    audited = [samples.result(samples.model(f"{step}.pt", step, "r" * 64), {"b": wrong}) for step, wrong in ((0, 0), (100, 14), (200, 60))]
    paired = pair_models(lambda: [samples.in_memory("run", each) for each in audited], samples.SETTINGS)
    assert [(comparison.before, comparison.after) for comparison in paired.comparisons] == [("0.pt", "100.pt"), ("0.pt", "200.pt")]
    assert {change.primary for comparison in paired.comparisons for change in comparison.changes} == {True}
