"""Counterfactual sets: numbers worked by hand, against slow loops, and what must not change them."""

from itertools import permutations, product

import numpy as np
import pytest
from scipy.stats import chi2, ttest_1samp
from statsmodels.stats.contingency_tables import cochrans_q

from audit.statistics.intervals import wilson
from audit.statistics.null import mcnemar_p
from audit.statistics.paired.sets import (
    cochran_q,
    differing_pairs,
    excess_p,
    mean_shift,
    pairs_differ,
    permuted_members_p,
    share_interval,
)

FOUR = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]], bool)
"""Four sets of three members: C = 3, 1, 0; R = 2, 1, 1, 0."""


def rng(seed=0):
    return np.random.default_rng(seed)


def test_four_sets_by_hand():
    """Mean C is 4/3: squared distances 25/9 + 1/9 + 16/9 = 42/9. Discordant (2 + 2 + 2 + 0) / 3 = 2. Q = 2 * 42/9 / 2 = 14/3."""
    assert cochran_q(FOUR) == pytest.approx(14 / 3, abs=1e-12)
    answers = np.array([["a", "a", "b"], ["a", "b", "c"], ["a", "a", "a"], ["b", "a", "b"]])
    assert differing_pairs(answers).tolist() == [2, 3, 0, 2]
    assert pairs_differ(answers)[0].tolist() == [False, True, True]  # (0, 1), (0, 2), (1, 2)


def test_cochran_q_equals_the_textbook_formula_statsmodels_and_mcnemar_of_two():
    """``(m - 1) (m sum C^2 - (sum C)^2) / (m sum R - sum R^2)``."""
    for seed in range(20):
        events = rng(seed).random((int(rng(seed).integers(1, 40)), int(rng(seed).integers(2, 6)))) < 0.4
        m, own, of_set = events.shape[1], events.sum(axis=0), events.sum(axis=1)
        below = int(m * of_set.sum() - (of_set**2).sum())
        expected = (m - 1) * (m * int((own**2).sum()) - int(own.sum()) ** 2) / below if below else 0.0
        assert cochran_q(events) == pytest.approx(expected, abs=1e-12)
        if below:
            assert cochran_q(events) == pytest.approx(cochrans_q(events.astype(int)).statistic, abs=1e-12)
    two = np.array([[1, 0]] * 25 + [[0, 1]] * 10 + [[1, 1]] * 7, bool)
    assert cochran_q(two) == pytest.approx((25 - 10) ** 2 / 35, abs=1e-12)
    assert chi2.sf(cochran_q(two), 1) == pytest.approx(mcnemar_p(25, 10), abs=0.006)  # 0.0112 and, exact, 0.0167


def test_sets_without_discordance_or_with_one_member():
    assert cochran_q(np.ones((5, 3), bool)) == 0.0
    with pytest.raises(ValueError, match="two members at least"):
        cochran_q(np.ones((5, 1), bool))


def test_permuted_p_equals_full_enumeration():
    """Of three sets of three all 6^3 arrangements are tried by a loop; 40,000 draws come within four standard errors."""
    values = np.array([[3.0, 1.0, 0.0], [2.0, 0.5, 1.0], [5.0, 4.0, 4.5]])

    def apart(rows):
        sums = np.sum(rows, axis=0)
        return ((sums - sums.mean()) ** 2).sum()

    every = [apart(rows) for rows in product(*(list(permutations(row)) for row in values))]
    exact = np.mean([each >= apart(values) - 1e-9 for each in every])
    assert permuted_members_p(values, np.arange(3), 40_000, rng()) == pytest.approx(exact, abs=4 * np.sqrt(exact / 40_000))


def test_sets_of_one_cluster_change_together():
    """Ten sets in which the first member has the event: ten clusters leave 2 of 2^10 arrangements, a single cluster 2 of 2."""
    events = np.tile([1.0, 0.0], (10, 1))
    assert permuted_members_p(events, np.arange(10), 9999, rng()) < 0.006
    assert permuted_members_p(events, np.zeros(10, int), 999, rng()) == 1.0
    assert permuted_members_p(np.ones((10, 2)), np.arange(10), 99, rng()) == 1.0  # ties alone


