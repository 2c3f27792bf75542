"""Clusters: by hand, by enumeration, duplicated data, and the coverage that treating images as independent loses."""

import itertools

import numpy as np
import pytest
from scipy.special import stdtr
from statsmodels.genmod.cov_struct import Independence
from statsmodels.genmod.families import Gaussian
from statsmodels.genmod.generalized_estimating_equations import GEE

from audit.statistics.intervals import agresti_min, newcombe, wilson
from audit.statistics.null import gap_test, two_proportion_p
from audit.statistics.units.cluster_null import clustered_gap_test, clustered_p
from audit.statistics.units.clusters import (
    ClusterTable,
    cluster_table,
    clustered_difference,
    clustered_differences,
    clustered_rates,
    covariance,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def people(source, clusters, size, rate, correlation):
    """Clusters of random size whose members agree; returns events and images of each."""
    n = source.poisson(size - 1, clusters) + 1
    if correlation:
        weight = (1 - correlation) / correlation
        rate = source.beta(rate * weight, (1 - rate) * weight, clusters)
    return source.binomial(n, rate), n


def nested(*groups):
    """Table of clusters that lie in one group each: (events, images) by group."""
    rows = [(g, k, n) for g, (events, sizes) in enumerate(groups) for k, n in zip(events, sizes, strict=True)]
    table = np.zeros((2, len(rows), len(groups)), int)
    for c, (g, k, n) in enumerate(rows):
        table[:, c, g] = k, n
    return ClusterTable(table[0], table[1], np.ones(len(rows), int))


def test_the_table_keeps_every_count_in_any_order_with_a_row_for_each_kind_of_cluster():
    source = rng()
    cluster, codes, event = source.integers(0, 300, 900), source.integers(0, 3, 900), source.random(900) < 0.4
    table = cluster_table(cluster, codes, event, 3)
    assert (table.totals[1] == np.bincount(codes)).all()
    assert (table.totals[0] == np.bincount(codes[event], minlength=3)).all()
    assert table.count.sum() == len(np.unique(cluster))
    order = source.permutation(900)
    again = cluster_table(cluster[order] + 5, codes[order], event[order], 3)
    for name in ("events", "n", "count"):
        assert (getattr(again, name) == getattr(table, name)).all()
    # Against the table without counting equals.
    wide = np.zeros((2, 300, 3), int)
    np.add.at(wide[1], (cluster, codes), 1)
    np.add.at(wide[0], (cluster[event], codes[event]), 1)
    present = wide[1].sum(axis=1) > 0
    np.testing.assert_allclose(covariance(table), covariance(ClusterTable(wide[0][present], wide[1][present], np.ones(present.sum(), int))))
    cluster = np.repeat(np.arange(50_000), 2)
    table = cluster_table(cluster, np.zeros(100_000, int), rng().random(100_000) < 0.5, 126)
    assert len(table.count) == 3
    assert table.count.sum() == 50_000


def test_variance_by_hand():
    """Three people: 2 of 2, 0 of 2, 1 of 2; rate 1/2, residuals 1, -1, 0 over 6: 3/2 x 2/36 = 1/12; .25 / (1/12) = 3 images."""
    table = nested(([2, 0, 1], [2, 2, 2]))
    assert covariance(table)[0, 0] == pytest.approx(1 / 12)
    (rate,) = clustered_rates(table, 0.05)
    assert (rate.estimate.value, rate.clusters, rate.effective_n) == (0.5, 3, pytest.approx(3.0))
    # With three people the quantile is Student's 4.303 instead of 1.960: less than one image is left, and one is the least.
    assert 3 * (1.959964 / 4.302653) ** 2 < 1
    assert (rate.estimate.low, rate.estimate.high) == pytest.approx(tuple(map(float, wilson(np.array(0.5), np.array(1.0), 0.05))))
    # Twelve people, answers alike within each: twelve images at a quantile of 2.201.
    (rate,) = clustered_rates(nested(([3] * 6 + [0] * 6, [3] * 12)), 0.05)
    effective = 0.25 / (12 / 11 * 12 * 1.5**2 / 36**2)
    assert rate.effective_n == pytest.approx(effective)
    trials = np.array(effective * (1.959964 / 2.200985) ** 2)
    assert (rate.estimate.low, rate.estimate.high) == pytest.approx(tuple(map(float, wilson(trials / 2, trials, 0.05))), abs=1e-6)


def test_the_variance_equals_that_of_statsmodels():
    """A generalised estimating equation with independent working correlation has the same sandwich variance, but for C / (C - 1)."""
    k, n = people(rng(1), 60, 4, 0.4, 0.4)
    cluster = np.repeat(np.arange(60), n)
    event = np.concatenate([np.arange(m) < h for h, m in zip(k, n, strict=True)])
    fitted = GEE(event.astype(float), np.ones(len(event)), cluster, family=Gaussian(), cov_struct=Independence()).fit()
    table = cluster_table(cluster, np.zeros(len(event), int), event, 1)
    assert covariance(table)[0, 0] == pytest.approx(float(fitted.cov_params()[0, 0]) * 60 / 59, rel=1e-9)


def test_single_images_are_wilsons_interval_and_copies_change_nothing():
    """300 people with one image each, then each image five times: the same interval, where Wilson's would halve."""
    event = np.arange(300) < 240
    once = cluster_table(np.arange(300), np.zeros(300, int), event, 1)
    (rate,) = clustered_rates(once, 0.05)
    assert (rate.estimate.low, rate.estimate.high) == pytest.approx(tuple(map(float, wilson(240, 300, 0.05))), abs=2e-3)
    copied = cluster_table(np.repeat(np.arange(300), 5), np.zeros(1500, int), np.repeat(event, 5), 1)
    (again,) = clustered_rates(copied, 0.05)
    assert (again.estimate.low, again.estimate.high) == pytest.approx((rate.estimate.low, rate.estimate.high))
    assert again.effective_n == pytest.approx(rate.effective_n, rel=0.01)
    low, high = wilson(1200, 1500, 0.05)
    assert high - low < 0.5 * (again.estimate.high - again.estimate.low)


def test_all_alike_is_no_certainty_and_balanced_clusters_tell_no_more_than_their_images():
    (rate,) = clustered_rates(nested(([0] * 12, [5] * 12)), 0.05)
    assert (rate.estimate.value, rate.estimate.low) == (0.0, 0.0)
    assert rate.estimate.high > float(wilson(0, 12, 0.05)[1])  # twelve people, not sixty images
    assert rate.effective_n == 12
    # Forty clusters of four, two events each but for one: hardly any variance between them, and still 160 images, not thousands.
    (rate,) = clustered_rates(nested(([2] * 39 + [1], [4] * 40)), 0.05)
    assert rate.effective_n == 160
    assert rate.estimate.high - rate.estimate.low >= np.ptp(wilson(79, 160, 0.05))


def test_none_or_one_cluster_is_not_estimable():
    nothing = np.zeros(0, int)
    table = cluster_table(nothing, nothing, nothing.astype(bool), 3)
    assert (table.n.shape, table.totals[1].tolist()) == ((0, 3), [0, 0, 0])
    assert clustered_rates(table, 0.05) == (None, None, None)
    table = nested(([3], [5]), ([1, 2, 0], [4, 4, 4]), ([], []))
    one, three, none = clustered_rates(table, 0.05)
    assert (one, none, three.clusters) == (None, None, 3)
    assert clustered_difference(table, 0, 1, 0.05) is None


@pytest.mark.parametrize(("clusters", "size", "rate", "correlation"), [(100, 5, 0.8, 0.9), (60, 4, 0.5, 0.3)])
def test_the_interval_covers_where_independence_does_not(clusters, size, rate, correlation):
    source, held, naive = rng(2), [], []
    for _ in range(500):
        k, n = people(source, clusters, size, rate, correlation)
        (found,) = clustered_rates(nested((k, n)), 0.05)
        held.append(found.estimate.low <= rate <= found.estimate.high)
        low, high = wilson(k.sum(), n.sum(), 0.05)
        naive.append(low <= rate <= high)
    assert 0.92 <= np.mean(held) <= 0.98
    assert np.mean(naive) < 0.88


def one_image_each(first, second):
    """200 + 200 people with one image, so many of them events: as if there were no clusters."""
    events = np.concatenate([np.arange(200) < first, np.arange(200) < second])
    return cluster_table(np.arange(400), np.repeat([0, 1], 200), events, 2)


SETS = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [150, 60, 30, 60], axis=0)
"""300 sets of two images, one a group: 150 both, 60 only the first, 30 only the second."""


