"""Listed images left out of external predictions."""

import numpy as np
import pandas as pd

from audit.predictions.rows import exclude
from audit.types import Predictions

LABELS = ("a", "b", "c")


def predictions(y_true=None):
    rows = pd.DataFrame({"group": ["x"] * 4}, index=[f"face{i}" for i in range(4)])
    return Predictions(LABELS, LABELS, np.full((4, 3), 1 / 3, np.float32), np.array(list("bbaa")), y_true, rows, np.zeros(4))


def test_listed_images_are_left_out_and_unknown_ones_named():
    answered = predictions(np.array(["a", "b", "c", "a"]))
    left, unknown = exclude(answered, ["face1", "face3", "face99"])
    assert unknown == {"face99"}
    assert list(left.attributes.index) == ["face0", "face2"]
    assert (left.y_pred.tolist(), left.y_true.tolist(), left.scores.shape, len(left.margin)) == (["b", "a"], ["a", "c"], (2, 3), 2)


def test_an_empty_list_changes_nothing():
    answered = predictions()
    left, unknown = exclude(answered, [])
    assert (unknown, left.y_true, left.y_pred.tolist()) == (set(), None, answered.y_pred.tolist())


def test_identifiers_may_be_numbers_in_the_index():
    answered = predictions()
    answered.attributes.index = pd.Index([10, 11, 12, 13])
    assert len(exclude(answered, ["11"])[0].y_pred) == 3
