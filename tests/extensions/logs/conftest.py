"""Logs made by the tools themselves (`make_logs.py`), and how to read one as external predictions."""

import json
from pathlib import Path

import pytest

from audit.predictions.read import load_predictions
from audit.predictions.rows import ColumnOptions

MADE = Path(__file__).parent / "made"
LM_EVAL = {path.name.split("_20")[0].removeprefix("samples_"): path for path in MADE.glob("samples_*.jsonl")}
"""Task -> the samples of lm-eval."""


def read(path, *, prediction=None, truth=None, texts=None, cluster=None, attributes=None, join=None, on=None, **given):
    """The answers in a log."""
    wanted = ColumnOptions(attributes, cluster, prediction=prediction, truth=truth, texts=texts, join=join, on=on, given=given)
    return load_predictions(path, wanted)


def rows(file):
    """Identifier -> (true answer, answer, attributes) of a file's only question."""
    predictions = file.answers[0].predictions
    truths = [None] * len(predictions.y_pred) if predictions.y_true is None else predictions.y_true
    cells = predictions.attributes.to_dict("records")
    return {
        str(name): row for name, row in zip(predictions.attributes.index, zip(truths, predictions.y_pred, cells, strict=True), strict=True)
    }


def notes(file):
    """Code -> values of a file's notes."""
    return {note.code: note.values for note in file.notes}


@pytest.fixture(scope="session")
def expected():
    """What the tools' own readers say about the logs."""
    return json.loads((MADE / "expected.json").read_text())


@pytest.fixture
def lines(tmp_path):
    """Writes changed lines of a log of lm-eval under its name."""

    def write(task, change):
        objects = [json.loads(line) for line in LM_EVAL[task].read_text().splitlines()]
        target = tmp_path / LM_EVAL[task].name
        target.write_text("".join(json.dumps(line) + "\n" for line in change(objects)))
        return target

    return write
