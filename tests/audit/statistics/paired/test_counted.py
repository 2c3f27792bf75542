"""What a changed model costs on the same images; what random changes leave of a gap."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from audit.errors import UsageError
from audit.statistics.metrics import METRICS
from audit.statistics.paired.counted import Judge, control_gaps, count_groups, utility
from audit.statistics.paired.intervals import agresti_min
from audit.types import NOT_ANSWERED, UNKNOWN, Settings
from tests.support.answered import answered


def predictions(group, y_pred, y_true=None):
    return answered(y_pred, pd.DataFrame({"g": group}), np.repeat("yes", len(group)) if y_true is None else y_true)


def judge(metric="selection_rate"):
    return Judge("f", METRICS[metric], frozenset({"yes"}), ("g",), {"g": ("a", "b")}, Settings())


def test_cost_by_hand():
    """100 images, all truly "yes": 70 right before; 12 lost, 5 gained, so 63 after."""
    answers = np.repeat([["yes", "yes"], ["yes", "no"], ["no", "yes"], ["no", "no"]], (58, 12, 5, 25), axis=0)
    found = utility(*(predictions(["a"] * 100, side) for side in answers.T), Settings())
    assert (found.n, found.before, found.after, found.change.value) == (100, 0.7, 0.63, -0.07)
    assert (found.change.low, found.change.high) == agresti_min(5, 12, 100, 0.05)
    assert found.p == pytest.approx(mcnemar([[0, 12], [5, 0]], exact=True).pvalue)


def test_silence_is_no_right_answer():
    """Four of ten get none; five of the six others are right."""
    truth = np.repeat("yes", 10)
    after = np.array([NOT_ANSWERED] * 4 + ["yes"] * 5 + ["no"])
    found = utility(predictions(["a"] * 10, ["yes"] * 9 + ["no"], truth), predictions(["a"] * 10, after, truth), Settings())
    assert (found.before, found.after, found.answered, found.among_answered) == (0.9, 0.5, 0.6, pytest.approx(5 / 6))
    nobody = utility(predictions(["a"], ["yes"]), predictions(["a"], [NOT_ANSWERED]), Settings())
    assert (nobody.answered, nobody.among_answered) == (0.0, None)
    # An unknown truth is not scored.
    truth = np.array(["yes", "no", UNKNOWN, UNKNOWN])
    found = utility(predictions(["a"] * 4, ["yes"] * 4, truth), predictions(["a"] * 4, ["no"] * 4, truth), Settings())
    assert (found.n, found.before, found.after) == (2, 0.5, 0.5)


def test_groups_are_counted_before_and_after_and_small_ones_are_left_out():
    group = np.repeat(["a", "b"], (40, 10))
    before, after = predictions(group, ["yes"] * 50), predictions(group, ["no"] * 15 + ["yes"] * 35)
    counted = count_groups(before, after, judge())
    assert (counted.joint.groups, counted.moved.tolist(), counted.not_compared) == ((("a",),), [15], (("b",),))
    assert (counted.joint.before.tolist(), counted.joint.after.tolist()) == ([40], [25])
    with pytest.raises(UsageError, match="counts other images after a change"):
        count_groups(before, after, judge("precision"))


@pytest.mark.parametrize("rows", [0, 3])
def test_without_an_image_that_counts_no_group_is_compared(rows):
    """The half of a small sample may have none; its images come in clusters."""
    images = pd.DataFrame({"g": list("aba")[:rows], "person": list("xyx")[:rows]}, dtype="str")
    unknown = np.repeat(UNKNOWN, rows)
    given = answered(np.repeat("yes", rows), images, unknown)
    counted = count_groups(given, given, replace(judge("accuracy"), cluster="person"))
    assert (counted.joint.groups, counted.not_compared) == ((), (("a",), ("b",)))


def test_the_gap_after_each_random_change():
    group = np.repeat(["a", "b"], 40)
    changed = [predictions(group, ["yes"] * events + ["no"] * (80 - events)) for events in (20, 40)]
    gaps = iter(changed)
    assert control_gaps(lambda _: next(gaps), judge(), 2, np.random.default_rng(0)) == (0.5, 1.0)