def test_the_difference_of_separate_clusters_is_newcombes_and_within_common_ones_paired():
    found = clustered_difference(one_image_each(140, 110), 0, 1, 0.05)
    assert found.value == pytest.approx(0.15)
    assert (found.low, found.high) == pytest.approx(newcombe(140, 200, 110, 200, 0.05), abs=2e-3)
    table = cluster_table(np.repeat(np.arange(300), 2), np.tile([0, 1], 300), SETS.astype(bool).ravel(), 2)
    found = clustered_difference(table, 0, 1, 0.05)
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx(agresti_min(60, 30, 300, 0.05), abs=4e-3)
    assert found.high - found.low < 0.9 * np.ptp(newcombe(210, 300, 180, 300, 0.05))


def resampled(table, draws, rng):
    """Rates of the groups from clusters drawn anew, among those that touch the same groups."""
    events, n = (np.zeros((draws, table.n.shape[1])) for _ in range(2))
    touched, place = np.unique(table.n > 0, axis=0, return_inverse=True)
    for number in range(len(touched)):
        kinds = place.ravel() == number
        drawn = rng.multinomial(table.count[kinds].sum(), table.count[kinds] / table.count[kinds].sum(), size=draws)
        events += drawn @ table.events[kinds]
        n += drawn @ table.n[kinds]
    return events / n


