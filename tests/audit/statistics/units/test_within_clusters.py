"""Groups compared inside clusters that hold images of both: worked by hand, against scipy, and what must not matter."""

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from audit.statistics.null import generator
from audit.statistics.paired.intervals import agresti_min
from audit.statistics.units.cluster_units import ClusterUnits, rate_intervals, rate_limits
from audit.statistics.units.clusters import ClusterTable
from audit.statistics.units.sampling_unit import gap_interval
from audit.statistics.units.within_clusters import WithinPair, shared_correlation, spans_groups

FIRST, SECOND = np.array([0]), np.array([1])


def units(events, n, **how):
    events, n = np.asarray(events), np.asarray(n)
    return ClusterUnits(ClusterTable(events, n, np.ones(len(n), int)), by_design=True, **how)


def planted(rates, images=15, clusters=20, seed=0):
    n = np.full((clusters, len(rates)), images)
    return units(np.random.default_rng(seed).binomial(n, rates), n)


# ---- the design ----------------------------------------------------------------------------------------------------------------------


def test_the_design_chooses_and_never_the_answers():
    n = np.tile([15, 15], (20, 1))
    assert {units(np.full((20, 2), events), n).within_clusters for events in (0, 7, 15)} == {True}
    nested = np.concatenate([np.tile([30, 0], (10, 1)), np.tile([0, 30], (10, 1))])
    assert not units(np.zeros((20, 2), int), nested).within_clusters
    # A third group that shares no cluster with the first: those two cannot be compared inside clusters, so none are.
    third = np.concatenate([np.tile([15, 15, 0], (20, 1)), np.tile([0, 15, 15], (20, 1))])
    assert not spans_groups(ClusterTable(third * 0, third, np.ones(40, int)))


def test_clusters_elsewhere_are_compared_by_their_rates():
    # Only an audit chooses by design; a comparison of two models counts the same clusters by their rates over all images.
    assert not ClusterUnits(units([[1, 0]] * 20, [[5, 5]] * 20).table).within_clusters


# ---- estimate and test ---------------------------------------------------------------------------------------------------------------


def test_a_difference_inside_clusters_by_hand():
    # D = .5, .5 and 0; weights 10 x 10 / 20 = 5, 5, and 4 x 4 / 8 = 2: (2.5 + 2.5) / 12.
    found = units([[8, 3], [9, 4], [4, 4]], [[10, 10], [10, 10], [4, 4]])
    assert found.contrasts(FIRST, SECOND)[0] == pytest.approx(5 / 12)
    assert found.contrasts(SECOND, FIRST)[0] == pytest.approx(-5 / 12)


def test_composition_of_clusters_cancels():
    # Of a, nine tenths of the images lie in clusters with a rate of .9; of b in clusters with .1. Over all images 64 points, inside none.
    n = np.concatenate([np.tile([90, 10], (10, 1)), np.tile([10, 90], (10, 1))])
    found = units(np.concatenate([np.tile([81, 9], (10, 1)), np.tile([1, 9], (10, 1))]), n)
    assert found.events / found.n == pytest.approx([0.82, 0.18])
    assert found.contrasts(FIRST, SECOND)[0] == pytest.approx(0.0)
    assert found.null(999, generator(0, "a")).p == 1.0
    assert gap_interval(found, 0.05)[0] == 0.0
    assert found.equivalence_bound(0.05) > 0.6  # "equivalent" needs the rates over all images as well


def test_the_sign_flips_of_few_clusters_are_the_exact_sign_test():
    # Eight equal clusters that all differ by as much, seven one way: two sides of 9 of 256 patterns.
    events = [[6, 3]] * 7 + [[3, 6]]
    assert units(events, [[10, 10]] * 8).null(999, generator(0, "a")).p == pytest.approx(binomtest(7, 8).pvalue)
    sixteen = units([[6, 3]] * 14 + [[3, 6]] * 2, [[10, 10]] * 16).null(999, generator(0, "a")).p
    assert sixteen == pytest.approx(binomtest(14, 16).pvalue)


