"""Calibration against numbers worked by hand and scikit-learn's curve, and the coverage of the interval of the error."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve

from audit.errors import DataError
from audit.evidence.base import Judged, Scored
from audit.evidence.calibration import bin_of, calibration, expected_calibration_error
from audit.statistics.intervals import wilson
from audit.statistics.metrics import RowEvents
from audit.types import UNKNOWN, LabelSet, Measurement, Settings
from tests.support.answered import answered

SETTINGS = Settings(draws=499)


def judged(confidence, event, codes=None, groups=(("a",),)):
    codes = np.zeros(len(confidence), int) if codes is None else codes
    return Judged(groups, np.asarray(codes), np.asarray(confidence, float), np.asarray(event, bool))


def test_by_hand_and_a_bin_of_nine_that_is_hidden_but_counts():
    """40 answers at .75 of which 30 are right, 60 at .95 of which 48 are right: error .4 x 0 + .6 x .15; .87 - .78 over-confident."""
    confidence = np.repeat([0.75, 0.95], [40, 60])
    event = np.concatenate([np.arange(40) < 30, np.arange(60) < 48])
    (group,) = calibration(judged(confidence, event), SETTINGS, "m")
    assert group.n == 100
    assert group.error.value == pytest.approx(0.09)
    low, high = wilson(78, 100, 0.05)
    assert group.overconfidence.value == pytest.approx(0.09)
    assert (group.overconfidence.low, group.overconfidence.high) == pytest.approx((0.87 - high, 0.87 - low))
    seventh, ninth = group.bins[7], group.bins[9]
    assert (seventh.lower, seventh.upper, seventh.n, seventh.confidence) == (0.7, 0.8, 40, pytest.approx(0.75))
    assert (seventh.accuracy.value, seventh.accuracy.low) == (0.75, pytest.approx(float(wilson(30, 40, 0.05)[0])))
    assert (ninth.n, ninth.accuracy.value) == (60, 0.8)
    assert sum(each.n for each in group.bins) == 100
    confidence, event = np.repeat([0.25, 0.55, 0.95], [9, 10, 31]), np.repeat([True, True, False], [9, 10, 31])
    (group,) = calibration(judged(confidence, event), SETTINGS, "m")
    assert (group.bins[2].n, group.bins[2].confidence, group.bins[2].accuracy) == (9, None, None)
    assert group.bins[5].accuracy.value == 1.0
    assert group.error.value == pytest.approx((9 * 0.75 + 10 * 0.45 + 31 * 0.95) / 50)


def test_bins_hold_their_upper_edge_as_in_scikit_learn():
    confidence = np.concatenate([np.linspace(0, 1, 11), np.random.default_rng(0).random(500)])
    event = np.random.default_rng(1).random(len(confidence)) < confidence
    accuracy, mean = calibration_curve(event, confidence, n_bins=10)
    place = bin_of(confidence)
    present = np.unique(place)
    np.testing.assert_allclose([event[place == b].mean() for b in present], accuracy)
    np.testing.assert_allclose([confidence[place == b].mean() for b in present], mean)
    weights = np.bincount(place)[present] / len(place)
    assert expected_calibration_error(confidence, event) == pytest.approx(float(weights @ np.abs(accuracy - mean)))
    assert np.isnan(expected_calibration_error(np.array([]), np.array([], bool)))  # no image, no error


def test_small_unknown_and_empty_groups_have_no_error():
    groups = (("a",), ("small",), ("empty",), (UNKNOWN,))
    codes = np.repeat([0, 1, 3], [40, 29, 40])
    found = calibration(judged(np.full(109, 0.9), np.ones(109), codes, groups), SETTINGS, "m")
    assert [(each.n, each.error is None) for each in found] == [(40, False), (29, True), (0, True), (40, True)]
    assert found[1].bins[8].accuracy.value == 1.0


def test_a_group_does_not_depend_on_the_others():
    source = np.random.default_rng(0)
    confidence, codes = source.random(300), np.repeat([0, 1], [100, 200])
    event = source.random(300) < confidence
    both = calibration(judged(confidence, event, codes, (("a",), ("b",))), SETTINGS, "m")
    assert both[1] == calibration(judged(confidence[100:], event[100:], groups=(("b",),)), SETTINGS, "m")[0]


@pytest.mark.slow
def test_a_calibrated_model_stays_below_its_noise_floor():
    source = np.random.default_rng(2)
    below = []
    for _ in range(200):
        confidence = source.beta(4, 1.2, 200)
        (group,) = calibration(judged(confidence, source.random(200) < confidence), Settings(draws=199), "m")
        below.append(group.error.value <= group.error_by_chance)
    assert np.mean(below) == pytest.approx(0.95, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_interval_of_the_error_holds(shift):
    """Right as often as it says less `shift`. The percentile interval of the bootstrap held 0 times in 400 at shift 0."""
    source = np.random.default_rng(3)
    held = []
    for _ in range(200):
        confidence = source.uniform(0.2, 1.0, 300)
        (group,) = calibration(judged(confidence, source.random(300) < confidence - shift), Settings(draws=199), "m")
        held.append(group.error.low <= shift <= group.error.high)
    assert np.mean(held) >= 0.87  # .93 less three errors of 200 draws


def scored(attributes, levels, confidence):
    """Two labels; every answer is the first, given with that confidence."""
    confidence = np.asarray(confidence)
    yes = np.full(len(confidence), "yes")
    given = answered(yes, attributes, yes, scores=np.stack([confidence, 1 - confidence], axis=1))
    return Scored(Measurement("m", "?", LabelSet("l", ("yes", "no"), {}), "p", ()), given, levels)


def test_groups_are_numbered_as_they_are_shown():
    rows = pd.DataFrame({"race": ["B", "A", UNKNOWN, "B"], "number": ["1", "1", "2", "2"]})
    everything = RowEvents(np.ones(4, bool), np.ones(4, bool))
    given = scored(rows, {"race": ("A", "B", "C"), "number": ("2", "1")}, [0.1, 0.2, 0.3, 1.0])
    found = given.judged(("race",), everything)
    assert found.groups == (("A",), ("B",), ("C",), (UNKNOWN,))
    assert found.codes.tolist() == [1, 0, 3, 1]
    assert given.judged(("number",), everything).codes.tolist() == [1, 1, 0, 0]
    # Only what counts is judged.
    rows = pd.DataFrame({"g": ["a", "b", "a"]})
    found = scored(rows, {"g": ("a", "b")}, [0.1, 0.2, 0.3]).judged(("g",), RowEvents(np.array([True, False, True]), np.zeros(3, bool)))
    assert (found.codes.tolist(), found.confidence.tolist()) == ([0, 0], [0.1, 0.3])


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
def test_a_confidence_is_a_probability(bad):
    with pytest.raises(DataError, match="outside"):
        _ = scored(pd.DataFrame({"g": ["a"]}), {"g": ("a",)}, [bad]).confidence