def test_resampled_clusters_have_the_variance_of_the_formula():
    k, n = people(rng(3), 80, 4, 0.3, 0.5)
    j, m = people(rng(4), 50, 2, 0.6, 0.2)
    table = nested((k, n), (j, m))
    drawn = resampled(table, 20_000, rng())
    assert drawn.mean(axis=0) == pytest.approx(table.totals[0] / table.totals[1], abs=0.005)
    assert np.cov(drawn.T)[0, 0] == pytest.approx(covariance(table)[0, 0], rel=0.08)
    assert np.cov(drawn.T)[1, 1] == pytest.approx(covariance(table)[1, 1], rel=0.08)


def found_by_dealing(table, gaps, shuffled=None):
    """Return the test of a table whose equally likely dealings have these gaps: p and mean of the null are those of the enumeration."""
    found = clustered_gap_test(table, 30_000, rng())
    assert found.p == pytest.approx(np.mean(np.array(gaps) >= found.gap - 1e-12), abs=0.01)
    assert found.null_mean == pytest.approx(np.mean(gaps), abs=0.01)
    assert shuffled in (None, found.shuffled)
    return found


def test_dealing_people_by_enumeration():
    """Four people with images (1 of 2), (2 of 2), (0 of 1), (1 of 1); two a group. Six ways to choose the first two."""
    k, n = np.array([1, 2, 0, 1]), np.array([2, 2, 1, 1])
    gaps = []
    for first in itertools.combinations(range(4), 2):
        inside = np.isin(np.arange(4), first)
        gaps.append(abs(k[inside].sum() / n[inside].sum() - k[~inside].sum() / n[~inside].sum()))
    found = found_by_dealing(nested((k[:2], n[:2]), (k[2:], n[2:])), gaps, "clusters between groups")
    assert found.gap == pytest.approx(abs(3 / 4 - 1 / 2))


def test_dealing_within_sets_by_enumeration():
    """Two sets with an image in each of three groups, one and two events: 3 x 3 equally likely dealings."""
    table = ClusterTable(np.array([[1, 0, 0], [1, 1, 0]]), np.ones((2, 3), int), np.array([1, 1]))
    first, second = (set(itertools.permutations(row)) for row in table.events.tolist())
    gaps = [np.ptp(np.add(*both) / 2) for both in itertools.product(first, second)]
    assert found_by_dealing(table, gaps, "groups within clusters").gap == 1.0


