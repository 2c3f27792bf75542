"""The predictions of an audit whose labels stand for answers ("lady" for Female): audited again, with the probabilities of the answers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import audit
from audit.predictions.answers import ScoreColumns, by_answer
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import LabelSet

PROMPTS = {"woman": ("a woman",), "lady": ("a woman again",), "man": ("a man",), "lad": ("a man again",)}
ANSWERS = {"woman": "Female", "lady": "Female", "man": "Male", "lad": "Male"}


def test_labels_become_the_answers_that_they_stand_for():
    labels = ScoreColumns(tuple(ANSWERS), np.array([[0.4, 0.1, 0.3, 0.2]], np.float32))
    assert by_answer(labels, ANSWERS, "sum").labels == ("Female", "Male")
    assert by_answer(labels, ANSWERS, "sum").shares.tolist() == [pytest.approx([0.5, 0.5])]
    assert by_answer(labels, ANSWERS, "argmax").shares.tolist() == [pytest.approx([0.4, 0.3])]


@pytest.fixture(scope="module", params=["argmax", "sum"])
def asked(request):
    dataset = four_faces(40)
    (measurement,) = gender_probe(dataset).measurements
    measurement = replace(measurement, label_set=LabelSet("gender", tuple(PROMPTS), PROMPTS, ANSWERS, request.param))
    return replace(gender_probe(dataset), measurements=(measurement,))


@pytest.mark.slow_except("sum-softmax")
@pytest.mark.parametrize("rule", ["softmax", "sigmoid"])
def test_they_are_audited_again_with_the_same_numbers(asked, rule, tmp_path):
    encoder = FakeEncoder(logit_scale=2.0)
    encoder.record = replace(encoder.record, score_rule=rule, logit_bias=0.0)
    first = audit.audit(encoder, asked, cache_root=tmp_path / "cache", min_group_size=20, out=tmp_path / "first", draws=199)
    file = tmp_path / "first" / "predictions.parquet"
    assert b"vlm_audit.answers" in pq.read_schema(file).metadata
    by_probe = audit.audit(predictions=file, probe=asked, min_group_size=20, out=tmp_path / "second", draws=199)
    one, again = (each.results.audits[0] for each in (first, by_probe))
    assert [finding.by_group for finding in again.findings] == [finding.by_group for finding in one.findings]
    assert again.measurements[0].mean_margin == pytest.approx(one.measurements[0].mean_margin, abs=1e-6)
    calibrated, before = (each.measurements[0].evidence.calibration[0].groups[0] for each in (again, one))
    assert calibrated.overconfidence.value == pytest.approx(before.overconfidence.value, abs=1e-6)
    # Without the probe, by the default claims; and once more from what that left behind.
    by_rule = audit.audit(predictions=file, attributes="race", min_group_size=20, draws=199).results.audits[0]
    twice = audit.audit(predictions=tmp_path / "second" / "predictions.parquet", probe=asked, min_group_size=20, draws=199).results.audits[
        0
    ]
    assert [each.value for each in by_rule.findings[0].by_group] == [each.value for each in one.findings[0].by_group] == [
        each.value for each in twice.findings[0].by_group
    ]  # fmt: skip
    assert by_rule.warnings == again.warnings == ()


def test_an_answer_that_ties_for_the_highest_score_has_it():
    table = pd.DataFrame({"race": ["A", "B"] * 40, "y_true": "a", "y_pred": "b", "score:a": 0.5, "score:b": 0.5})
    notes = audit.audit(predictions=table.assign(y_pred=["a", "b"] * 40), attributes="race", draws=199).results.audits[0].data.notes
    assert "not_the_highest_score" not in [note.code for note in notes]
    worse = table.assign(**{"score:a": 0.6, "score:b": 0.4}, y_pred=["a", "b"] * 40)
    notes = audit.audit(predictions=worse, attributes="race", draws=199).results.audits[0].data.notes
    assert [str(note) for note in notes if note.code == "not_the_highest_score"] == ["not the highest score: count 40"]


@pytest.mark.slow
def test_files_of_labels_that_are_answers_say_nothing_more(tmp_path):
    audit.audit(FakeEncoder(), gender_probe(four_faces(10)), cache_root=tmp_path / "cache", out=tmp_path / "out", draws=199)
    assert b"vlm_audit.answers" not in pq.read_schema(tmp_path / "out" / "predictions.parquet").metadata
