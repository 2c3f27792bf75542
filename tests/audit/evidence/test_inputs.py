"""Probability of the answer, second choice and its distance, by hand."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import DataError
from audit.evidence.base import Scored, best_two, given
from audit.types import LabelSet, Measurement, Predictions

LABELS = ("white man", "white woman", "black man", "black woman")
ANSWERS = {"white man": "White", "white woman": "White", "black man": "Black", "black woman": "Black"}
SCORES = np.array([[0.40, 0.05, 0.30, 0.25], [0.10, 0.20, 0.60, 0.10]], np.float32)


def predictions(y_pred):
    return Predictions(LABELS, ("White", "Black"), SCORES, np.array(y_pred), None, pd.DataFrame(index=["a", "b"]), np.zeros(2))


def label_set(combine):
    return LabelSet("races", LABELS, {}, ANSWERS, combine)


def test_confidence_is_the_probability_of_the_answer_that_was_given():
    """First image: the best label is 'white man' at .40, but both Black labels together have .55."""
    for y_pred, combine, expected in ((["White", "Black"], "argmax", [0.40, 0.60]), (["Black", "Black"], "sum", [0.55, 0.70])):
        scored = Scored(Measurement("m", "?", label_set(combine), "p", ()), predictions(y_pred), {})
        assert scored.confidence == pytest.approx(expected)


def test_the_second_choice_is_never_the_answer_given_and_one_that_cannot_be_given_is_refused():
    _, second, distance = best_two(predictions(["White", "Black"]), label_set("argmax"))
    assert second.tolist() == [1, 0]
    assert distance == pytest.approx([np.log(0.40 / 0.30), np.log(0.60 / 0.20)], rel=1e-5)
    # A tie is broken by the answer that was given, not by the order of answers.
    _, second, distance = best_two(predictions(["Black", "White"]), label_set("argmax"))
    assert second.tolist() == [0, 1]
    assert (distance < 0).all()
    with pytest.raises(DataError, match="'Green'"):
        given(predictions(["Green", "Black"]))
