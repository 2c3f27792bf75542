"""Answers from logits, worked by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd

from audit.measure.classified.answers import LabelScores, predict
from audit.measure.classified.questions import MappedLabel
from audit.testing import FakeEncoder
from audit.types import LabelSet, Measurement

LABELS = ("man", "cat", "woman", "girl")
RECORD = replace(FakeEncoder().record, labels=LABELS)
LOGITS = np.log(np.array([[1, 96, 2, 1], [6, 2, 1, 1], [4, 1, 3, 2]], np.float32) / 10)
MEANS = LabelSet("gender", ("woman", "girl", "man"), {}, {"woman": "Female", "girl": "Female", "man": "Male"})
ATTRIBUTES = pd.DataFrame({"gender": ["Female", "Male", "unknown"]}, dtype="str")


def test_the_answer_is_that_of_the_most_probable_of_the_labels_that_mean_one():
    answered = predict(Measurement("gender", "?", MEANS, "v", ()), ("Female", "Male"), RECORD, LOGITS, ATTRIBUTES)
    assert answered.y_pred.tolist() == ["Female", "Male", "Male"]
    # Without "cat": 2, 1 and 1 of 4; 1, 1 and 6 of 8; 3, 2 and 4 of 9.
    np.testing.assert_allclose(answered.scores, [[0.5, 0.25, 0.25], [1 / 8, 1 / 8, 6 / 8], [3 / 9, 2 / 9, 4 / 9]], atol=1e-6)
    np.testing.assert_allclose(answered.margin, [0.25, 5 / 8, 1 / 9], atol=1e-6)
    assert answered.y_true is None


def test_images_of_unknown_truth_are_not_scored_and_answers_without_label_stay_possible():
    measured = Measurement("gender", "?", MEANS, "v", (), truth="gender")
    attributes = ATTRIBUTES.assign(gender=["Female", "Neither", "unknown"])
    answered = predict(measured, ("Female", "Male", "Neither"), RECORD, LOGITS, attributes)
    assert (answered.y_pred.tolist(), answered.y_true.tolist()) == (["Female", "Male"], ["Female", "Neither"])
    assert answered.answers == ("Female", "Male", "Neither")


def test_the_probabilities_of_all_labels_and_the_names_that_stand_for_them():
    table = (MappedLabel("woman", "Female"), MappedLabel("girl", "Female"), MappedLabel("cat", ""))
    scores = LabelScores.of(RECORD, LOGITS, table)
    np.testing.assert_allclose(scores.shares[0], [0.01, 0.96, 0.02, 0.01], atol=1e-6)
    np.testing.assert_allclose(scores.of_name("Female"), [0.02, 0.1, 0.3], atol=1e-6)
    assert set(scores.names) == {*LABELS, "Female"}
