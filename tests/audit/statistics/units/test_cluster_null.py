"""The test of clustered groups: by enumeration, one p whatever the seed, and right where clusters are not alike."""

import itertools

import numpy as np
import pytest
from scipy.special import stdtr

from audit.statistics.null import gap_test, two_proportion_p
from audit.statistics.resampling import spread_of_rates
from audit.statistics.units.cluster_null import clustered_gap_test, clustered_p, shuffles
from audit.statistics.units.clusters import ClusterTable, cluster_table
from tests.support.cluster_tables import nested

FIRST, SECOND = np.array([0]), np.array([1])


def clusters(source, sizes, rate, correlation):
    """Events and images of clusters whose images agree more than others'."""
    if correlation in (0, 1):
        each = (source.random(len(sizes)) < rate) if correlation else rate
    else:
        weight = (1 - correlation) / correlation
        each = source.beta(rate * weight, (1 - rate) * weight, len(sizes))
    return source.binomial(sizes, each), np.array(sizes)


def drawn_gaps(table, draws, seed=0):
    return np.concatenate([spread_of_rates(shuffle.rates) for shuffle in shuffles(table, draws, np.random.default_rng(seed))])


def assert_dealt(table, expected):
    """Every gap that a dealing can give is drawn as often as it is given."""
    drawn = drawn_gaps(table, 30_000)
    for gap in np.unique(np.round(expected, 9)):
        assert np.mean(np.isclose(drawn, gap)) == pytest.approx(np.mean(np.isclose(expected, gap)), abs=0.012)


def test_dealing_people_by_enumeration():
    """Four people with images (1 of 2), (2 of 2), (0 of 1), (1 of 1); two a group. Six ways to choose the first two."""
    k, n = np.array([1, 2, 0, 1]), np.array([2, 2, 1, 1])
    gaps = []
    for first in itertools.combinations(range(4), 2):
        inside = np.isin(np.arange(4), first)
        gaps.append(abs(k[inside].sum() / n[inside].sum() - k[~inside].sum() / n[~inside].sum()))
    assert_dealt(nested((k[:2], n[:2]), (k[2:], n[2:])), gaps)


def test_dealing_within_sets_by_enumeration():
    """Two sets with an image in each of three groups, one and two events: 3 x 3 equally likely dealings."""
    table = ClusterTable(np.array([[1, 0, 0], [1, 1, 0]]), np.ones((2, 3), int), np.array([1, 1]))
    ways = [set(itertools.permutations(events)) for events in ([1, 0, 0], [1, 1, 0])]
    assert_dealt(table, [np.ptp(np.add(*both) / 2) for both in itertools.product(*ways)])


def test_exchanging_unequal_groups_by_enumeration():
    """One set with 3 of 3 and 0 of 1, another with 1 of 2 and 2 of 2: each may be turned round, images with it."""
    table = ClusterTable(np.array([[3, 0], [2, 1]]), np.array([[3, 1], [2, 2]]), np.array([1, 1]))
    gaps = []
    for turned in itertools.product([1, -1], repeat=2):
        (a, b), (c, d) = (pair[::turn] for pair, turn in zip([((3, 3), (0, 1)), ((2, 2), (1, 2))], turned, strict=True))
        gaps.append(abs((a[0] + c[0]) / (a[1] + c[1]) - (b[0] + d[0]) / (b[1] + d[1])))
    assert_dealt(table, gaps)


def people_in_poses():
    """Two people of one race, two of another, each in two poses: right in both, in one, in one, in none."""
    events = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    return ClusterTable(events, np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]), np.ones(4, int))


@pytest.mark.parametrize("together", [1, 0], ids=["kinds", "one by one"])
def test_dealing_people_over_crossed_groups_by_enumeration(together, monkeypatch):
    """6 x 2 x 2 x 2 x 2 ways; drawn by kinds of people, and person by person."""
    monkeypatch.setattr("audit.statistics.units.cluster_null._TOGETHER", together)
    pairs = [(1, 1), (1, 0), (1, 0), (0, 0)]
    gaps = []
    for first in itertools.combinations(range(4), 2):
        second = tuple(set(range(4)) - set(first))
        for turned in itertools.product([1, -1], repeat=4):
            facing = [pair[::turn] for pair, turn in zip(pairs, turned, strict=True)]
            gaps.append(np.ptp([sum(facing[person][pose] for person in race) / 2 for race in (first, second) for pose in (0, 1)]))
    assert_dealt(people_in_poses(), gaps)


