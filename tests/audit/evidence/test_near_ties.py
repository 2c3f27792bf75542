"""Near-ties decided the other way."""

import numpy as np
import pandas as pd
import pytest

from audit.evidence.base import best_two
from audit.evidence.near_ties import flip_near_ties
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
    answered = predictions(CLOSE)
    flipped, count = flip_near_ties(answered, best_two(answered, LABEL_SET), dtype)
    assert flipped.y_pred.tolist() == expected
    assert count == sum(one != two for one, two in zip(expected, ["b", "b", "a", "a"], strict=True))
    assert flip_near_ties(flipped, best_two(flipped, LABEL_SET), dtype)[0].y_pred.tolist() == answered.y_pred.tolist()  # twice is back
