"""Near-ties decided the other way, and listed images left out."""

import numpy as np
import pandas as pd
import pytest

from audit.statistics.evidence.sensitivity import exclude, flip_near_ties
from audit.types import LabelSet, Predictions

LABELS = ("a", "b", "c")


def predictions(logits, y_true=None):
    logits = np.asarray(logits, float)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    rows = pd.DataFrame({"group": ["x"] * len(logits)}, index=[f"face{i}" for i in range(len(logits))])
    return Predictions(LABELS, LABELS, scores, np.array(LABELS)[logits.argmax(axis=1)], y_true, rows, np.zeros(len(logits)))


LABEL_SET = LabelSet("l", LABELS, {})
CLOSE = [[25.0, 25.0 + 1e-4, 20.0], [25.0, 25.5, 20.0], [3.0, 1.0, 2.95], [9.0, 0.0, 7.6]]


@pytest.mark.parametrize(
    ("dtype", "expected"), [("float32", ["a", "b", "a", "a"]), ("float16", ["a", "b", "c", "a"]), ("bfloat16", ["a", "a", "c", "c"])]
)
def test_only_what_rounding_could_turn_is_turned(dtype, expected):
    """Distances 1e-4, .5, .05, 1.4; ten tolerances are 1.2e-4 in fp32, .1 in fp16, 1.5 in bf16."""
    flipped = flip_near_ties(predictions(CLOSE), LABEL_SET, dtype)
    assert flipped.predictions.y_pred.tolist() == expected
    assert flipped.count == sum(one != two for one, two in zip(expected, ["b", "b", "a", "a"], strict=True))


def test_flipping_twice_is_flipping_back():
    answered = predictions(CLOSE)
    once = flip_near_ties(answered, LABEL_SET, "bfloat16").predictions
    assert flip_near_ties(once, LABEL_SET, "bfloat16").predictions.y_pred.tolist() == answered.y_pred.tolist()


def test_listed_images_are_left_out_and_strangers_named():
    answered = predictions(CLOSE, np.array(["a", "b", "c", "a"]))
    found = exclude(answered, ["face1", "face3", "face99"])
    assert (found.left_out, found.unknown) == (2, ("face99",))
    left = found.predictions
    assert list(left.attributes.index) == ["face0", "face2"]
    assert (left.y_pred.tolist(), left.y_true.tolist(), left.scores.shape, len(left.margin)) == (["b", "a"], ["a", "c"], (2, 3), 2)


def test_an_empty_list_changes_nothing():
    answered = predictions(CLOSE)
    found = exclude(answered, [])
    assert (found.left_out, found.unknown, found.predictions.y_true) == (0, (), None)
    assert found.predictions.y_pred.tolist() == answered.y_pred.tolist()


def test_identifiers_may_be_numbers_in_the_index():
    answered = predictions(CLOSE)
    answered.attributes.index = pd.Index([10, 11, 12, 13])
    assert exclude(answered, ["11"]).left_out == 1
