"""The predictions that an audit leaves behind: a column a label, and what is read from them again."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import DataError
from audit.output.predictions import predictions_table, write_predictions
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from audit.records.inputs import DataRecord, ProbeRecord
from audit.run import main
from audit.types import Predictions

SCORES = np.array([[1, 0], [0.25, 0.75], [0.5, 0.5], [0, 1]], np.float32)


def answered(labels, scores, attributes):
    answers = np.array(labels)[scores.argmax(axis=1)] if scores.shape[1] else np.array(["a", "b", "a", "b"])
    return Predictions(labels, labels, scores, answers, None, attributes, np.zeros(4))


def result(encoder):
    data, probe = DataRecord("d", "", "", "", 4, 4, False, {}, (), {}, ()), ProbeRecord("p", "", "", "", (), ())
    return SimpleNamespace(model=encoder.record, probe=probe, data=data, measurements=())


def test_each_label_has_a_column_and_there_are_no_pixels(tmp_path, four_faces, fake_encoder):
    attributes = four_faces.attributes.rename(columns={"race": "id", "gender": "score:gender"})  # called like columns of ours
    write_predictions(tmp_path / "predictions.parquet", [(result(fake_encoder), {"m": answered(("a", "b"), SCORES, attributes)})])
    table = pq.read_table(tmp_path / "predictions.parquet")
    names = ["model", "probe", "measurement", "id", "id_attribute", "attribute_score:gender", "y_true", "y_pred", "score:a", "score:b"]
    assert table.column_names == names
    assert table["id_attribute"].to_pylist() == ["Black", "Black", "White", "White"]
    assert [table[name].to_pylist() for name in names[-2:]] == SCORES.T.tolist()
    assert table.schema.metadata[b"vlm_audit.labels"] == b'{"p/m": ["a", "b"]}'


def test_measurements_of_other_labels_leave_their_cells_empty_and_are_read_apart(tmp_path, four_faces, fake_encoder):
    three = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0, 0, 1], [0, 0.5, 0.5]], np.float32)
    asked = {
        "m": answered(("a", "b"), SCORES, four_faces.attributes),
        "n": answered(("c", "b", "d"), three, four_faces.attributes),  # of which b is a label of m too
        "bare": answered(("a", "b"), np.zeros((4, 0), np.float32), four_faces.attributes),
    }
    write_predictions(tmp_path / "p.parquet", [(result(fake_encoder), asked)])
    table = pq.read_table(tmp_path / "p.parquet")
    assert [name for name in table.column_names if name.startswith("score:")] == ["score:a", "score:b", "score:c", "score:d"]
    assert table["score:a"].to_pylist()[:5] == [1, 0.25, 0.5, 0, None]
    assert table["score:b"].null_count == 4
    read = {answer.measurement: answer.predictions for answer in load_predictions(tmp_path / "p.parquet", ColumnOptions()).answers}
    for name, given in asked.items():
        assert (read[name].labels, list(read[name].attributes)) == (given.labels, ["race", "gender"])
        np.testing.assert_array_equal(read[name].scores, given.scores)
    assert {each.scores.dtype for each in read.values()} == {np.dtype(np.float32)}


def test_a_score_that_is_missing_is_refused(tmp_path, four_faces, fake_encoder):
    table = predictions_table([(result(fake_encoder), {"m": answered(("a", "b"), SCORES, four_faces.attributes)})])
    for column in (pa.array([1, None, 0.5, 0], pa.float32()), None):
        place = table.column_names.index("score:a")
        broken = table.remove_column(place) if column is None else table.set_column(place, "score:a", column)
        pq.write_table(broken, tmp_path / "p.parquet")
        with pytest.raises(DataError, match="scores of 'm' are not one a label"):
            load_predictions(tmp_path / "p.parquet", ColumnOptions())


@pytest.mark.slow
def test_a_table_of_scores_audited_twice_gives_the_same_findings_by_the_command(tmp_path, capsys):
    rows = "".join(f"{i},{'AB'[i % 2]},{('cat', 'dog', 'fox')[i % 3]},{(i % 7) / 7:.3f},{(i % 5) / 5:.3f},0.1\n" for i in range(240))
    (tmp_path / "p.csv").write_text(f"id,group,y_true,score:cat,score:dog,score:fox\n{rows}")
    assert main(["--predictions", str(tmp_path / "p.csv"), "--out", str(tmp_path / "one")]) == 0
    made = tmp_path / "one" / "predictions.parquet"
    assert pq.read_schema(made).names[-3:] == ["score:cat", "score:dog", "score:fox"]
    assert main(["--predictions", str(made), "--out", str(tmp_path / "two")]) == 0
    one, two = (json.loads((tmp_path / name / "results.json").read_text())["audits"][0]["findings"] for name in ("one", "two"))
    assert one == two
    frame = pd.read_parquet(made).drop(columns=["model", "probe", "measurement"])
    frame.to_csv(tmp_path / "plain.csv", index=False)  # the columns are those of the input
    assert main(["--predictions", str(tmp_path / "plain.csv"), "--out", str(tmp_path / "three")]) == 0
    three = json.loads((tmp_path / "three" / "results.json").read_text())["audits"][0]["findings"]
    assert three == one