def test_mixed_clusters_are_dealt_among_their_own_kind():
    """Two people in one group each, and two sets that span both: 2 x 2 x 2 ways, and a set stays whole."""
    table = ClusterTable(np.array([[1, 0], [0, 0], [1, 0], [0, 2]]), np.array([[1, 0], [0, 1], [1, 2], [1, 2]]), np.ones(4, int))
    gaps = []
    for people, one, two in itertools.product([1, -1], repeat=3):
        (a, b), (c, d), (e, f) = ([(1, 1), (0, 1)][::people], [(1, 1), (0, 2)][::one], [(0, 1), (2, 2)][::two])
        gaps.append(abs((a[0] + c[0] + e[0]) / (a[1] + c[1] + e[1]) - (b[0] + d[0] + f[0]) / (b[1] + d[1] + f[1])))
    assert_dealt(table, gaps)


@pytest.mark.parametrize("limit", [120, 0], ids=["listed", "one by one"])
def test_products_of_a_shuffle_are_those_of_a_table(limit, monkeypatch):
    """What all shuffles share: events, images and their squares in all, and products within a set."""
    monkeypatch.setattr("audit.statistics.units.cluster_null._ARRANGEMENTS", limit)
    table = ClusterTable(np.array([[2, 1, 0], [0, 3, 1], [1, 0, 0]]), np.array([[3, 3, 2], [2, 4, 2], [4, 0, 0]]), np.array([4, 6, 3]))
    (sums,) = shuffles(table, 50, np.random.default_rng(0))
    for name in ("e", "n", "ee", "en", "nn"):
        axes = tuple(range(1, getattr(sums, name).ndim))
        np.testing.assert_allclose(getattr(sums, name).sum(axis=axes), getattr(table.sums, name).sum())
    assert len(np.unique(sums.e, axis=0)) > 5


def test_a_gap_between_people_is_found_where_each_has_every_pose():
    """100 people with an image in each of two poses. Of one race all are right; of the other half are, in both poses or in none."""
    events = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    table = ClusterTable(events, np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]), np.array([50, 25, 25]))
    found = clustered_gap_test(table, 999, np.random.default_rng(0))
    assert found.gap == 0.5
    assert found.p <= 0.002  # exchanging poses alone would leave the gap what it is in every draw: p = 1
    assert found.upper < 0.25


def test_clusters_that_are_all_alike_leave_nothing_to_deal():
    people = ClusterTable(np.array([[1, 0], [0, 1]]), np.array([[2, 0], [0, 2]]), np.array([15, 15]))
    permuted = clustered_gap_test(people, 199, np.random.default_rng(0))  # each is right in one of two images, whoever is dealt where
    assert (permuted.gap, permuted.p, permuted.mean, permuted.upper) == (0, 1, 0, 0)


def test_single_images_are_the_test_on_counts():
    n, k = np.array([200, 300, 250]), np.array([50, 100, 60])
    codes, event = np.repeat(range(3), n), np.concatenate([np.arange(m) < h for h, m in zip(k, n, strict=True)])
    found = clustered_gap_test(cluster_table(np.arange(750), codes, event, 3), 9999, np.random.default_rng(0))
    alone = gap_test(k, n, 9999, np.random.default_rng(1))
    assert found.p == pytest.approx(alone.p, abs=0.02)
    assert found.upper == pytest.approx(alone.upper, abs=0.004)
    assert found.most_significant == alone.most_significant


# ---- one p -----------------------------------------------------------------------------------------------------------------------


def test_groups_that_no_shuffle_tells_apart_have_a_p_of_one_whatever_the_seed():
    """30 sets, each right in another of 30 groups: every group has one event of 30, and no table is less extreme."""
    table = ClusterTable(np.eye(30, dtype=int), np.ones((30, 30), int), np.ones(30, int))
    assert {clustered_gap_test(table, 199, np.random.default_rng(seed)).p for seed in range(5)} == {1.0}


@pytest.mark.parametrize("seed", range(3))
def test_another_seed_and_other_names_move_p_by_its_monte_carlo_error(seed):
    source = np.random.default_rng(seed)
    table = nested(*(clusters(source, [4] * 25, 0.5 + 0.05 * group, 0.4) for group in range(4)))
    found = [clustered_gap_test(table, 1999, np.random.default_rng(100 + seed)).p for seed in range(4)]
    order = source.permutation(4)
    found.append(clustered_gap_test(table.of(order), 1999, np.random.default_rng(200 + seed)).p)
    error = np.sqrt(np.mean(found) * (1 - np.mean(found)) / 2000)
    assert np.ptp(found) <= 6 * error


def test_the_most_significant_pair_begins_with_the_higher_rate():
    found = clustered_gap_test(
        nested((np.array([1] * 20), np.full(20, 4)), (np.array([3] * 20), np.full(20, 4))), 199, np.random.default_rng(0)
    )
    assert found.most_significant == (1, 0)