def test_more_flips_are_drawn_and_clusters_that_agree_change_nothing():
    twenty = units([[6, 3]] * 17 + [[3, 6]] * 3, [[10, 10]] * 20)
    assert twenty.null(9999, generator(0, "a")).p == pytest.approx(binomtest(17, 20).pvalue, abs=1.5e-3)
    agreeing = units([[6, 3]] * 8 + [[5, 5]] * 30, [[10, 10]] * 38)
    assert agreeing.null(999, generator(0, "a")).p == pytest.approx(2 / 256)


def test_an_occupation_audit_in_which_men_lead_everywhere_is_a_disparity():
    # 20 occupations, women right in 88.4 %, men in 99.3 %: men ahead in 18 of them, behind in none.
    n = np.tile([70, 70], (20, 1))
    lost = np.array([[9, 1]] * 10 + [[9, 0]] * 7 + [[9, 0]] + [[0, 0]] * 2)
    found = units(n - lost, n)
    assert (found.events / found.n).round(3).tolist() == [0.884, 0.993]
    null = found.null(9999, generator(0, "a"))
    assert null.p == 1e-4
    assert null.gap == pytest.approx(152 / 1400)
    assert gap_interval(found, 0.05)[0] > 0.08


@pytest.mark.slow
def test_eight_against_one_percent_of_twenty_clusters_is_always_found():
    found = [planted([0.08, 0.01], images=30, seed=seed) for seed in range(24)]
    assert all(each.null(999, generator(0, "a")).p <= 0.05 and gap_interval(each, 0.05)[0] > 0 for each in found)


def test_three_groups_are_shuffled_inside_clusters():
    clusters = np.random.default_rng(1).beta(0.6, 1.4, (40, 1))  # between clusters rates differ far more than between groups
    n = np.tile([30, 30, 30], (40, 1))
    equal = units(np.random.default_rng(2).binomial(n, clusters), n)
    apart = units(np.random.default_rng(2).binomial(n, np.clip(clusters + np.array([0.0, 0.0, 0.06]), 0, 1)), n)
    assert equal.null(999, generator(0, "a")).p > 0.05
    null = apart.null(999, generator(0, "a"))
    assert null.p <= 0.002
    assert null.most_significant[0] == 2


# ---- intervals -----------------------------------------------------------------------------------------------------------------------


def test_pairs_of_single_images_have_agresti_and_min_s_interval():
    # 40 pairs: only the first in 12, only the second in 3.
    events = [[1, 0]] * 12 + [[0, 1]] * 3 + [[1, 1]] * 15 + [[0, 0]] * 10
    low, high = units(events, np.ones((40, 2), int)).differences(FIRST, SECOND, 0.05)
    assert (float(low[0]), float(high[0])) == pytest.approx(agresti_min(12, 3, 40, 0.05))


@pytest.mark.slow
def test_the_interval_of_two_groups_leaves_out_0_where_the_test_rejects():
    for seed in range(40):
        found = planted([0.3, 0.18], clusters=24, seed=seed)
        p = found.null(9999, generator(0, "a")).p
        if abs(p - 0.05) > 0.008:  # both are drawn
            assert (gap_interval(found, 0.05)[0] > 0) == (p <= 0.05)


def test_no_event_at_all_leaves_an_interval():
    nothing = units(np.zeros((20, 2), int), np.tile([15, 15], (20, 1)))
    low, high = nothing.differences(FIRST, SECOND, 0.05)
    assert low[0] == -high[0]
    assert 0.05 < high[0] < 0.2  # as of 20 images, for nothing tells how alike those of a cluster are


def test_a_group_with_few_events_borrows_the_correlation_and_not_one():
    # 24 events scattered over the clusters of a, two in b. Of 20 images, b's upper limit was 18 %; as independent ones 2.4 %.
    events = np.zeros((20, 2), int)
    events[:, 0], events[:4, 0], events[:2, 1] = 1, 2, 1
    found = units(events, np.tile([15, 15], (20, 1)))
    assert 0 <= found.borrowed < 0.1
    low, high = found.intervals(0.05)
    assert 0.024 <= high[1] < 0.05
    assert low[1] > 0.001
    assert [each.correlation_borrowed for each in found.clustering()] == [False, True]
    assert rate_intervals(rate_limits(found.table, None), 0.05)[1][1] > 0.15


