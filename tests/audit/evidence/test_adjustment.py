"""Adjustment against statsmodels, by hand, and on a planted confounder."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from audit.evidence.adjustment import Strata, mantel_haenszel, strata, stratified_gap_test
from audit.statistics.counts import count_record, unpack
from audit.statistics.intervals import newcombe
from audit.statistics.metrics import METRICS
from audit.statistics.null import gap_test
from audit.types import UNKNOWN, LabelSet, Measurement
from tests.support.answered import LABELS, answered


def two(events, n, left_out=0):
    return Strata((("a",), ("b",)), ("age",), np.array(events), np.array(n), left_out)


def adjust(events, n, alpha=0.05):
    return mantel_haenszel(two(events, n), 0, 1, alpha)


def test_by_hand():
    """Strata of 10 + 10 (5 and 3 events) and 20 + 5 (10 and 1): weights 5 and 4, differences .2 and .3; (1 + 1.2) / 9."""
    found = adjust([[5, 3], [10, 1]], [[10, 10], [20, 5]])
    assert found.difference.value == pytest.approx(2.2 / 9)
    assert found.crude == pytest.approx(15 / 30 - 4 / 15)
    # Odds ratio: (5 x 7 / 20 + 10 x 4 / 25) / (5 x 3 / 20 + 10 x 1 / 25) = 3.35 / 1.15.
    assert found.odds_ratio.value == pytest.approx(3.35 / 1.15)
    # Sato: tilt = (100 x 3 - 100 x 5) / 400 + (400 x 1 - 25 x 10 + 100 x (-15) / 2) / 625 = -.5 - .96;
    # mixed = (5 x 7 + 3 x 5) / 40 + (10 x 4 + 1 x 10) / 50 = 1.25 + 1.0; variance (2.2 / 9 x -1.46 + 2.25) / 81.
    half = 1.959964 * np.sqrt((2.2 / 9 * -1.46 + 2.25) / 81)
    assert (found.difference.low, found.difference.high) == pytest.approx((2.2 / 9 - half, 2.2 / 9 + half))
    assert (found.strata, found.strata_left_out, found.opposite, found.others) == (2, 0, 0, ("age",))


@pytest.mark.parametrize("seed", range(5))
def test_odds_ratio_and_test_equal_statsmodels(seed):
    source = np.random.default_rng(seed)
    n = source.integers(2, 60, (6, 2))
    events = source.binomial(n, source.uniform(0.1, 0.9, (6, 2)))
    tables = [np.array([[a, m - a], [b, k - b]]) for (a, b), (m, k) in zip(events, n, strict=True)]
    theirs, found = StratifiedTable(tables), adjust(events, n)
    assert found.odds_ratio.value == pytest.approx(theirs.oddsratio_pooled, rel=1e-10)
    assert (found.odds_ratio.low, found.odds_ratio.high) == pytest.approx(theirs.oddsratio_pooled_confint(), rel=1e-8)
    assert found.p == pytest.approx(theirs.test_null_odds(correction=False).pvalue, rel=1e-8)


def test_one_stratum_is_no_adjustment():
    found = adjust([[30, 45]], [[100, 120]])
    assert found.difference.value == pytest.approx(found.crude)
    low, high = newcombe(30, 100, 45, 120, 0.05)
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high), abs=0.01)


def test_a_confounder_explains_the_gap_and_a_mask_is_lifted():
    """Rates .8 and .2 in two strata for both groups: 90 + 10 images against 10 + 90 look .48 apart and are not."""
    explained = adjust([[72, 8], [2, 18]], [[90, 10], [10, 90]])
    assert explained.crude == pytest.approx(0.48)
    assert explained.difference.value == pytest.approx(0.0, abs=1e-12)
    assert explained.p == pytest.approx(1.0)
    # Simpson: a does better in both strata (.5 against .3, .9 against .8) and worse on the whole.
    masked = adjust([[450, 30], [90, 720]], [[900, 100], [100, 900]])
    assert masked.crude < 0 < masked.difference.low
    assert masked.odds_ratio.low > 1


def test_strata_without_the_other_group_are_left_out_and_counted():
    found = adjust([[5, 3], [7, 0], [0, 0]], [[10, 10], [9, 0], [0, 0]])
    assert (found.strata, found.strata_left_out, found.images_left_out) == (1, 1, 9)
    assert found.difference.value == pytest.approx(0.2)
    assert found.crude == pytest.approx(12 / 19 - 0.3)
    assert adjust([[5, 0], [0, 3]], [[10, 0], [0, 10]]) is None
    assert adjust([[50, 30], [30, 40]], [[100, 100], [100, 100]]).opposite == 1  # a stratum that points the other way is counted


@pytest.mark.parametrize("k", [0, 1])
def test_no_event_anywhere_is_no_certainty(k):
    n = np.array([[20, 20], [30, 30]])
    found = adjust(k * n, n)
    assert (found.odds_ratio, found.p, found.difference.value) == (None, 1.0, 0.0)
    assert (found.difference.low, found.difference.high) == pytest.approx(newcombe(50 * k, 50, 50 * k, 50, 0.05))
    assert found.difference.high > 0.05


def test_swapping_the_groups_turns_the_difference():
    there, back = (mantel_haenszel(two([[5, 3], [10, 1]], [[10, 10], [20, 5]]), *pair, 0.05) for pair in ((0, 1), (1, 0)))
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert there.odds_ratio.low == pytest.approx(1 / back.odds_ratio.high)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "rate", "lift"), [((150, 200), 0.3, 0.1), ((1, 1), 0.3, 0.1), ((3, 2), 0.05, 0.0)])
def test_the_common_difference_covers_in_large_and_in_single_strata(n, rate, lift):
    """4 large strata, or 200 of a pair each: where summing Wilson limits covered .76 (measured)."""
    source = np.random.default_rng(0)
    number = 4 if n[0] > 100 else 200
    sizes = np.tile(n, (number, 1))
    held = []
    for _ in range(1500):
        found = adjust(source.binomial(sizes, [rate + lift, rate]), sizes).difference
        held.append(found.low <= lift <= found.high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_one_stratum_is_the_test_without_strata():
    events, n = np.array([80, 60, 65]), np.array([200, 210, 190])
    alone = gap_test(events, n, 20_000, np.random.default_rng(0))
    found = stratified_gap_test(events[None], n[None], 20_000, np.random.default_rng(1))
    assert found.gap == pytest.approx(alone.gap)
    assert (found.p, found.adjusted_p) == (pytest.approx(alone.p, abs=0.01), pytest.approx(alone.p, abs=0.01))
    assert (found.explained, found.adjusted) == (pytest.approx(0.0, abs=1e-12), pytest.approx(alone.gap))


def test_the_stratified_test_by_enumeration():
    """Two strata, groups of one image each: in the first one event in two images, in the second too. Four dealings: gaps 1, 0, 0, 1."""
    found = stratified_gap_test(np.array([[1, 0], [1, 0]]), np.ones((2, 2), int), 20_000, np.random.default_rng(0))
    assert (found.gap, found.explained, found.adjusted) == (1.0, 0.0, 1.0)
    assert (found.p, found.adjusted_p) == pytest.approx((0.5, 0.5), abs=0.01)
    # In the first stratum everybody is an event, in the second one in ten; a has 90 of 100 in the first, b 10. Nothing is left over.
    found = stratified_gap_test(np.array([[90, 10], [1, 9]]), np.array([[90, 10], [10, 90]]), 499, np.random.default_rng(0))
    assert (found.gap, found.explained) == (pytest.approx(0.72), pytest.approx(0.72))
    assert found.p > 0.3


def test_the_stratified_test_finds_what_the_strata_hide():
    """Simpson's example enlarged: b looks 30 points better, and a is ten points better in both strata."""
    n = np.array([[900, 100], [100, 900]])
    events = np.array([[450, 40], [100, 810]])  # .5 and .4; 1.0 and .9
    hidden = stratified_gap_test(events, n, 999, np.random.default_rng(0))
    assert hidden.adjusted == pytest.approx(np.ptp((events.sum(0) - (n * (events.sum(1) / 1000)[:, None]).sum(0)) / 1000))
    assert hidden.adjusted_p <= 0.01 < 0.9 < hidden.p
    assert hidden.explained > hidden.gap