def test_clusters_of_a_group_that_is_left_out_are_left_out():
    """20 sets that lie in a and b, and 4 people in c alone: without c the test is that of the 20 sets."""
    sets, everybody = (
        ClusterTable(np.array([[3, 1, 0], [1, 0, 0], [0, 0, 2]])[:kinds], np.array([[3, 3, 0], [2, 2, 0], [0, 0, 5]])[:kinds],
                     np.array([15, 5, 4])[:kinds])
        for kinds in (2, 3)
    )  # fmt: skip
    found, expected = (clustered_gap_test(each.of(np.array([0, 1])), 99, np.random.default_rng(0)) for each in (everybody, sets))
    assert found == expected
    assert everybody.of(np.array([0, 1])).count.tolist() == [15, 5]


def test_exchanging_unequal_groups_by_enumeration():
    """One set with 3 of 3 and 0 of 1, another with 1 of 2 and 2 of 2: each may be turned round, images with it."""
    table = ClusterTable(np.array([[3, 0], [2, 1]]), np.array([[3, 1], [2, 2]]), np.array([1, 1]))
    sets = [((3, 3), (0, 1)), ((2, 2), (1, 2))]
    gaps = []
    for turned in itertools.product([1, -1], repeat=2):
        (a, b), (c, d) = (pair[::turn] for pair, turn in zip(sets, turned, strict=True))
        gaps.append(abs((a[0] + c[0]) / (a[1] + c[1]) - (b[0] + d[0]) / (b[1] + d[1])))
    assert found_by_dealing(table, gaps).gap == pytest.approx(1 - 1 / 3)


def test_dealing_people_over_crossed_groups_by_enumeration():
    """Two people of one race, two of another, each in two poses: right in both, in one, in one, in none. 6 x 2 x 2 x 2 x 2 ways."""
    pairs = [(1, 1), (1, 0), (1, 0), (0, 0)]
    gaps = []
    for first in itertools.combinations(range(4), 2):
        second = tuple(set(range(4)) - set(first))
        for turned in itertools.product([1, -1], repeat=4):
            facing = [pair[::turn] for pair, turn in zip(pairs, turned, strict=True)]
            rates = [sum(facing[person][pose] for person in race) / 2 for race in (first, second) for pose in (0, 1)]
            gaps.append(np.ptp(rates))
    events = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    table = ClusterTable(events, np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]), np.ones(4, int))
    assert found_by_dealing(table, gaps, "groups within clusters").gap == 1.0


def test_a_gap_between_people_is_found_where_each_has_every_pose():
    """100 people with an image in each of two poses. Of one race all are right; of the other half are, in both poses or in none."""
    events = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    table = ClusterTable(events, np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]), np.array([50, 25, 25]))
    found = clustered_gap_test(table, 999, rng())
    assert (found.gap, found.p) == (0.5, 0.001)  # exchanging poses alone would leave the gap what it is in every draw: p = 1
    assert found.null_95 < 0.25


def test_clusters_that_are_all_alike_leave_nothing_to_deal():
    people = ClusterTable(np.array([[1, 0], [0, 1]]), np.array([[2, 0], [0, 2]]), np.array([15, 15]))
    dealt = clustered_gap_test(people, 199, rng())  # each is right in one of two images, whoever is dealt where
    assert (dealt.gap, dealt.p, dealt.null_mean, dealt.null_95) == (0, 1, 0, 0)
    crossed = ClusterTable(np.array([[1, 0, 0, 0], [0, 0, 0, 1]]), np.array([[1, 1, 0, 0], [0, 0, 1, 1]]), np.array([15, 15]))
    turned = clustered_gap_test(crossed, 199, rng())  # of one race always in the first pose, of the other in the second
    assert (turned.gap, turned.p) == (1, 1 / 200)
    assert 0 < turned.null_mean < turned.null_95 < 1


def test_people_dealt_one_by_one_are_dealt_like_kinds_of_people(monkeypatch):
    """60 people in six crossed groups, two each; as one row a person they are more than there are kinds and places."""
    source = rng(3)
    where = np.repeat([[0, 1], [2, 3], [4, 5]], 20, axis=0)
    table = ClusterTable(np.zeros((60, 6), int), np.zeros((60, 6), int), np.ones(60, int))
    np.put_along_axis(table.n, where, 3, axis=1)
    np.put_along_axis(table.events, where, source.binomial(3, 0.5, (60, 2)), axis=1)
    kinds = clustered_gap_test(table, 20_000, rng(1))
    monkeypatch.setattr("audit.statistics.units.cluster_null._TOGETHER", 0)
    one_by_one = clustered_gap_test(table, 20_000, rng(2))
    assert kinds.p == pytest.approx(one_by_one.p, abs=0.015)
    assert (kinds.null_mean, kinds.null_95) == pytest.approx((one_by_one.null_mean, one_by_one.null_95), abs=0.01)