def test_nothing_is_borrowed_where_nothing_is_known_or_clusters_are_others():
    few = np.zeros((20, 2), int)
    few[:2, 0] = 1
    assert shared_correlation(ClusterTable(few, np.tile([15, 15], (20, 1)), np.ones(20, int))) is None
    nested = np.concatenate([np.tile([15, 0], (20, 1)), np.tile([0, 15], (20, 1))])
    assert shared_correlation(ClusterTable(nested // 5, nested, np.ones(40, int))) is None


def test_whole_clusters_that_fail_are_borrowed_as_such():
    # Both groups fail in the same 6 of 20 clusters, wholly: two images of a cluster are alike.
    events = np.zeros((20, 2), int)
    events[:6] = 15
    assert shared_correlation(ClusterTable(events, np.tile([15, 15], (20, 1)), np.ones(20, int))) == 1.0


# ---- what must not matter ------------------------------------------------------------------------------------------------------------


def test_neither_order_nor_counting_alike_clusters_matters():
    found = planted([0.3, 0.2], clusters=30)
    order = np.random.default_rng(3).permutation(30)
    turned = ClusterTable(found.table.events[order][:, ::-1], found.table.n[order][:, ::-1], np.ones(30, int))
    back = ClusterUnits(turned, by_design=True)
    kinds, often = np.unique(found.table.events, axis=0, return_counts=True)
    together = ClusterUnits(ClusterTable(kinds, np.full_like(kinds, 15), often), by_design=True)
    low, high = found.differences(FIRST, SECOND, 0.05)
    assert back.differences(SECOND, FIRST, 0.05) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert together.differences(FIRST, SECOND, 0.05) == (pytest.approx(low), pytest.approx(high))
    assert found.null(999, generator(0, "a")).p == together.null(999, generator(0, "a")).p


def test_each_group_against_the_rest_is_inside_clusters_too():
    found = planted([0.5, 0.3, 0.3], clusters=30)
    rest = found.with_rest()
    e, n = found.table.events.sum(axis=0), found.table.n.sum(axis=0)
    assert rest.within_clusters
    assert rest.contrasts(FIRST, np.array([3]))[0] == pytest.approx(e[0] / n[0] - e[1:].sum() / n[1:].sum())


@pytest.mark.slow
def test_skewed_differences_of_thin_groups_are_no_disparity():
    # 40 clusters with 30 and 3 images: 2.4 events are expected of 120. Flips take what is skewed for symmetric and reject in one of ten.
    n, rejected, flipped = np.tile([30, 3], (40, 1)), 0, 0
    for seed in range(200):
        events = np.random.default_rng(seed).binomial(n, 0.02)
        found = units(events, n)
        pair = WithinPair.of(found.table, 0, 1, 0.0)
        rejected += found.null(499, generator(0, str(seed))).p <= 0.05
        flipped += pair._p(0.0) <= 0.05
    assert flipped / 200 > 0.06
    assert rejected / 200 <= 0.05


def test_few_expected_events_give_no_narrower_interval_than_independent_images():
    """24 of 1,200 events, one each in 24 clusters, and 0 of 120: all differences are one way, though Fisher's exact p is .16.

    Without a difference such intervals left out 0 in 8 of 100 files (40 clusters of 30 and 3 images, rates of 2 %).
    """
    few = units(np.repeat([[1, 0], [0, 0]], [24, 16], axis=0), np.tile([30, 3], (40, 1)))
    ((low,), (high,)), ((low_2,), (high_2,)) = few.differences(FIRST, SECOND, 0.05), few.differences(SECOND, FIRST, 0.05)
    assert few.within_clusters
    assert fisher_exact([[24, 1176], [0, 120]]).pvalue == pytest.approx(0.16, abs=0.01)
    assert low < 0 < high
    assert (low_2, high_2) == (-high, -low)
