"""Which answers changed, by hand."""

import numpy as np
import pandas as pd
import pytest

from audit.extensions.mitigate.record import MovedAnswers
from audit.extensions.mitigate.shown import MOST_MOVED, as_small_p, moved_answers
from audit.types import Predictions

LABELS = ("cup", "jar", "pot")


def predictions(answers, groups, truths=None, names=None):
    rows = pd.DataFrame({"side": groups}, index=names or [f"i{i}" for i in range(len(answers))], dtype="str")
    scores = np.array([[float(label == answer) for label in LABELS] for answer in answers], np.float32)
    y_true = None if truths is None else np.array(truths)
    return Predictions(LABELS, LABELS, scores, np.array(answers), y_true, rows, np.ones(len(answers), np.float32))


GROUPS, TRUTHS = ["left"] * 4 + ["right"] * 3, ["jar", "cup", "pot", "cup", "cup", "cup", "jar"]
BEFORE = ["cup", "cup", "cup", "cup", "cup", "jar", "jar"]
AFTER = ["jar", "jar", "jar", "cup", "jar", "cup", "jar"]
# left: three from cup to jar, of which the first is right after, the second was right before, the third is never right (pot).
WANTED = (
    MovedAnswers("left", "cup", "jar", 3, 1, 1),
    MovedAnswers("right", "cup", "jar", 1, 0, 1),
    MovedAnswers("right", "jar", "cup", 1, 1, 0),
)


def test_the_most_frequent_change_comes_first_and_equal_ones_by_name():
    assert moved_answers(predictions(BEFORE, GROUPS, TRUTHS), predictions(AFTER, GROUPS, TRUTHS), "side") == WANTED


def test_answers_are_paired_by_image_and_not_by_position():
    order = [6, 0, 5, 1, 4, 2, 3]
    shuffled = predictions(*([column[i] for i in order] for column in (AFTER, GROUPS, TRUTHS)), [f"i{i}" for i in order])
    assert moved_answers(predictions(BEFORE, GROUPS, TRUTHS), shuffled, "side") == WANTED


def test_without_true_answers_nothing_is_right():
    moved = moved_answers(predictions(BEFORE, GROUPS), predictions(AFTER, GROUPS), "side")
    assert [(row.images, row.gained, row.lost) for row in moved] == [(3, 0, 0), (1, 0, 0), (1, 0, 0)]


@pytest.mark.parametrize("many", [0, 30])
def test_nothing_moved_and_more_than_are_listed(many):
    groups = [f"g{i:02d}" for i in range(30)]
    after = ["jar"] * many + ["cup"] * (30 - many)
    moved = moved_answers(predictions(["cup"] * 30, groups), predictions(after, groups), "side")
    assert [row.group for row in moved] == (groups[:MOST_MOVED] if many else [])


def test_a_gap_that_is_equal_but_for_rounding_is_as_small():
    assert as_small_p([0.1 + 0.2 - 0.3, 0.3], 0.0) == 2 / 3