def test_a_few_shuffles_do_not_outvote_the_observed_errors():
    """90 of 93 images right in five clusters, all 720 in 36 others: of 999 shuffles seven are as extreme, of normal rates seven in ten."""
    few = np.array([48, 2, 1, 19, 20]), np.array([50, 2, 1, 20, 20])
    found = clustered_gap_test(nested(few, (np.full(36, 20), np.full(36, 20))), 999, np.random.default_rng(0))
    assert found.p > 0.5


def test_groups_that_share_clusters_have_correlated_rates_under_the_null():
    """192 sets of four poses, all right or none but in twelve, whose last pose is wrong: each pose has nearly the same events."""
    events = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0]])
    found = clustered_gap_test(ClusterTable(events, np.ones_like(events), np.array([90, 90, 12])), 999, np.random.default_rng(0))
    assert max(found.p, found.pair_p, found.chi2_p) <= 0.002


# ---- clusters that are not alike -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "groups",
    [
        [([50] * 20, 0.8, 0.9), ([50] * 200, 0.8, 0.05)],
        [([2] * 20, 0.8, 0.1), ([100] * 100, 0.8, 0.1)],
        [([10] * 40, 0.8, 1), ([10] * 400, 0.8, 0)],
        [([50] * 20, 0.02, 0.3), ([50] * 200, 0.02, 0.02)],
    ],
    ids=["unequal correlation", "unequal size", "all or none", "rare"],
)
def test_groups_of_unlike_clusters_raise_no_alarm(groups):
    source, alarms = np.random.default_rng(7), []
    for _ in range(100):
        table = nested(*(clusters(source, *group) for group in groups))
        alarms.append(clustered_gap_test(table, 199, source).p <= 0.05)
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 100)


@pytest.mark.slow_except("alike")
@pytest.mark.parametrize(
    "groups",
    [[([50] * 20, 0.8, 0.5), ([1] * 1000, 0.5, 0)], [([5] * 60, 0.8, 0.3), ([5] * 60, 0.55, 0.3)]],
    ids=["clusters and single images", "alike"],
)
def test_a_difference_is_found_where_a_clustered_regression_finds_it(groups):
    source, found = np.random.default_rng(8), []
    for _ in range(50):
        table = nested(*(clusters(source, *group) for group in groups))
        found.append(clustered_gap_test(table, 199, source).p <= 0.05)
    assert np.mean(found) >= 0.85


@pytest.mark.slow
def test_people_who_agree_with_themselves_raise_no_alarm():
    """Three groups of 40 people, four images each, all of a person alike: the test on images alarms far too often."""
    source, kept, naive = np.random.default_rng(5), [], []
    for _ in range(100):
        table = nested(*(clusters(source, [4] * 40, 0.5, 0.8) for _ in range(3)))
        kept.append(clustered_gap_test(table, 199, source).p <= 0.05)
        naive.append(gap_test(*table.totals, 199, source).p <= 0.05)
    assert np.mean(kept) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 100)
    assert np.mean(naive) > 0.2


def test_the_p_of_separate_people_is_that_of_two_proportions():
    """200 + 200 people with one image each, where Student's t is nearly normal."""
    events = np.concatenate([np.arange(200) < 140, np.arange(200) < 120])
    table = cluster_table(np.arange(400), np.repeat([0, 1], 200), events, 2)
    sides = (np.array([140]), np.array([200]), np.array([120]), np.array([200]))
    assert clustered_p(table.sums, FIRST, SECOND) == pytest.approx(two_proportion_p(*sides), abs=4e-3)
    copied = ClusterTable(5 * table.events, 5 * table.n, table.count)
    assert clustered_p(copied.sums, FIRST, SECOND) == pytest.approx(clustered_p(table.sums, FIRST, SECOND))


def test_the_p_of_few_clusters_is_students():
    """20 + 20 people with one image, 6 and 14 right: half-way to .5 rates .4 and .6, of variance .24 / 19 on 19 degrees of freedom."""
    events = np.concatenate([np.arange(20) < 6, np.arange(20) < 14])
    table = cluster_table(np.arange(40), np.repeat([0, 1], 20), events, 2)
    assert clustered_p(table.sums, FIRST, SECOND) == pytest.approx(2 * stdtr(38, -0.4 / np.sqrt(2 * 0.24 / 19)))


def test_where_no_cluster_tells_two_groups_apart_p_is_one():
    same = ClusterTable(np.ones((20, 2), int), np.ones((20, 2), int), np.ones(20, int))
    assert clustered_p(same.sums, FIRST, SECOND).tolist() == [1.0]
