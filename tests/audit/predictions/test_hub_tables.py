"""Tables that `datasets` writes: class ids are read by their names, pictures are left out, splits are not mixed."""

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import audit
from audit.errors import DataError
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions
from tests.support.planned_replies import N, gender, race, reply, truth


def read(path):
    """The answers in a table."""
    return load_predictions(path, ColumnOptions())


def rows(file):
    """Identifier -> (true answer, answer, attributes)."""
    predictions = file.answers[0].predictions
    cells = predictions.attributes.to_dict("records")
    truths = predictions.y_true if predictions.y_true is not None else [None] * len(cells)
    return {str(name): tuple(row) for name, *row in zip(predictions.attributes.index, truths, predictions.y_pred, cells, strict=True)}


def dataset(n=N, pictures=False):
    names = {"answer": ["no", "yes"], "gender": ["Female", "Male"]}
    columns = {
        "id": [f"img{i:03}" for i in range(n)], "y_true": [names["answer"].index(truth(i)) for i in range(n)],
        "y_pred": [names["answer"].index(reply(i)) for i in range(n)], "gender": [names["gender"].index(gender(i)) for i in range(n)],
        "race": [race(i) for i in range(n)],
    }  # fmt: skip
    kinds = {
        "id": datasets.Value("string"), "y_true": datasets.ClassLabel(names=names["answer"]),
        "y_pred": datasets.ClassLabel(names=names["answer"]), "gender": datasets.ClassLabel(names=names["gender"]),
        "race": datasets.Value("string"),
    }  # fmt: skip
    if pictures:
        columns["image"] = [np.zeros((2, 2, 3), np.uint8)] * n
        kinds["image"] = datasets.Image()
    return datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))


def expected(n=N):
    return {f"img{i:03}": (truth(i), reply(i), {"gender": gender(i), "race": race(i)}) for i in range(n)}


def test_classes_of_a_parquet_file_are_read_by_their_names(tmp_path):
    dataset().to_parquet(tmp_path / "answers.parquet")
    assert pq.read_schema(tmp_path / "answers.parquet").field("gender").type == pa.int64()
    assert rows(read(tmp_path / "answers.parquet")) == expected()


@pytest.mark.slow
def test_a_planted_difference_is_found_through_classes(tmp_path):
    """Right are 60 of 64 Male and 32 of 64 Female; of A and of B 46 of 64 each."""
    dataset().to_parquet(tmp_path / "answers.parquet")
    found = {finding.id: finding for finding in audit.audit(predictions=tmp_path / "answers.parquet").results.audits[0].findings}
    assert found["predictions/accuracy/gender"].verdict == "disparity"
    assert found["predictions/accuracy/race"].gap.value == 0


def test_pictures_are_left_out(tmp_path):
    dataset(8, pictures=True).to_parquet(tmp_path / "answers.parquet")
    assert rows(read(tmp_path / "answers.parquet")) == expected(8)
    dataset(8, pictures=True).save_to_disk(tmp_path / "saved")
    assert rows(read(tmp_path / "saved")) == expected(8)


def test_a_class_that_is_not_known_is_an_empty_cell_and_one_without_a_name_is_refused(tmp_path):
    table = dataset(8).data.table
    metadata = dataset(8).features.arrow_schema.metadata

    def written(ids):
        changed = table.set_column(table.column_names.index("gender"), "gender", pa.array(ids, pa.int64()))
        pq.write_table(changed.replace_schema_metadata(metadata), tmp_path / "answers.parquet")
        return tmp_path / "answers.parquet"

    cells = [cells["gender"] for _, _, cells in rows(read(written([-1, None, 1, 0, 1, 0, 1, 0]))).values()]
    assert cells == ["unknown", "unknown", "Male", "Female", "Male", "Female", "Male", "Female"]
    with pytest.raises(DataError, match=r"answers.parquet: the column 'gender' holds the class 2"):
        read(written([0, 1, 2, 0, 1, 0, 1, 0]))


def test_a_saved_folder_is_one_table_and_of_several_splits_one_is_named(tmp_path):
    dataset(8).save_to_disk(tmp_path / "saved")
    file = read(tmp_path / "saved")
    assert rows(file) == expected(8)
    assert (file.name, len(file.sha256)) == ("saved", 64)
    datasets.DatasetDict(train=dataset(4), test=dataset(8)).save_to_disk(tmp_path / "splits")
    with pytest.raises(DataError, match="splits holds several splits") as refused:
        read(tmp_path / "splits")
    assert (refused.value.why, refused.value.fix) == (
        "it has the splits 'test', 'train', which are different data", "name one: --predictions splits/train",
    )  # fmt: skip
    assert rows(read(tmp_path / "splits" / "test")) == expected(8)


def test_parts_of_parquet_files_have_the_names_of_their_classes_too(tmp_path):
    """Of a folder, and of a pattern: the counts are those of the one file."""
    (tmp_path / "parts").mkdir()
    for part in range(2):
        dataset().select(range(64 * part, 64 * part + 64)).to_parquet(tmp_path / "parts" / f"{part}.parquet")
    found = {finding.id: finding for finding in audit.audit(predictions=tmp_path / "parts").results.audits[0].findings}
    assert {rate.group[0]: (rate.n, rate.events) for rate in found["predictions/accuracy/gender"].by_group} == {
        "Female": (64, 32),
        "Male": (64, 60),
    }


def test_a_file_of_another_program_is_read_as_before(tmp_path):
    pd.DataFrame({"id": ["a", "b"], "y_pred": [0, 1], "race": ["A", "B"]}).to_parquet(tmp_path / "answers.parquet")
    assert [answer for _, answer, _ in rows(read(tmp_path / "answers.parquet")).values()] == ["0", "1"]