def test_tiny_scores_are_not_all_ties():
    scores = np.tile([3e-15, 1e-15, 0.0], (12, 1))
    assert permuted_members_p(scores, np.arange(12), 999, rng()) == 0.001


def test_what_must_not_change_q_and_p():
    """The order of sets and of members; a constant added to a set."""
    values = rng(1).normal(size=(9, 3))
    clusters = np.arange(9)
    p = permuted_members_p(values, clusters, 2999, rng())
    assert permuted_members_p(values + np.arange(9)[:, None], clusters, 2999, rng()) == p
    assert permuted_members_p(values[:, [2, 0, 1]], clusters, 2999, rng()) == pytest.approx(p, abs=0.04)
    assert permuted_members_p(values[::-1], clusters, 2999, rng()) == pytest.approx(p, abs=0.04)
    events = values > 0
    assert (
        cochran_q(events[:, [1, 2, 0]]) == pytest.approx(cochran_q(events), abs=1e-12) == pytest.approx(cochran_q(events[::-1]), abs=1e-12)
    )
    assert cochran_q(np.repeat(events, 2, axis=0)) == pytest.approx(2 * cochran_q(events), abs=1e-12)


def test_excess_by_enumeration():
    """Two sets, a pair and two harmless changes each; the pairs flip, one change does. Of 3 x 3 places two flips fall on pairs in 1 x 2."""
    flips, changed = np.array([[1], [1]], bool), np.array([[0, 0], [1, 0]], bool)
    p = excess_p(flips, changed, np.arange(2), 20_000, rng())
    assert p == pytest.approx(1 * 2 / 9, abs=0.012)
    assert excess_p(~flips, ~changed, np.arange(2), 99, rng()) == 1.0  # fewer flips than harmless changes turn: no excess


def test_noise_alone_exceeds_as_seldom_as_promised():
    """Pairs and harmless changes turn one answer in ten, and clusters of two sets are noisy together."""
    alarms = 0
    for seed in range(200):
        noisy = np.repeat(rng(seed).random((20, 1)) * 0.2, 2, axis=0)
        drawn = rng(seed + 1000).random((40, 7)) < noisy
        alarms += excess_p(drawn[:, :1], drawn[:, 1:], np.arange(40) // 2, 199, rng(seed)) <= 0.05
    assert alarms <= 18  # P(more than 18 of 200 at 5 %) is under 1 %


def test_a_mean_shift_is_the_paired_t_interval_where_sets_stand_alone():
    differences = rng(3).normal(0.3, 1.0, 12)
    mean, low, high = mean_shift(differences, np.arange(12), 0.05)
    known = ttest_1samp(differences, 0.0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((differences.mean(), known.low, known.high), abs=1e-12)


def test_a_duplicated_set_in_its_cluster_says_nothing_new():
    differences, clusters = np.array([0.1, 0.4, 0.2, 0.9]), np.arange(4)
    assert mean_shift(np.repeat(differences, 2), np.repeat(clusters, 2), 0.05) == pytest.approx(mean_shift(differences, clusters, 0.05))
    assert mean_shift(np.array([0.5]), np.zeros(1, int), 0.05) == (0.5, None, None)


def test_a_share_of_sets_that_stand_alone_is_wilsons():
    low, high = share_interval(np.array([1, 0, 0, 0]), np.ones(4, int), np.array([7, 2, 9, 4]), 0.05)
    assert (low, high) == pytest.approx(tuple(float(end) for end in wilson(1, 4, 0.05)))
    wide = share_interval(np.array([3, 0, 0, 0]), np.full(4, 3), np.arange(4), 0.05)  # three pairs of one set are no three sets
    assert wide[1] - wide[0] > high - low - 1e-9
