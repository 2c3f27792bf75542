"""Equalized odds against fairlearn where fairlearn is right, by hand where it is not, and the coverage of the interval."""

import numpy as np
import pytest
from fairlearn.metrics import equal_opportunity_difference, equalized_odds_difference

from audit.evidence.equalized_odds import odds_difference
from audit.statistics.counts import grouped_counts
from audit.statistics.null import gap_test
from audit.types import UNKNOWN, Settings
from tests.support.answered import confusion

SETTINGS = Settings(min_group_size=2, draws=999)


def counts(cells, levels=None):
    """Group -> (true positives, false negatives, false positives, true negatives)."""
    given = confusion(cells, ("1", "0"))
    return grouped_counts(given, ("group",), {"group": levels or tuple(level for level in cells if level != UNKNOWN)}), given


def odds(cells, settings=SETTINGS, levels=None):
    return odds_difference(counts(cells, levels)[0], frozenset({"1"}), settings, "m")


def test_by_hand():
    """True positive rates 8/10 and 5/10; false positive rates 1/10 and 6/10."""
    found = odds({"a": (8, 2, 1, 9), "b": (5, 5, 6, 4)})
    gaps = found.equal_opportunity, found.false_positive, found.equalized_odds
    assert [gap.value for gap in gaps] == pytest.approx([0.3, 0.5, 0.5])
    assert (found.equalized_odds.groups, found.not_compared) == ((("a",), ("b",)), ())


@pytest.mark.slow
def test_equals_fairlearn_where_every_rate_is_defined():
    source = np.random.default_rng(0)
    for _ in range(20):
        cells = {f"g{i}": tuple(source.integers(1, 30, 4)) for i in range(source.integers(2, 6))}
        answered = counts(cells)[1]
        given = {"sensitive_features": answered.attributes["group"]}
        y_true, y_pred = answered.y_true.astype(int), answered.y_pred.astype(int)
        found = odds(cells)
        assert found.equalized_odds.value == pytest.approx(equalized_odds_difference(y_true, y_pred, **given), abs=1e-12)
        assert found.equal_opportunity.value == pytest.approx(equal_opportunity_difference(y_true, y_pred, **given), abs=1e-12)


def test_a_perfect_classifier_has_no_gap_where_a_group_has_no_positives():
    """fairlearn answers 1 (trap T3). Here the group takes no part in the rate that it lacks, and says so."""
    cells = {"a": (4, 0, 0, 4), "b": (0, 0, 0, 8), "c": (5, 0, 0, 5)}
    answered = counts(cells)[1]
    given = {"sensitive_features": answered.attributes["group"]}
    assert equalized_odds_difference(answered.y_true.astype(int), answered.y_pred.astype(int), **given) == 1.0
    found = odds(cells)
    assert (found.equalized_odds.value, found.equal_opportunity.groups) == (0.0, (("a",), ("c",)))
    assert found.not_compared == (("b",),)
    assert found.false_positive.groups == (("a",), ("b",), ("c",))
    # Undefined is no gap of zero.
    found = odds({"a": (4, 4, 0, 4), "b": (0, 0, 0, 8)})
    assert (found.equal_opportunity, found.equalized_odds, found.false_positive.value) == (None, None, 0.0)


def test_small_and_unknown_groups_are_named_and_left_out():
    found = odds({"a": (40, 10, 5, 45), "b": (30, 20, 5, 45), "small": (0, 5, 5, 0), UNKNOWN: (0, 50, 50, 0)}, Settings(draws=99))
    assert found.equalized_odds.value == pytest.approx(0.2)
    assert found.not_compared == (("small",), (UNKNOWN,))


def test_renaming_groups_and_swapping_the_truth():
    cells = {"a": (8, 2, 1, 9), "b": (5, 5, 6, 4)}
    renamed = odds({"x": cells["a"], "y": cells["b"]})
    assert renamed.equalized_odds.value == odds(cells).equalized_odds.value
    # What is positive becomes negative: the false positive rate of one is the true positive rate's complement of the other.
    swapped = odds({name: (tn, fp, fn, tp) for name, (tp, fn, fp, tn) in cells.items()})
    assert swapped.false_positive.value == pytest.approx(odds(cells).equal_opportunity.value)


def test_the_p_is_that_of_the_gap_within_one_truth():
    found = odds({"a": (80, 20, 10, 90), "b": (62, 38, 12, 88)}, Settings(draws=20_000))
    alone = gap_test(np.array([80, 62]), np.array([100, 100]), 20_000, np.random.default_rng(0))
    assert found.equal_opportunity.p == pytest.approx(alone.p, abs=0.004)
    assert found.equal_opportunity.null_95 == pytest.approx(alone.upper, abs=0.011)
    assert found.equalized_odds.null_95 > found.equal_opportunity.null_95  # the larger of two gaps has more to do with chance


def test_the_larger_gap_is_as_uncertain_as_the_less_certain_of_the_two():
    """1,000 images of one truth and 30 of the other, gaps of .01 and .1: the interval is that of the 30."""
    found = odds({"a": (500, 500, 3, 27), "b": (510, 490, 6, 24)}, Settings(draws=1999))
    assert found.equalized_odds.value == pytest.approx(0.1)
    # Of draws, with a Monte-Carlo error of .005; the interval of the 30 is a formula.
    assert found.equalized_odds.high >= found.false_positive.high - 0.02 > 0.25
    assert found.equal_opportunity.high < 0.1
    turned = odds({"a": (3, 27, 500, 500), "b": (6, 24, 510, 490)}, Settings(draws=1999))
    assert turned.equalized_odds.high > 0.25


def test_all_right_is_no_certainty():
    """30 of 30 in both groups: a bootstrap of the counts gives [0, 0]; Wilson's interval of one of them reaches 11 points down."""
    found = odds({"a": (30, 0, 0, 30), "b": (30, 0, 0, 30)}, Settings(draws=4999))
    assert found.equalized_odds.low == 0
    assert 0.08 < found.equalized_odds.high < 0.25


def coverage(truth, runs=150, positives=100):
    """Share of the intervals that hold the true gap; true positive rates by group, false positive rate .2."""
    source = np.random.default_rng(1)
    held = 0
    for _ in range(runs):
        cells = {}
        for i, rate in enumerate(truth):
            hits, alarms = source.binomial(positives, rate), source.binomial(positives, 0.2)
            cells[f"g{i}"] = (hits, positives - hits, alarms, positives - alarms)
        found = odds(cells, Settings(draws=399)).equalized_odds
        held += found.low <= np.ptp(truth) <= found.high
    return held / runs


@pytest.mark.slow
@pytest.mark.parametrize("truth", [[0.8, 0.8, 0.8, 0.8], [0.6, 0.9, 0.9, 0.9]])
def test_the_interval_holds_without_and_with_a_gap(truth):
    """The percentile interval of the bootstrap held 0 times in 500 without a gap. Three standard errors below .95 is .90."""
    assert coverage(truth) >= 0.90
