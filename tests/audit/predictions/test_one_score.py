"""Files with the scores of one label and no answers: what the other answer is, and from which score on."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import DataError
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from tests.support.command import command
from tests.support.notes import sentences

HEAD = "No column has answers: ‘{}’ is the answer where its score is above 0.5, and ‘{}’ everywhere else."


def table(label="yes", other="no", times=1):
    """20 rows: group a has 8 of 10 right (4 of 5 true `label`, 4 of 5 `other`), group b 6 of 10 (5 of 5 and 1 of 5)."""
    rows = [("a", label, 0.9)] * 4 + [("a", label, 0.4)] + [("a", other, 0.2)] * 4 + [("a", other, 0.6)]
    rows += [("b", label, 0.7)] * 5 + [("b", other, 0.5)] + [("b", other, 0.51)] * 4
    return pd.DataFrame(rows * times, columns=["group", "y_true", f"score:{label}"])


def read(source, **wanted):
    return load_predictions(source, ColumnOptions(attributes=("group",), **wanted))


def right(file):
    predictions = file.answers[0].predictions
    return pd.Series(predictions.y_true == predictions.y_pred).groupby(predictions.attributes["group"].to_numpy()).sum().to_dict()


@pytest.mark.parametrize(("label", "other"), [("yes", "no"), ("no", "yes"), ("1", "0"), ("true", "false"), ("ill", "well"), ("x", "not x")])
def test_the_other_true_answer_is_the_answer_where_the_score_is_low(tmp_path, label, other):
    table(label, other).to_csv(tmp_path / "scores.csv", index=False)
    found = read(tmp_path / "scores.csv")
    assert found.answers[0].predictions.answers == found.answers[0].predictions.labels == (other, label)
    assert right(found) == {"a": 8, "b": 6}
    assert any(note.startswith(HEAD.format(label, other)) for note in sentences(found.notes))
    np.testing.assert_allclose(found.answers[0].predictions.scores.sum(axis=1), 1)


def test_numbers_and_booleans_of_a_data_frame_are_labels():
    assert right(read(table(1, 0))) == right(read(table(True, False))) == {"a": 8, "b": 6}


def test_the_command_counts_no_true_answer_as_an_error_and_prints_the_threshold(tmp_path):
    table(times=6).to_csv(tmp_path / "scores.csv", index=False)
    done = command("--predictions", "scores.csv", "--out", "out", cwd=tmp_path)
    found = json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]
    events = {one["id"]: [(rate["events"], rate["n"]) for rate in one["by_group"]] for one in found["findings"]}
    assert sorted(events["predictions/accuracy/group"]) == [(36, 60), (48, 60)]
    assert sorted(events["predictions/true_positive_rate[yes]/group"]) == [(24, 30), (30, 30)]
    assert sorted(events["predictions/false_positive_rate[yes]/group"]) == [(6, 30), (24, 30)]
    assert found["measurements"][0]["labels"] == ["no", "yes"]
    page, summary = ((tmp_path / "out" / name).read_text() for name in ("report.html", "summary.md"))
    for shown in (done.stderr, " ".join(done.stdout.split()), page, summary):
        assert HEAD.format("yes", "no") in shown
    assert "The most probable label is given" not in page


REFUSED = {
    "several others": ({"y_true": ["yes", "no", "maybe"]}, ["'maybe', 'no', 'yes'", "expected are 'yes' and one other"]),
    "the label alone": ({"y_true": "yes"}, ["are 'yes'; expected", "--prediction-column NAME"]),
    "the other alone": ({"y_true": "no"}, ["are 'no'; expected", "--column score:LABEL=NAME"]),
    "another case": ({"y_true": ["Yes", "No"]}, ["'No', 'Yes'", "--column score:Yes=NAME"]),
    "another number": ({"y_true": ["1.0", "0.0"], "label": "1"}, ["the scores of '1'", "--column score:1.0=NAME"]),
    "a space": ({"y_true": ["yes ", "no"]}, ["--column 'score:yes =NAME'"]),
    "another word": ({"y_true": ["ill", "well"]}, ["'ill', 'well'", "--column score:LABEL=NAME"]),
    "a missing value besides": ({"y_true": ["Yes", "No", ""]}, ["'No', 'Yes'"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_true_answers_that_are_not_the_label_and_one_other_are_refused(tmp_path, case):
    cells, words = REFUSED[case]
    rows = table(cells.get("label", "yes"))
    truths = [cells["y_true"]] if isinstance(cells["y_true"], str) else cells["y_true"]
    rows["y_true"] = [truths[row % len(truths)] for row in range(len(rows))]
    rows.to_csv(tmp_path / "scores.csv", index=False)
    done = command("--predictions", "scores.csv", "--out", "out", cwd=tmp_path)
    assert done.returncode == 3
    assert "give no answer" in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "out" / "results.json").exists()


def test_the_way_out_for_another_spelling_works(tmp_path):
    rows = table("Yes", "No").rename(columns={"score:Yes": "score:yes"})
    rows.to_csv(tmp_path / "scores.csv", index=False)
    with pytest.raises(DataError, match="--column score:Yes=NAME"):
        read(tmp_path / "scores.csv")
    assert right(read(tmp_path / "scores.csv", columns={"score:Yes": "score:yes"})) == {"a": 8, "b": 6}


def test_the_whole_file_decides_what_the_other_answer_is(tmp_path):
    rows = table(times=3).sort_values("y_true", kind="stable")
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), tmp_path / "scores.parquet", row_group_size=4)
    assert right(read(tmp_path / "scores.parquet")) == {"a": 24, "b": 18}
    last = rows.assign(y_true=[*rows["y_true"][:-1], "maybe"])
    pq.write_table(pa.Table.from_pandas(last, preserve_index=False), tmp_path / "scores.parquet", row_group_size=4)
    with pytest.raises(DataError, match="'maybe', 'no', 'yes'"):
        read(tmp_path / "scores.parquet")


def test_without_true_answers_the_other_answer_is_named_after_the_label():
    found = read(table().drop(columns="y_true"))
    assert found.answers[0].predictions.labels == ("not yes", "yes")
    assert any(note.startswith(HEAD.format("yes", "not yes")) for note in sentences(found.notes))


def test_given_answers_decide_and_no_threshold_is_printed():
    found = read(table().assign(y_pred=["yes", "no"] * 10))
    assert found.answers[0].predictions.labels == ("no", "yes")
    assert "answers_of_a_score" not in {note.code for note in found.notes}