def test_a_group_of_a_set_that_stands_or_falls_together_is_one_case():
    """Twenty sets with five images in each of two groups, all five alike: dealing images would alarm without a reason."""
    source, kept = rng(6), []
    for _ in range(200):
        blocks = 5 * source.integers(2, size=(20, 2))
        table = ClusterTable(blocks, np.full((20, 2), 5), np.ones(20, int))
        kept.append(clustered_gap_test(table, 199, source).p <= 0.05)
    assert np.mean(kept) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_the_p_of_separate_people_is_the_score_tests_and_within_sets_a_paired_one():
    """Chi-square's p, where Student's t is nearly normal. Only in the first 60, only in the second 30: McNemar's is 30^2 / 90 = 10."""
    table, first, second = one_image_each(140, 120), np.array([0]), np.array([1])
    sides = (np.array([140]), np.array([200]), np.array([120]), np.array([200]))
    assert clustered_p(table, first, second) == pytest.approx(two_proportion_p(*sides), abs=4e-3)
    copied = ClusterTable(5 * table.events, 5 * table.n, table.count)
    assert clustered_p(copied, first, second) == pytest.approx(clustered_p(table, first, second))
    table = ClusterTable(SETS, np.ones_like(SETS), np.ones(300, int))
    assert float(clustered_p(table, first, second)[0]) == pytest.approx(float(2 * stdtr(299, -np.sqrt(10 * 299 / 300))))
    same = ClusterTable(np.ones((20, 2), int), np.ones((20, 2), int), np.ones(20, int))
    assert clustered_p(same, first, second).tolist() == [1.0]


def test_many_differences_are_those_of_one_at_a_time():
    source = rng(8)
    table = ClusterTable(source.integers(0, 3, size=(40, 3)), np.full((40, 3), 3), np.ones(40, int))
    first, second = np.triu_indices(3, 1)
    low, high = clustered_differences(table, first, second, 0.05)
    for place, (i, j) in enumerate(zip(first, second, strict=True)):
        found = clustered_difference(table, i, j, 0.05)
        assert (found.low, found.high) == pytest.approx((low[place], high[place]))


def test_large_sets_are_dealt_like_enumerated_ones(monkeypatch):
    table = ClusterTable(np.array([[2, 1, 0], [0, 3, 1]]), np.array([[3, 3, 2], [2, 4, 2]]), np.array([4, 6]))
    listed = clustered_gap_test(table, 20_000, rng())
    monkeypatch.setattr("audit.statistics.units.cluster_null._ARRANGEMENTS", 0)
    drawn = clustered_gap_test(table, 20_000, rng(1))
    assert drawn.null_mean == pytest.approx(listed.null_mean, rel=0.03)
    assert drawn.p == pytest.approx(listed.p, abs=0.015)


def test_single_images_are_the_test_on_counts():
    n, k = np.array([200, 300, 250]), np.array([50, 100, 60])
    codes, event = np.repeat(range(3), n), np.concatenate([np.arange(m) < h for h, m in zip(k, n, strict=True)])
    found = clustered_gap_test(cluster_table(np.arange(750), codes, event, 3), 20_000, rng())
    alone = gap_test(k, n, 20_000, rng(1))
    assert found.p == pytest.approx(alone.p, abs=0.01)
    assert found.null_95 == pytest.approx(alone.upper, abs=0.004)


def test_people_who_agree_with_themselves_raise_no_alarm():
    """Three groups of 40 people, four images each, all of a person alike: the test on images alarms far too often."""
    source, kept, naive = rng(5), [], []
    for _ in range(200):
        groups = [people(source, 40, 4, 0.5, 0.8) for _ in range(3)]
        table = nested(*groups)
        kept.append(clustered_gap_test(table, 199, source).p <= 0.05)
        naive.append(gap_test(*table.totals, 199, source).p <= 0.05)
    assert np.mean(kept) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(naive) > 0.2