@pytest.mark.slow
def test_the_stratified_test_keeps_its_level_under_confounding():
    """Strata of rates .2 and .6, groups mixed differently: the test without strata alarms every time."""
    source = np.random.default_rng(2)
    n = np.array([[150, 60, 90], [50, 140, 110]])
    naive, kept = [], []
    for _ in range(300):
        events = source.binomial(n, [[0.2], [0.6]])
        found = stratified_gap_test(events, n, 199, source)
        kept.append([found.p <= 0.05, found.adjusted_p <= 0.05])
        naive.append(gap_test(events.sum(0), n.sum(0), 199, source).p <= 0.05)
    assert np.mean(naive) > 0.9
    assert (np.mean(kept, axis=0) <= 0.09).all()


def test_strata_of_predictions():
    rows = pd.DataFrame({"race": ["B", "A", "A", "B", "A", UNKNOWN], "age": ["old", "old", "young", UNKNOWN, "young", "old"]})
    given = answered(["yes", "no", "yes", "yes", "yes", "no"], rows)
    levels = {"race": ("A", "B", "C"), "age": ("young", "old")}
    cells = unpack(count_record(Measurement("m", "?", LabelSet("l", LABELS, {}), "p", ()), given, levels))
    found = strata(cells, METRICS["selection_rate"], frozenset({"yes"}), ("race",), ("age",))
    assert found.groups == (("A",), ("B",), ("C",))
    assert found.n.tolist() == [[2, 0, 0], [1, 1, 0]]  # young, old
    assert found.events.tolist() == [[2, 0, 0], [0, 1, 0]]
    assert (found.left_out, found.others) == (2, ("age",))
