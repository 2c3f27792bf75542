"""Groups that are joined to predictions: by a column or the position of a row, one row per sample, and refused where it is not certain."""

import pandas as pd
import pytest

import audit
from audit.errors import DataError, UsageError
from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions

N = 8
ANSWERS = pd.DataFrame({"id": range(N), "question": [f"q{i}" for i in range(N)], "y_true": ["yes", "no"] * 4, "y_pred": ["yes"] * N})
DATA = pd.DataFrame({"question": ANSWERS.question, "answer": ANSWERS.y_true, "group": [*"aabbaabb"]})


@pytest.fixture
def groups(tmp_path):
    """Returns a function that joins a table to the answers, and gives the answers in the file."""
    ANSWERS.to_csv(tmp_path / "answers.csv", index=False)

    def read(data, on, truth=None):
        data.to_csv(tmp_path / "data.csv", index=False)
        wanted = ColumnOptions(("group",), join=tmp_path / "data.csv", on=on, truth=truth)
        return load_predictions(tmp_path / "answers.csv", wanted)

    return read


def joined(file):
    return [*file.answers[0].predictions.attributes["group"]]


def test_a_table_is_joined_by_a_column_whatever_its_order(groups):
    assert joined(groups(DATA.iloc[::-1], "question")) == [*"aabbaabb"]


def test_what_was_added_is_said_and_how_many_rows_were_not_needed(groups):
    more = DATA.iloc[:3].assign(question=["x", "y", "z"])
    said = next(note for note in groups(pd.concat([DATA, more]), "question").notes if note.code == "joined_attributes").values  # noqa: PD011
    assert (said["attributes"], said["found"], said["total"], said["unused"], said["by"]) == (("answer", "group"), N, N, 3, "question")


@pytest.mark.parametrize(
    ("change", "on", "error", "words"),
    [
        (lambda frame: frame.iloc[1:], "question", DataError, "1 row without a row in data.csv"),
        (lambda frame: pd.concat([frame, frame.iloc[:1]]), "question", DataError, "does not identify its rows"),
        (lambda frame: frame, "questions", UsageError, "has no column 'questions'"),
    ],
)
def test_each_sample_has_exactly_one_row(groups, change, on, error, words):
    with pytest.raises(error, match=words):
        groups(change(DATA), on)


def test_the_position_of_a_row_needs_a_column_of_true_answers_that_agrees(groups):
    with pytest.raises(UsageError, match="cannot be joined by their position alone") as refused:
        groups(DATA, "doc_id")
    assert "--truth-column" in refused.value.fix
    assert joined(groups(DATA.drop(columns="question"), "doc_id", truth="answer")) == [*"aabbaabb"]
    with pytest.raises(DataError, match=r"8 true answers of the log and of data.csv differ"):
        groups(DATA.iloc[::-1], "doc_id", truth="answer")


def test_a_data_frame_is_joined_as_its_file_is(groups, tmp_path):
    groups(DATA, "question")
    wanted = ColumnOptions(("group",), join=tmp_path / "data.csv", on="question")
    assert joined(load_predictions(ANSWERS, wanted)) == [*"aabbaabb"]


def test_predictions_without_the_column_are_named_with_the_columns_that_they_have(groups, tmp_path):
    ANSWERS.drop(columns=["id", "question"]).to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(UsageError, match=r"answers\.csv has no column 'question' to join by") as refused:
        groups(DATA, "question")
    assert "y_pred" in refused.value.fix


def test_a_join_needs_both_options():
    with pytest.raises(UsageError, match="--join and --on belong together"):
        audit.audit(predictions="answers.csv", join="data.csv")


def test_it_says_nothing_of_a_model():
    with pytest.raises(UsageError, match="--join cannot be used without --predictions\nwhy: it says how predictions are read"):
        audit.audit("x.pt", "fairface", join="data.csv", on="id")
